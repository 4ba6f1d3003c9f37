"""The conditional VAE: for each label its own likelihood, known exactly in the linear case."""

import numpy as np
import pytest
import scipy.stats

from tinygen import grad, models, nn
from tinygen.models import ConditionalVAE, conditional

W = np.array([[2.0, 0.0], [0.0, 0.7], [0.0, 0.0]])  # (D, K), with orthogonal columns
B = np.array([[0.0, 1.0, 2.0], [-3.0, 0.5, 0.0], [0.0, 0.0, 4.0], [1.0, -1.0, 1.0]])  # (classes, D)
σ2 = 0.3


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def linear() -> ConditionalVAE:
    """x = W z + b_y + σ ε, with the encoder of the exact posterior (Tipping & Bishop 1999, equation 7)."""
    model = ConditionalVAE.dense((3,), (), 2, 4, pixels="gaussian", rng=rng(), dtype=np.float64)
    m = np.diag(W.T @ W) + σ2
    (to_stats, bias), (back, none) = model.encoder.parameters(), model.decoder.parameters()
    to_stats.data = np.block([[W / m, np.zeros((3, 2))], [-B @ W / m, np.zeros((4, 2))]])  # (D + classes, 2K)
    bias.data = np.concatenate([np.zeros(2), np.log(σ2 / m)])
    back.data, none.data, model.log_var.data = np.concatenate([W.T, B]), np.zeros(3), np.array(np.log(σ2))
    return model


def evidence(x, labels):
    return scipy.stats.multivariate_normal(np.zeros(3), W @ W.T + σ2 * np.eye(3)).logpdf(x - B[labels])


@pytest.mark.parametrize("k", [1, 3])
def test_at_the_posterior_the_bound_is_the_evidence_of_each_label(monkeypatch, k):
    monkeypatch.setattr(conditional, "IMAGES", 4)  # images at a time
    x, labels = rng(1).normal(size=(11, 3)) * 2, rng(2).integers(4, size=11)
    np.testing.assert_allclose(linear().log_likelihood(x, labels, k, rng(3)), evidence(x, labels), rtol=0, atol=1e-11)
    other = (labels + 1) % 4
    assert (np.abs(linear().log_likelihood(x, other, k, rng(3)) - evidence(x, labels)) > 1e-3).all()


def test_the_loss_is_the_negative_bound_on_average():
    model, x, labels = linear(), rng(1).normal(size=(40, 3)) * 2, rng(2).integers(4, size=40)
    found = np.array([model.loss(x, labels, rng(seed)).item() for seed in range(300)])
    assert found.mean() == pytest.approx(-evidence(x, labels).mean(), abs=4 * found.std() / 300**0.5)
    terms = model.terms(x, labels, rng(5))
    assert model.loss(x, labels, rng(5), beta=3).item() == pytest.approx(
        terms.reconstruction.item() + 3 * terms.kl.item()
    )
    assert model.loss(x, labels, rng(5), free_bits=50).item() == pytest.approx(terms.reconstruction.item() + 100)


def test_batches_keep_each_label_with_its_example():
    model, x, labels = linear(), rng(1).normal(size=(11, 3)), rng(2).integers(4, size=11)
    z = rng(3).normal(size=(11, 2))
    calls = [
        lambda **how: model.decode(z, labels, **how),
        lambda **how: model.reconstruct(x, labels, **how),
        lambda **how: model.encode(x, labels, **how)[0],
        lambda **how: model.sample(labels, rng(4), **how),
    ]
    whole = [call() for call in calls]
    for call, expected in zip(calls, whole):
        np.testing.assert_allclose(call(batch_size=3), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole[0], z @ W.T + B[labels], rtol=0, atol=1e-12)
    assert model.sample(labels, rng(4)).shape == (11, 3)
    np.testing.assert_allclose(model(x, labels).numpy(), whole[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_every_parameter_is_trained_and_the_label_reaches_both_networks(name):
    sizes = dict(widths=(5,)) if name == "dense" else dict(channels=(2, 3), hidden=5)
    model = getattr(ConditionalVAE, name)((8, 8, 1), latent=2, classes=3, pixels="gaussian", rng=rng(), **sizes)
    x, labels = rng(1).random((4, 8, 8, 1), dtype=np.float32), np.array([0, 1, 2, 1])
    assert all(np.abs(g.numpy()).max() > 0 for g in grad(model.loss(x, labels, rng()), model.parameters()))
    same = np.repeat(x[:1], 3, axis=0)
    mu = model.encode(same, np.arange(3))[0]
    images = model.decode(np.repeat(mu[:1], 3, axis=0), np.arange(3))
    assert len(np.unique(mu, axis=0)) == len(np.unique(images, axis=0)) == 3
    assert nn.Module.state_dict(model).keys() == {name for name, _ in model.named_parameters()}


def test_samples_are_those_of_each_label():
    labels = np.repeat(np.arange(4), 5000)
    x = linear().sample(labels, rng(6))
    for y in range(4):
        own = x[labels == y]
        np.testing.assert_allclose(own.mean(axis=0), B[y], rtol=0, atol=4 * 2 / 5000**0.5)
        np.testing.assert_allclose(np.cov(own.T), W @ W.T, rtol=0, atol=4 * 4 * (2 / 5000) ** 0.5)
    assert models.sample(linear(), 6, rng(7)).shape == (6, 3)  # labels 0, 1, 2, 3, 0, 1


# -- more samples, and a prior for each class --------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
def test_with_k_samples_the_loss_is_that_of_an_iwae_of_each_label(gradient):
    model = ConditionalVAE.dense((6,), (5,), 2, 3, rng=rng(), dtype=np.float64)
    x, labels = (rng(1).random((7, 6)) < 0.4).astype(float), rng(2).integers(3, size=7)
    w = model.given(labels).log_weights(x, 4, rng(3)).numpy()
    loss = model.given(labels, k=4, gradient=gradient).loss(x, rng(3))
    assert loss.item() == pytest.approx(-np.log(np.exp(w).mean(axis=0)).mean(), rel=1e-12)
    assert all(np.abs(g.numpy()).max() > 0 for g in grad(loss, model.parameters()))
    assert type(model.given(labels)) is models.VAE and type(model.given(labels, k=2)) is models.IWAE


def with_prior() -> ConditionalVAE:
    """The model of `linear`, whose classes also have their own prior N(μ_y, diag σ_y²); the encoder is arbitrary."""
    model = ConditionalVAE.dense((3,), (), 2, 4, pixels="gaussian", prior="learned", rng=rng(), dtype=np.float64)
    back, none = model.decoder.parameters()
    back.data, none.data, model.log_var.data = np.concatenate([W.T, B]), np.zeros(3), np.array(np.log(σ2))
    model.prior.mu.data, model.prior.log_var.data = rng(7).normal(size=(2, 4, 2))
    return model


def test_a_learned_prior_has_the_bound_of_its_definition():
    """log p(x|z, y) + log p(z|y) - log q(z|x, y), where z and its q are those of the codes, shifted and scaled."""
    model, x, labels = with_prior(), rng(1).normal(size=(11, 3)), rng(2).integers(4, size=11)
    μ, σ = model.prior.mu.numpy()[labels], np.exp(0.5 * model.prior.log_var.numpy()[labels])
    mu, log_var = model.encode(x, labels)
    mean, sd = μ + σ * mu, σ * np.exp(0.5 * log_var)  # of q(z|x, y)
    z = mean + sd * rng(5).standard_normal((1, 11, 2))[0]
    log_p = scipy.stats.norm(z @ W.T + B[labels], σ2**0.5).logpdf(x).sum(axis=1)
    log_ratio = (scipy.stats.norm(μ, σ).logpdf(z) - scipy.stats.norm(mean, sd).logpdf(z)).sum(axis=1)
    found = model.given(labels).log_weights(x, 1, rng(5)).numpy()[0]
    np.testing.assert_allclose(found, log_p + log_ratio, rtol=0, atol=1e-11)
    kl = np.log(σ / sd) + (sd**2 + (mean - μ) ** 2) / (2 * σ**2) - 0.5
    assert model.terms(x, labels, rng(5)).kl.item() == pytest.approx(kl.sum(axis=1).mean(), rel=1e-12)


def test_samples_with_a_learned_prior_are_those_of_each_class():
    model, labels = with_prior(), np.repeat(np.arange(4), 5000)
    x = model.sample(labels, rng(6))
    for y in range(4):
        own, σ = x[labels == y], np.exp(0.5 * model.prior.log_var.numpy()[y])
        covariance = W * σ**2 @ W.T
        sd = np.sqrt(np.diag(covariance)) + 1e-12
        assert (np.abs(own.mean(axis=0) - B[y] - W @ model.prior.mu.numpy()[y]) <= 4 * sd / 5000**0.5).all()
        np.testing.assert_allclose(np.cov(own.T), covariance, rtol=0, atol=4 * covariance.max() * (2 / 5000) ** 0.5)


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_a_learned_prior_starts_as_the_standard_one_and_is_trained(name):
    sizes = dict(widths=(5,)) if name == "dense" else dict(channels=(2, 3), hidden=5)
    make = getattr(ConditionalVAE, name)
    plain, model = (
        make((8, 8, 1), latent=2, classes=3, prior=prior, rng=rng(), **sizes) for prior in ("standard", "learned")
    )
    x, labels = rng(1).random((4, 8, 8, 1), dtype=np.float32), np.array([0, 1, 2, 1])
    loss = model.loss(x, labels, rng())
    assert loss.item() == plain.loss(x, labels, rng()).item()
    assert all(np.abs(g.numpy()).max() > 0 for g in grad(loss, [model.prior.mu, model.prior.log_var]))
    assert model.state_dict().keys() - plain.state_dict().keys() == {"prior.mu", "prior.log_var"}
    with pytest.raises(ValueError, match="ConditionalVAE: expected prior to be one of 'standard', 'learned', got 'x'"):
        make((8, 8, 1), latent=2, classes=3, prior="x", rng=rng(), **sizes)


def test_errors_name_the_labels():
    model, x = linear(), np.zeros((6, 3))
    with pytest.raises(ValueError, match=r"expected labels to be integers in 0\.\.3, got 0\.\.5"):
        model.loss(x, np.arange(6), rng())
    with pytest.raises(TypeError, match=r"expected labels to be integers in 0\.\.3, got float64"):
        model.loss(x, np.zeros(6), rng())
    for labels in (np.zeros(4, int), np.zeros(0, int)):
        with pytest.raises(ValueError, match=f"expected one label for each of 6 examples, got {len(labels)} labels"):
            model.loss(x, labels, rng())
        with pytest.raises(ValueError, match=f"expected one label for each of 6 examples, got {len(labels)} labels"):
            model.encode(x, labels)
    with pytest.raises(ValueError, match=r"expected one label for each of 6 examples, got labels of shape \(6, 1\)"):
        model.encoder(x, np.zeros((6, 1), int))
    with pytest.raises(ValueError, match="expected classes to be a whole number of at least 1, got 0"):
        ConditionalVAE.dense((3,), (), 2, 0, rng=rng())
