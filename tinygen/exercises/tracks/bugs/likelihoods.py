"""Find the bug: models whose derivatives are right and whose statistics are wrong, which no gradient check can see."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.distributions import Normal
from tinygen.exercises.draws import not_normal
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import code, number, shown
from tinygen.exercises.stages import FromRng, Gradients, Made, Property, Shapes, Values
from tinygen.exercises.tracks.inputs import seeded, written_draws
from tinygen.exercises.tracks.vaes import OF_ANOTHER_LAW
from tinygen.grad import grad
from tinygen.models import VAE
from tinygen.tensor import Tensor

TRACK = "find the bug"

# -- draws of a normal distribution ------------------------------------------------------------------------------------


def _moments(rsample: Callable) -> Finding | None:
    """The variance of many draws, compared with that of the density; then their law."""
    for mu, var in [(0.0, 4.0), (2.0, 0.25), (-1.0, 1.0)]:
        q = Normal(np.full(3, mu), log_var=np.full(3, np.log(var)))
        rng = seeded(0)
        z = np.array([outcome(rsample, call(q, rng, (7000,))) for _ in range(2)])
        how = f"Normal(μ = {mu}, log_var = log {var}).rsample(rng, (7000,)), twice"
        if abs(z.var() / var - 1) > 0.1:  # 6 standard errors
            says = "The variance of the draws is not the variance of the density that `log_prob` returns."
            return Finding(says, how, f"variance {var}", f"variance {z.var():.3g}")
        if abs(z.mean() - mu) > 0.05 * var**0.5:
            return Finding("The mean of the draws is not μ.", how, f"mean {mu}", f"mean {z.mean():.3g}")
        if wrong := not_normal((z - mu) / var**0.5):
            return Finding(f"The draws, as (z - μ)/σ, are not from N(0, 1): {wrong}.", how)
    return None


def _drawn(rsample: Callable) -> Callable:
    """The draws as a function of arrays."""

    def draws(mu, log_var, shape=(), seed=0) -> Tensor:
        return rsample(Normal(mu, log_var=log_var), seeded(seed), shape)

    return draws


def _parameters(rng: np.random.Generator, size: int) -> Arguments:
    shape = [(), (1,), (3,), (2, 2), (3, 1, 2)][size]
    leading = [(), (2,), (1, 3)][int(rng.integers(3))]
    return call(rng.normal(size=shape), rng.normal(size=shape), shape=leading)


def _certain(rng: np.random.Generator, size: int) -> Arguments:
    """A variance of almost 0: the draws are the mean."""
    args, settings = _parameters(rng, size)
    return call(args[0], np.full(np.shape(args[0]), -200.0), **settings)


def _ways(rsample: Callable) -> Finding | None:
    """∂z/∂μ = 1 and ∂z/∂log_var = ½ (z - μ) for each draw."""
    mu, log_var = (Tensor(a, requires_grad=True) for a in seeded(0).normal(size=(2, 4)))
    z = rsample(Normal(mu, log_var=log_var), seeded(1))
    for x, wanted, name in ((mu, np.ones(4), "μ"), (log_var, 0.5 * (z.numpy() - mu.numpy()), "log_var")):
        found = grad(z.sum(), x, retain_graph=True).numpy() if isinstance(z, Tensor) and z.requires_grad else 0 * wanted
        if not np.allclose(found, wanted, rtol=1e-9):
            says = f"The gradient of the draws in {name} is not right: z = μ + σ ε with ε fixed, and σ² = exp(log_var)."
            says = says if found.any() else f"{name} gets no gradient: the graph is cut."
            return Finding(says, f"rsample(self, rng), slope in {name}", shown(wanted), shown(found))
    return None


_HALF = "exp(0.5 * self.log_var)"
_DRAW = "self.mu + exp(0.5 * self.log_var) * ε"

BUG_LOG_VAR = Exercise(
    name="bug_log_var",
    track=TRACK,
    title="a VAE that samples from another distribution than its KL term is for",
    source="tinygen.distributions.normal:Normal.rsample",
    question="Draws z = μ + σ ε of N(μ, σ²), with log_var = log σ². The loss of the VAE falls, all derivatives are\n"
    "right, but its codes are noisier than the KL divergence says where σ > 1, and less where σ < 1.\n"
    "Find out why, and fix it.",
    story="Found in DeZero (examples/vae.py), in numpy-ml under a docstring that states the right variance, and in an "
    'example of Keras, where the report was closed: "scale is irrelevant".',
    page="vae.md#one-bound-two-networks",
    hints=(
        "Draw many numbers for log_var = log 4 and compute their variance. Which one should it be?",
        "log_var is the logarithm of σ². What is the logarithm of σ?",
        "σ = √exp(log_var) = exp(... · log_var)",
    ),
    stages=(
        Property(
            "the variance of draws", _moments, (lambda: call(Normal(np.zeros(3), log_var=np.ones(3)), seeded(0)),)
        ),
        Made(_drawn, Shapes(_parameters), written_draws(seed=0)),
        Made(_drawn, Values(_certain, "With a variance of almost 0, every draw is the mean."), written_draws(seed=0)),
        Property("gradients of the draws", _ways),
        FromRng(lambda rng: call(Normal(np.zeros(4), log_var=np.zeros(4)), rng)),
    ),
    wrong=(
        Wrong(((_HALF, "exp(2 * self.log_var)"),), "This is σ⁴. σ is the root of σ² = exp(log_var)."),
        Wrong(((_HALF, "0.5 * self.log_var"),), "This is log σ: the exponential is missing."),
        Wrong(((_HALF, "0.5 * exp(self.log_var)"),), "Half of the variance is not its root."),
        Wrong(((_HALF, "exp(-0.5 * self.log_var)"),), "This is 1/σ: the sign is wrong."),
        Wrong(((_HALF, "exp(0.5 * self.log_var.detach())"),), "log_var gets no gradient: the graph is cut."),
        Wrong(((_DRAW, "self.mu + ε"),), "The standard deviation is gone: every draw has variance 1."),
        Wrong(
            (("standard_normal((*shape, *self.shape)", "standard_normal((*shape, *[1] * len(self.shape))"),),
            "All entries of a draw share one ε. Each has its own.",
        ),
        *OF_ANOTHER_LAW,
    ),
    correct=(
        """
        def rsample(self, rng, shape=()):
            noise = rng.standard_normal((*shape, *self.shape)).astype(self.dtype)
            sd = exp(self.log_var) ** 0.5
            return sd * noise + self.mu
        """,
        """
        def rsample(self, rng, shape=()):
            from tinygen import sqrt

            ε = rng.normal(size=tuple(shape) + tuple(self.shape)).astype(self.dtype)
            return self.mean + sqrt(self.variance) * ε
        """,
    ),
    bug=((_HALF, "exp(self.log_var)"),),
)

# -- the two terms of a VAE's loss -------------------------------------------------------------------------------------


def _terms_of(terms: Callable) -> Callable:
    """Both terms of a small VAE whose weights are known, and the gradient of their sum in the images."""

    def both(x, *, latent=2, pixels="bernoulli", free_bits=0.0) -> dict[str, Any]:
        model = VAE.dense(x.shape[1:], [3], latent, rng=seeded(3), dtype=x.dtype.type, pixels=pixels)
        reconstruction, kl = terms(model, x, seeded(4), free_bits=free_bits)
        return {"reconstruction": reconstruction, "kl": kl}

    return both


def _written_terms(call: Arguments) -> str:
    (x,), settings = call.args, dict(call.settings)
    free, latent = settings.pop("free_bits", 0.0), settings.pop("latent", 2)
    form = f"{x.shape[1:]}, [3], {latent}, rng=np.random.default_rng(3), dtype=np.{x.dtype}"
    made = f"model = VAE.dense({form}, pixels={settings.get('pixels', 'bernoulli')!r})"
    return f"{made}\nterms(model, {code(x)}, np.random.default_rng(4), free_bits={free})"


def _images(rng: np.random.Generator, size: int) -> Arguments:
    shape = [(1, 1), (2, 1), (2, 3), (3, 2, 2, 1), (4, 3, 2, 2)][size]
    settings: dict[str, Any] = dict(latent=1 + size % 3, pixels=str(rng.choice(["bernoulli", "gaussian"])))
    if size > 2 and rng.random() < 0.5:
        settings["free_bits"] = 0.3
    return call(rng.random(shape), **settings)


def _with_model(rng: np.random.Generator, size: int) -> Arguments:
    model = VAE.dense((2, 2, 1), [3], 2, rng=seeded(size), dtype=np.float64)
    return call(model, rng.random((size, 2, 2, 1)), seeded(5))


def _per_image(terms: Callable) -> Finding | None:
    """Images of twice as many pixels, which a decoder without weights predicts, and a batch that is repeated."""
    found = {}
    for pixels in (4, 8):
        model = VAE.dense((pixels,), [], 1, rng=seeded(0), dtype=np.float64)
        for parameter in model.parameters():
            parameter.data = np.zeros(parameter.shape)
        for n in (1, 3):
            found[pixels, n] = float(outcome(terms, call(model, np.ones((n, pixels)), seeded(1)))[0])
    one, two = found[4, 1], found[8, 1]
    if abs(two / one - 2) > 1e-6:
        says = (
            "Two independent pixels cost twice as many nats as one. An image of 8 equal pixels must have a "
            "reconstruction term twice as large as one of 4: otherwise the KL term weighs more in larger images."
        )
        return Finding(
            says, "terms(model, x, rng) for x (1, 4) and (1, 8)", f"ratio {number(2.0)}", f"ratio {two / one:.3g}"
        )
    if abs(found[4, 3] / one - 1) > 1e-6:
        says = "Three equal images must have the reconstruction term of one: it is a mean over images."
        return Finding(says, "terms(model, x, rng) for x (1, 4) and (3, 4)", number(one), number(found[4, 3]))
    return None


_NATS = "-p.log_prob(x).sum() * (1 / len(x))"

BUG_VAE_SCALE = Exercise(
    name="bug_vae_scale",
    track=TRACK,
    title="a VAE whose codes collapse, the sooner the larger its images are",
    source="tinygen.models.vae:VAE.terms",
    question="The two terms of the negative ELBO in nats per image. With small images the VAE learns; with larger\n"
    "ones the decoder ignores the code, and all reconstructions look alike. Find out why, and fix it.",
    story="Found in PyTorch-VAE (models/vanilla_vae.py): its loss is no bound of log p(x). Reports #11, #23, #56 "
    "and #68 ask what its terms mean.",
    page="vae.md#one-bound-two-networks",
    hints=(
        "Each term is in nats per image. Which axes does each of them sum over, and which does it average over?",
        "log p(x | z) of an image is the sum of the logarithms over its pixels, because they are independent given z.",
        "Compare with `gaussian_kl`, which sums over the numbers of a code and averages over the batch.",
    ),
    stages=(
        Property("the scale of the reconstruction", _per_image),
        Made(_terms_of, Shapes(_images), _written_terms),
        Made(_terms_of, Values(_images, "Compute it by hand for one image.", digits=()), _written_terms),
        Gradients(_with_model, lambda given: given.args[0].parameters()),
    ),
    wrong=(
        Wrong(((_NATS, "-p.log_prob(x).sum()"),), "This is the sum over the batch. A larger batch has a larger loss."),
        Wrong(
            ((_NATS, "p.log_prob(x).sum() * (1 / len(x))"),),
            "The sign is wrong: the model learns to make its images unlikely.",
        ),
        Wrong(
            (("Terms(-p", "Terms(-0.5 * p"),),
            "Half of the reconstruction: the sum of the terms is no bound of log p(x) now.",
        ),
        Wrong(
            ((f"Terms({_NATS}, kl)", "Terms(-p.log_prob(x).mean(), kl * (1 / x[0].size))"),),
            "Both terms are divided by the number of pixels now. They must be in nats per image.",
        ),
        Wrong(
            ((_NATS, "-p.log_prob(x).mean(axis=0).mean() * x.shape[-1]"),),
            "This sums over the last axis of an image alone. Sum over all its pixels.",
        ),
    ),
    correct=(
        """
        def terms(self, x, rng, *, free_bits=0.0):
            q = self.posterior(x)
            error = -self.likelihood(q.rsample(rng)).log_prob(x)
            kl = functional.gaussian_kl(q.mu, q.log_var, reduction="none").mean(axis=0)
            kl = maximum(kl, free_bits).sum() if free_bits else kl.sum()
            return Terms(error.reshape(len(x), -1).sum(axis=1).mean(), kl)
        """,
        """
        def terms(self, x, rng, *, free_bits=0.0):
            q = self.posterior(x)
            z = q.rsample(rng)
            p = self.likelihood(z)
            mean_image = p.log_prob(x).mean(axis=0)
            each = 0.5 * (q.mu**2 + q.variance - 1 - q.log_var).mean(axis=0)
            if free_bits > 0:
                each = maximum(each, free_bits)
            return Terms(-mean_image.sum(), each.sum())
        """,
    ),
    bug=((_NATS, "-p.log_prob(x).mean()"),),
)

EXERCISES: tuple[Exercise, ...] = (BUG_LOG_VAR, BUG_VAE_SCALE)
