"""The VAE as statistics: terms that add up, bounds that are bounds, and models whose log p(x) is known exactly."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats

import tinygen as tg
from tinygen import grad, optim
from tinygen.models import IWAE, VAE, GaussianVAE, vae

SPREAD = 4.0  # standard errors


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def binary(n: int, *shape: int, seed: int = 1, dtype=np.float64) -> np.ndarray:
    return (rng(seed).random((n, *shape)) < 0.4).astype(dtype)


def small(kind=VAE, dtype=np.float64, seed: int = 0) -> VAE:
    return kind.dense((3, 3, 1), (7, 5), 2, rng=rng(seed), dtype=dtype)


# -- the network -------------------------------------------------------------------------------------------------------


def test_the_network_of_the_paper_and_its_number_of_parameters():
    model = VAE.dense((28, 28, 1), (200, 200), 50, rng=rng())
    sizes = [p.size for p in model.parameters()]
    layers = [a + b for a, b in zip(sizes[::2], sizes[1::2])]
    assert layers == [157_000, 40_200, 20_100, 10_200, 40_200, 157_584]
    assert "(B, 28, 28, 1)" in model.summary((28, 28, 1))
    assert [type(layer).__name__ for layer in model.encoder] == ["Flatten", "Dense", "Dense", "Dense"]
    assert [type(layer).__name__ for layer in model.decoder] == ["Dense", "Dense", "Dense", "Reshape"]
    assert [layer.activation for layer in [*model.encoder][1:]] == ["tanh", "tanh", None]
    assert [layer.activation for layer in [*model.decoder][:-1]] == ["tanh", "tanh", None]


@pytest.mark.parametrize("kind", [VAE, GaussianVAE])
def test_arrays_in_and_arrays_out(kind):
    model, x = small(kind, np.float32), binary(7, 3, 3, 1, dtype=np.float32)
    mu, log_var = model.encode(x, batch_size=3)
    assert mu.shape == log_var.shape == (7, 2)
    y = model.reconstruct(x, batch_size=2)
    assert y.shape == x.shape and y.dtype == np.float32
    np.testing.assert_allclose(model.decode(mu), y, rtol=0, atol=1e-6)
    if kind is VAE:
        assert ((y > 0) & (y < 1)).all()
    samples = model.sample(6, rng(2), batch_size=4)
    assert samples.shape == (6, 3, 3, 1) and (samples == model.sample(6, rng(2), batch_size=4)).all()


def importance_weighted(model: VAE, x: np.ndarray) -> tg.Tensor:
    """The loss of an importance-weighted autoencoder with k = 3, of the same networks."""
    same = IWAE(model.encoder, model.decoder, latent=2, k=3, pixels=model.pixels)
    same.log_var = model.log_var
    return same.loss(x, rng(3))


@pytest.mark.parametrize("objective", [lambda model, x: model.loss(x, rng(3), beta=0.7), importance_weighted])
@pytest.mark.parametrize("kind", [VAE, GaussianVAE])
def test_the_gradients_of_a_whole_vae(kind, objective):
    model, x = small(kind), binary(4, 3, 3, 1)
    params = model.parameters()

    def loss(*values):
        for p, value in zip(params, values):
            p.data = value
        return objective(model, x)

    start = [p.numpy() for p in params]
    found = grad(loss(*start), params)
    direction = [rng(4).normal(size=p.shape) for p in params]
    h = 1e-5
    ahead, behind = (loss(*[p + s * h * d for p, d in zip(start, direction)]).item() for s in (1, -1))
    slope = sum((g.numpy() * d).sum() for g, d in zip(found, direction))
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)


# -- the two terms -----------------------------------------------------------------------------------------------------


def by_hand(model: VAE, x: np.ndarray, seed: int) -> tuple[float, float]:
    """Both terms per image, computed in NumPy from the outputs of the networks."""
    stats = model.encoder(x).numpy()
    mu, log_var = stats[:, :2], stats[:, 2:]
    z = mu + np.sqrt(np.exp(log_var)) * rng(seed).standard_normal(mu.shape)
    y = model.decoder(z).numpy()
    if isinstance(model, GaussianVAE):
        log_p = scipy.stats.norm(y, np.exp(model.log_var.item() / 2)).logpdf(x)
    else:
        log_p = np.where(x == 1, -np.logaddexp(0, -y), -np.logaddexp(0, y))
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
    return -log_p.sum() / len(x), kl.sum() / len(x)


@pytest.mark.parametrize("kind", [VAE, GaussianVAE])
def test_the_terms_are_sums_over_pixels_and_latents_and_they_add_up(kind):
    model, x = small(kind), binary(11, 3, 3, 1)
    if kind is GaussianVAE:
        model.log_var.data = np.array(-0.9)
    reconstruction, kl = model.terms(x, rng(5))
    expected = by_hand(model, x, 5)
    assert (reconstruction.item(), kl.item()) == pytest.approx(expected, rel=1e-12)
    for beta in (0.0, 1.0, 4.0):
        assert model.loss(x, rng(5), beta=beta).item() == pytest.approx(expected[0] + beta * expected[1], rel=1e-12)
    assert model.loss(x, rng(5)).item() == pytest.approx(sum(expected), rel=1e-12)  # 1 if not said


@pytest.mark.parametrize("kind", [VAE, GaussianVAE])
def test_free_bits_are_a_floor_below_the_kl_of_each_latent(kind):
    """By hand: latents whose mean KL over the batch is below the floor count as the floor, and get no gradient."""
    model, x = small(kind), binary(11, 3, 3, 1)
    mu, log_var = model.encode(x)
    kls = (0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)).mean(axis=0)  # (2,)
    for floor in (kls.min() / 2, kls.mean(), 2 * kls.max()):
        terms = model.terms(x, rng(5), free_bits=floor)
        assert terms.kl.item() == pytest.approx(np.maximum(kls, floor).sum(), rel=1e-12)
        assert terms.reconstruction.item() == model.terms(x, rng(5)).reconstruction.item()
        expected = terms.reconstruction.item() + 0.3 * terms.kl.item()
        assert model.loss(x, rng(5), beta=0.3, free_bits=floor).item() == pytest.approx(expected, rel=1e-12)
        last = model.encoder.parameters()[-1]  # the biases of both means, then of both log-variances
        moved = grad(terms.kl, last).numpy() != 0
        assert (moved == np.tile(kls > floor, 2)).all()
    with pytest.raises(ValueError, match="expected free_bits to be a number"):
        model.loss(x, rng(5), free_bits=-1)


def test_a_convolutional_vae_takes_images_of_any_legal_size():
    for pixels, shape in (("bernoulli", (8, 12, 2)), ("gaussian", (4, 4, 1))):
        model = VAE.conv(shape, (2, 3), 2, hidden=4, pixels=pixels, rng=rng())
        x = binary(3, *shape, dtype=np.float32)
        assert model.reconstruct(x).shape == x.shape and model.sample(2, rng()).shape == (2, *shape)
        assert all(np.abs(g.numpy()).max() > 0 for g in grad(model.loss(x, rng()), model.parameters()))
    with pytest.raises(ValueError, match=r"VAE\.conv: expected images with H and W divisible by 4, got 6x8"):
        VAE.conv((6, 8, 1), rng=rng())
    with pytest.raises(ValueError, match="VAE: expected pixels to be one of 'bernoulli', 'gaussian', got 'poisson'"):
        VAE.conv((8, 8, 1), pixels="poisson", rng=rng())


def test_log_weights_are_estimates_of_the_elbo():
    model, x = small(), binary(3, 3, 3, 1)
    estimates = model.log_weights(x, 20_000, rng(6)).numpy()  # (k, N)
    terms = np.array([[t.item() for t in model.terms(x, rng(seed))] for seed in range(2000)]).sum(axis=1)
    gap = estimates.mean() + terms.mean()
    assert abs(gap) <= SPREAD * np.hypot(estimates.mean(axis=1).std() / 20_000**0.5, terms.std() / 2000**0.5)


# -- a linear-Gaussian VAE is probabilistic PCA, whose log p(x) is known -----------------------------------------------


def linear_model(seed: int = 0, pixels: int = 5, latent: int = 2) -> GaussianVAE:
    """x = W z + b + σ ε with orthogonal columns in W, so that the posterior has independent entries; and its encoder.

    p(z|x) = N(M⁻¹ Wᵀ (x - b), σ² M⁻¹) with M = WᵀW + σ² I (Tipping & Bishop 1999, equation 7).
    """
    model = GaussianVAE.dense((pixels,), (), latent, rng=rng(seed), dtype=np.float64)
    (to_stats, stats_bias), (weight, bias) = model.encoder.parameters(), model.decoder.parameters()
    W = np.linalg.qr(rng(seed).normal(size=(pixels, latent)))[0] * [2.0, 0.7][:latent]  # (D, K)
    b, σ2 = rng(seed + 1).normal(size=pixels), 0.3
    m = np.diag(W.T @ W) + σ2  # of M, which is diagonal
    weight.data, bias.data, model.log_var.data = W.T, b, np.array(np.log(σ2))
    to_stats.data = np.concatenate([W / m, np.zeros((pixels, latent))], axis=1)
    stats_bias.data = np.concatenate([-b @ W / m, np.log(σ2 / m)])
    return model


def evidence(model: GaussianVAE, x: np.ndarray) -> np.ndarray:
    """log N(x; b, W Wᵀ + σ² I) of each row."""
    weight, bias = model.decoder.parameters()
    covariance = weight.numpy().T @ weight.numpy() + np.exp(model.log_var.item()) * np.eye(x.shape[1])
    return scipy.stats.multivariate_normal(bias.numpy(), covariance).logpdf(x)


@pytest.mark.parametrize("k", [1, 2, 7, 300])
def test_at_the_true_posterior_every_bound_is_the_evidence(k):
    """No spread is left: p(x|z) p(z) / q(z|x) = p(x) for every z."""
    model, x = linear_model(), rng(7).normal(size=(130, 5)) * 2
    np.testing.assert_allclose(model.log_likelihood(x, k, rng(8)), evidence(model, x), rtol=0, atol=1e-11)
    np.testing.assert_allclose(model.log_weights(x, k, rng(9)).numpy(), [evidence(model, x)] * k, rtol=0, atol=1e-11)


def test_there_the_elbo_is_the_evidence_too():
    model, x = linear_model(), rng(7).normal(size=(40, 5)) * 2
    found = np.array([-model.loss(x, rng(seed)).item() for seed in range(1500)])
    assert found.mean() == pytest.approx(evidence(model, x).mean(), abs=SPREAD * found.std() / 1500**0.5)
    assert found.std() / 1500**0.5 < 0.01


def test_training_finds_the_maximum_likelihood_that_pca_knows():
    """At the optimum the mean ELBO is that of probabilistic PCA: its σ² is the mean of the discarded eigenvalues."""
    data = rng(10).normal(size=(400, 5)) * [2.0, 1.4, 0.5, 0.5, 0.4] + 1
    x = data @ np.linalg.qr(rng(11).normal(size=(5, 5)))[0]
    λ = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    σ2 = λ[2:].mean()
    best = -0.5 * (5 * np.log(2 * np.pi) + np.log(λ[:2]).sum() + 3 * np.log(σ2) + 5)  # nats per row
    model, draws = GaussianVAE.dense((5,), (), 2, rng=rng(12), dtype=np.float64), rng(13)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(0.03, total=1500)
    for step in range(1500):
        opt.lr = schedule(step)
        opt.step(grad(model.loss(x, draws), params))
    assert evidence(model, x).mean() == pytest.approx(best, abs=2e-3)
    assert evidence(model, x).mean() <= best + 1e-9
    assert np.exp(model.log_var.item()) == pytest.approx(σ2, rel=0.03)
    elbo = model.log_weights(x, 50, rng(14)).numpy().mean()
    assert elbo == pytest.approx(best, abs=5e-3)  # no gap: the encoder has found the posterior


# -- away from the optimum: bounds that rise with k --------------------------------------------------------------------


def rough(seed: int = 0) -> GaussianVAE:
    """The linear model with an encoder that is wrong in mean and variance."""
    model = linear_model(seed)
    weight, bias = model.encoder.parameters()
    weight.data = 0.5 * weight.numpy()
    bias.data = bias.numpy() + np.array([0.3, -0.2, 1.0, 0.6])  # wider than the posterior: the weights stay bounded
    return model


@pytest.mark.parametrize("model, shape", [(rough(), (5,)), (small(), (3, 3, 1)), (small(GaussianVAE), (3, 3, 1))])
def test_the_bound_never_falls_with_k(model, shape):
    x = rng(15).normal(size=(2000, *shape)) if isinstance(model, GaussianVAE) else binary(2000, *shape)
    bounds = {k: model.log_likelihood(x, k, rng(k)) for k in (1, 2, 5, 20, 100)}
    for fewer, more in zip(list(bounds)[:-1], list(bounds)[1:]):
        rise = bounds[more] - bounds[fewer]  # paired: the same image
        assert rise.mean() >= -SPREAD * rise.std() / len(x) ** 0.5
    gain = bounds[100] - bounds[1]
    assert gain.mean() > SPREAD * gain.std() / len(x) ** 0.5  # where q isn't the posterior, it rises


def test_the_bound_stays_below_the_evidence_and_reaches_it():
    model, x = rough(), rng(16).normal(size=(300, 5)) * 1.5
    exact = evidence(model, x)
    gaps = {k: exact - model.log_likelihood(x, k, rng(17)) for k in (1, 30, 3000)}
    for gap in gaps.values():
        assert gap.mean() >= -SPREAD * gap.std() / len(x) ** 0.5
    assert gaps[1].mean() > 0.3
    assert gaps[3000].mean() < gaps[30].mean() < gaps[1].mean()
    assert abs(gaps[3000].mean()) < 0.01


def test_a_bernoulli_vae_against_quadrature():
    """With one latent, log p(x) = log ∫ N(z; 0, 1) Πᵢ p(xᵢ|z) dz is a sum over a line; so is KL(q ‖ p(z|x))."""
    model = VAE.dense((4,), (6,), 1, rng=rng(18), dtype=np.float64)
    for p in model.decoder.parameters():
        p.data = 3 * p.numpy() + 0.3  # so that the posterior isn't nearly the prior
    x = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]], float)
    z = np.linspace(-12, 12, 20_001)
    dz, logits = z[1] - z[0], model.decoder(z[:, None]).numpy()  # (z, 4)
    log_prior = scipy.stats.norm.logpdf(z)
    mu, log_var = model.encode(x)
    for i, image in enumerate(x):
        log_p = log_prior - np.logaddexp(0, np.where(image == 1, -logits, logits)).sum(axis=1)
        exact = np.log(np.exp(log_p).sum() * dz)
        log_q = scipy.stats.norm(mu[i, 0], np.exp(log_var[i, 0] / 2)).logpdf(z)
        gap = (np.exp(log_q) * (log_q - (log_p - exact))).sum() * dz  # KL(q ‖ p(z|x))
        w = model.log_weights(x[i : i + 1], 40_000, rng(19)).numpy()[:, 0]
        assert w.mean() == pytest.approx(exact - gap, abs=SPREAD * w.std() / 200)
        found = model.log_likelihood(x[i : i + 1], 40_000, rng(20)).item()
        assert found == pytest.approx(exact, abs=SPREAD * np.exp(w - exact).std() / 200)
        assert gap > 1e-3


def test_samples_are_those_of_the_prior():
    model = linear_model()
    weight, bias = (p.numpy() for p in model.decoder.parameters())
    x = model.sample(20_000, rng(21))
    np.testing.assert_allclose(x.mean(axis=0), bias, rtol=0, atol=SPREAD * 2 / 20_000**0.5)
    np.testing.assert_allclose(np.cov(x.T), weight.T @ weight, rtol=0, atol=SPREAD * 4 * (2 / 20_000) ** 0.5)


# -- how log_likelihood goes about it ----------------------------------------------------------------------------------


def test_blocks_of_draws_change_nothing(monkeypatch):
    model, x = small(), binary(150, 3, 3, 1)
    whole = model.log_likelihood(x, 37, rng(22))
    monkeypatch.setattr(vae, "BLOCK", vae.IMAGES * 9 * 5)  # 5 draws at a time
    np.testing.assert_allclose(model.log_likelihood(x, 37, rng(22)), whole, rtol=0, atol=1e-12)
    assert whole.shape == (150,) and whole.dtype == np.float64


def test_memory_does_not_grow_with_k(monkeypatch):
    model, x = VAE.dense((28, 28, 1), (8,), 2, rng=rng()), binary(10, 28, 28, 1, dtype=np.float32)
    monkeypatch.setattr(vae, "BLOCK", 2**20)
    model.log_likelihood(x, 2, rng())  # compiles what has to be
    tracemalloc.start()
    model.log_likelihood(x, 1000, rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 4 * 2**20 < 1000 * 10 * 784 * 4 * 2  # a few arrays of a block; all at once would be two of 31 MB


def test_the_log_mean_of_weights_that_underflow():
    """exp(-2000) is 0: the mean has to be taken from the logarithms."""
    model = VAE.dense((3000,), (), 1, rng=rng(), dtype=np.float64)
    found = model.log_likelihood(binary(2, 3000), 5, rng())
    assert np.isfinite(found).all() and (found < -1500).all()


# -- what goes in ------------------------------------------------------------------------------------------------------


def test_errors_name_what_does_not_fit():
    encoder, decoder = tg.nn.Dense(4, 3, rng=rng()), tg.nn.Dense(2, 4, rng=rng())
    x = binary(5, 4, dtype=np.float32)
    with pytest.raises(ValueError, match=r"expected the encoder to return \(N, 4\).*of 2 latents, got \(5, 3\)"):
        VAE(encoder, decoder, latent=2).loss(x, rng())
    with pytest.raises(ValueError, match=r"expected x \(\.\.\., 5, 6\), got \(5, 4\)"):
        VAE(tg.nn.Dense(4, 4, rng=rng()), tg.nn.Dense(2, 6, rng=rng()), latent=2).loss(x, rng())
    with pytest.raises(ValueError, match="expected latent to be a whole number of at least 1, got 0"):
        VAE(encoder, decoder, latent=0)
    with pytest.raises(ValueError, match="log_likelihood: expected k to be a whole number of at least 1, got 0"):
        small().log_likelihood(binary(2, 3, 3, 1), 0, rng())
    with pytest.raises(ValueError, match=r"VAE.loss: expected pixels in \[0, 1\], got 0..2: scale"):
        small().loss(2 * binary(2, 3, 3, 1), rng())
