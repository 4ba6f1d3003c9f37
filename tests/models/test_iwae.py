"""The bound of k samples as a loss: its value, its order, and both gradients against exact ones by quadrature."""

import numpy as np
import pytest
import scipy.stats

import tinygen as tg
from tinygen import grad, optim
from tinygen.models import IWAE, VAE

SPREAD = 4.0  # standard errors


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def binary(n: int, *shape: int) -> np.ndarray:
    return (rng(1).random((n, *shape)) < 0.4).astype(np.float64)


def small(k: int, gradient: str = "plain", pixels: str = "bernoulli") -> IWAE:
    return IWAE.dense((6,), (5,), 2, k=k, gradient=gradient, pixels=pixels, rng=rng(), dtype=np.float64)


def line(k: int, gradient: str, *, encoder: tuple[float, ...]) -> IWAE:
    """One pixel and one latent: x ~ N(a z + b, σ²); q(z|x) = N(c x + d, exp(e x + f)) with encoder = (c, e, d, f)."""
    model = IWAE.dense((1,), (), 1, k=k, gradient=gradient, pixels="gaussian", rng=rng(), dtype=np.float64)
    values = [encoder[:2]], encoder[2:], [[1.3]], [0.4], np.log(0.5)
    for p, value in zip([*model.encoder.parameters(), *model.decoder.parameters(), model.log_var], values, strict=True):
        p.data = np.array(value)
    return model


OFF = (0.4, 0.1, 0.2, -0.3)  # an encoder that is wrong in mean and variance
M = 1.3**2 + 0.5
EXACT = (1.3 / M, 0.0, -0.4 * 1.3 / M, np.log(0.5 / M))  # that of the posterior (Tipping & Bishop 1999, equation 7)


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
@pytest.mark.parametrize("pixels", ["bernoulli", "gaussian"])
def test_the_value_is_the_bound_whatever_the_gradient(gradient, pixels):
    model, x = small(4, gradient, pixels), binary(7, 6)
    w = model.log_weights(x, 4, rng(3)).numpy()
    expected = -np.log(np.exp(w).mean(axis=0)).mean()
    assert model.loss(x, rng(3)).item() == pytest.approx(expected, rel=1e-12)
    with tg.no_grad():
        assert model.loss(x, rng(3)).item() == pytest.approx(expected, rel=1e-12)


def test_one_sample_gives_the_loss_of_a_vae_within_standard_errors():
    model, x = small(1), binary(2000, 6)
    plain = VAE(model.encoder, model.decoder, latent=2)
    w = model.log_weights(x, 1, rng(4)).numpy()[0]
    error = np.hypot(w.std(), plain.log_weights(x, 1, rng(5)).numpy().std()) / 2000**0.5
    assert abs(model.loss(x, rng(6)).item() - plain.loss(x, rng(7)).item()) <= SPREAD * error


def test_the_loss_never_rises_with_k_and_stays_above_the_negative_evidence():
    x = rng(8).normal(size=(3000, 1)) * 1.4 + 0.4
    evidence = scipy.stats.norm(0.4, np.sqrt(1.3**2 + 0.5)).logpdf(x[:, 0])
    gaps = []  # (k, N), per image: a mean of one image has the same value as the loss of that image
    for k in (1, 2, 5, 20):
        w = line(k, "plain", encoder=OFF).log_weights(x, k, rng(k)).numpy()
        gaps.append(evidence - np.log(np.exp(w).mean(axis=0)))
        assert line(k, "plain", encoder=OFF).loss(x, rng(k)).item() == pytest.approx((gaps[-1] - evidence).mean())
    for fewer, more in zip(gaps, [*gaps[1:], np.zeros(3000)]):
        fall = fewer - more
        assert fall.mean() >= -SPREAD * fall.std() / 3000**0.5
    assert gaps[0].mean() > gaps[-1].mean() + 0.05


# -- gradients ---------------------------------------------------------------------------------------------------------


def exact_gradients(x: float) -> list[np.ndarray]:
    """Those of -L_2 by Gauss-Hermite quadrature over both draws of ε, by autodiff of the sum."""
    model = line(2, "plain", encoder=OFF)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    q, z = model.posterior(np.array([[x]])), None
    z = q.mu + tg.exp(0.5 * q.log_var) * nodes[:, None]  # (40, 1)
    p = model.likelihood(z)
    log_p = -0.5 * ((np.full((40, 1), x) - p.mean) ** 2 / tg.exp(model.log_var) + model.log_var + np.log(2 * np.pi))
    w = log_p - 0.5 * z * z + 0.5 * nodes[:, None] ** 2 + 0.5 * q.log_var  # (40, 1), log of the weight at each node
    both = tg.concat(
        tg.broadcast_to(w, shape=(40, 40))[None], tg.broadcast_to(w.reshape(1, 40), shape=(40, 40))[None], axis=0
    )
    bound = ((tg.logsumexp(both, axis=0) - np.log(2)) * np.outer(weights, weights)).sum()
    return [g.numpy() for g in grad(-bound, model.parameters())]


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_both_gradients_are_those_of_the_bound_within_standard_errors(gradient):
    """200 gradients of 100 copies of one image; their mean is normal, so 4 standard errors are exceeded rarely."""
    model, draws, x = line(2, gradient, encoder=OFF), rng(9), np.full((100, 1), 1.7)
    found = [[g.numpy() for g in grad(model.loss(x, draws), model.parameters())] for _ in range(200)]
    for expected, *each in zip(exact_gradients(1.7), *found, strict=True):
        error = np.std(each, axis=0) / 200**0.5
        assert (np.abs(np.mean(each, axis=0) - expected) <= SPREAD * error).all()
        assert (error > 0).all() and (np.abs(expected) > 10 * error).any()


def test_dreg_has_no_noise_at_the_posterior():
    """There log w is the same for every z, so ∂log w/∂z = 0: the gradient of the encoder is exactly 0."""
    x, size = rng(10).normal(size=(50, 1)), {}
    for gradient in ("plain", "dreg"):
        model = line(5, gradient, encoder=EXACT)
        size[gradient] = max(np.abs(g.numpy()).max() for g in grad(model.loss(x, rng(11)), model.encoder.parameters()))
    assert size["dreg"] < 1e-12 and size["plain"] > 1e-3


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_the_decoder_gets_the_same_gradient_from_both(gradient):
    model, x = small(3, gradient), binary(4, 6)
    w = model.log_weights(x, 3, rng(12))
    bound = (tg.logsumexp(w, axis=0) - np.log(3)).mean()
    found = grad(model.loss(x, rng(12)), model.decoder.parameters())
    for a, b in zip(found, grad(-bound, model.decoder.parameters())):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_training_lowers_the_loss(gradient):
    model, x = small(5, gradient), np.repeat([[0.0, 1, 0, 1, 0, 1], [1, 1, 1, 0, 0, 0]], 20, axis=0)
    params, draws = model.parameters(), rng(13)
    opt, before = optim.Adam(params, 0.03), model.loss(x, rng(14)).item()
    for _ in range(60):
        opt.step(grad(model.loss(x, draws), params))
    assert model.loss(x, rng(14)).item() < 0.5 * before


def test_errors():
    with pytest.raises(ValueError, match="IWAE: expected k to be a whole number of at least 1, got 0"):
        small(0)
    with pytest.raises(ValueError, match="IWAE: expected gradient to be one of 'plain', 'dreg', got 'stl'"):
        small(2, "stl")
    for gradient in ("plain", "dreg"):
        with pytest.raises(ValueError, match=r"IWAE\.loss: expected at least one image, got an empty batch"):
            small(2, gradient).loss(np.zeros((0, 6)), rng())
