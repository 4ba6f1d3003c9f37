"""The doctor of VAEs: a planted case of each disease is found and named, and healthy models have none."""

from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
from helpers.paths import ROOT

import tinygen as tg
from tinygen import grad, models, optim
from tinygen.distributions import Normal
from tinygen.models import IWAE, VAE, ConditionalVAE, GaussianVAE, diagnose
from tinygen.models.vae import Terms


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


X = np.kron(rng(1).integers(2, size=(120, 3)), np.ones(4)).astype(np.float32)  # three bits of four equal pixels each


def trained(kind=VAE, steps: int = 150, **settings) -> VAE:
    model = kind.dense((12,), [16], 4, rng=rng(), **settings)
    opt, draws = optim.Adam(model.parameters(), 0.02), rng(2)
    for _ in range(steps):
        opt.step(grad(model.loss(X[draws.integers(120, size=40)], draws), opt.params))
    return model


@pytest.fixture(scope="module")
def healthy():
    return trained()


def names(model, x=X) -> list[str]:
    found = diagnose(model, x, rng(3))
    assert all("\n" not in str(each) and str(each).count(": ") >= 2 for each in found)
    return [each.name for each in found]


def test_healthy_models_have_no_diagnosis(healthy):
    for seed in range(5):
        assert diagnose(healthy, X, rng(seed)) == []
    same = IWAE(healthy.encoder, healthy.decoder, latent=4, k=3)
    assert names(same) == []


def test_healthy_models_with_labels_and_gaussian_pixels_have_none(not_quick):
    assert names(trained(GaussianVAE)) == []
    model, labels = ConditionalVAE.dense((12,), [16], 4, 2, rng=rng()), (X[:, 0] > 0).astype(int)
    opt, draws = optim.Adam(model.parameters(), 0.02), rng(2)
    for _ in range(250):
        i = draws.integers(120, size=40)
        opt.step(grad(model.loss(X[i], labels[i], draws), opt.params))
    assert names(model.given(labels)) == []


def test_a_collapsed_posterior(healthy):
    """An encoder that looks away, whatever distribution it returns; and one that training with a large beta made."""
    weight, bias = (p.data for p in healthy.encoder.parameters()[-2:])
    try:
        healthy.encoder.parameters()[-2].data = 0 * weight
        for moved in (0, 1):
            healthy.encoder.parameters()[-1].data = moved + 0 * bias
            assert names(healthy) == ["the posterior has collapsed"]
    finally:
        healthy.encoder.parameters()[-2].data, healthy.encoder.parameters()[-1].data = weight, bias
    model = VAE.dense((12,), [16], 4, rng=rng())
    opt = optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        opt.step(grad(model.loss(X[:60], rng(4), beta=30), opt.params))
    assert names(model) == ["the posterior has collapsed"]


def test_a_decoder_that_ignores_the_code(healthy):
    weight = healthy.decoder.parameters()[0].data
    try:
        healthy.decoder.parameters()[0].data = 0 * weight
        assert names(healthy) == ["the decoder ignores the code"]
    finally:
        healthy.decoder.parameters()[0].data = weight


class PixelMeans(VAE):
    """The reconstruction is a mean over pixels, beside a sum over latents."""

    def terms(self, x, rng, *, free_bits=0.0):
        reconstruction, kl = super().terms(x, rng)
        return Terms(reconstruction * (1 / 12), kl)


class LatentMeans(VAE):
    def terms(self, x, rng, *, free_bits=0.0):
        reconstruction, kl = super().terms(x, rng)
        return Terms(reconstruction, kl * (1 / 4))


class LightKL(VAE):
    """The loss weighs the KL, the terms do not: it is no bound."""

    def loss(self, x, rng, *, beta=0.5, free_bits=0.0):
        return super().loss(x, rng, beta=beta)


class Doubled(Normal):
    """Draws with exp(log_var) as the standard deviation."""

    def rsample(self, rng, shape=()):
        return self.mu + tg.exp(self.log_var) * rng.standard_normal((*shape, *self.shape), dtype=np.float32)


class WrongDeviation(VAE):
    def posterior(self, x):
        q = super().posterior(x)
        return Doubled(q.mu, log_var=q.log_var)


class NotANumber(VAE):
    def loss(self, x, rng, *, beta=1.0, free_bits=0.0):
        return super().loss(x, rng) * np.float32(np.nan)


class ForgottenLogK(IWAE):
    def loss(self, x, rng):
        return super().loss(x, rng) - np.float32(np.log(self.k))


PLANTED = {
    PixelMeans: "the reconstruction term is",
    LatentMeans: "the KL term is",
    LightKL: "the loss is",
    WrongDeviation: "the KL term is",
    NotANumber: "the loss is nan",
    ForgottenLogK: "the loss is",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_terms_that_do_not_add_up(healthy, kind):
    model = kind(healthy.encoder, healthy.decoder, latent=4)
    (found,) = [each for each in diagnose(model, X, rng(3)) if each.name == "the terms do not add up"]
    assert found.reason.startswith(PLANTED[kind])


def test_what_it_can_not_examine():
    gan = models.GAN.dense((2,), [3], 2, rng=rng())
    with pytest.raises(TypeError, match=r"diagnose: expected a VAE, got GAN$"):
        diagnose(gan, X, rng())
    conditional = ConditionalVAE.dense((12,), [3], 2, 2, rng=rng())
    with pytest.raises(TypeError, match=r"diagnose: expected a VAE, got ConditionalVAE: pass model\.given\(labels\)"):
        diagnose(conditional, X, rng())
    with pytest.raises(ValueError, match="expected at least two images, got 1"):
        diagnose(VAE.dense((12,), [3], 2, rng=rng()), X[:1], rng())


def test_healthy_runs_rarely_alarm(not_quick):
    """With a false-alarm rate of 2 %, more than two alarms in 24 runs would have a probability of 1 %."""
    spec = spec_from_file_location("vae_false_alarms", ROOT / "tools" / "vae_false_alarms.py")
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    found = tool.healthy_runs(range(24))
    assert len(found) >= 16 and sum(map(bool, found.values())) <= 2
