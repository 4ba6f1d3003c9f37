"""The two bounds of VAEs: the terms of the ELBO, and the tighter bound of k samples."""

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Derivatives, Example, Extremes, FromRng, Gradients, Shapes, Values
from tinygen.exercises.tracks.inputs import seeded, with_tensors
from tinygen.models.vae import VAE
from tinygen.tensor import Tensor


def _even() -> VAE:
    """q(z|x) is N((1, 1), I) for every x, and every pixel is 1 with probability 3/4."""
    model = VAE.dense((3,), [], 2, rng=seeded(), dtype=np.float64)
    for parameter in model.parameters():
        parameter.data = np.zeros(parameter.shape)
    encoder, decoder = model.encoder.parameters(), model.decoder.parameters()
    encoder[-1].data, decoder[-1].data = np.array([1.0, 1.0, 0.0, 0.0]), np.full(3, np.log(3.0))
    return model


def _images(rng: np.random.Generator, size: int) -> Arguments:
    """A small model in float64, images of any shape, and often free bits."""
    shape = [(1, 1), (2, 3), (3, 2, 2, 1), (4, 2, 3, 1), (5, 4)][size]
    pixels = ["bernoulli", "gaussian"][(size + rng.integers(2)) % 2]
    model = VAE.dense(shape[1:], [3], 2, rng=rng, dtype=np.float64, pixels=pixels)
    for parameter in model.parameters():
        parameter.data = rng.normal(0, 0.7, parameter.shape)
    x = rng.random(shape)
    settings = [{}, {"free_bits": 0.3}, {"free_bits": 2.0}][(size + rng.integers(3)) % 3]
    return call(model, Tensor(x) if rng.random() < 0.3 else x, seeded(size), **settings)


KL, RECONSTRUCTION = "kl = functional.gaussian_kl(q.mu, q.log_var)  #", "-p.log_prob(x).sum() * (1 / len(x))"
FREE = 'maximum(functional.gaussian_kl(q.mu, q.log_var, reduction="none").mean(axis=0), least).sum()'

ELBO_TERMS = Exercise(
    name="elbo_terms",
    track="VAEs",
    title="the two terms of the ELBO",
    source="tinygen.models.vae:VAE.terms",
    question="self is a VAE. self.posterior(x) is q(z|x), a Normal (N, K); self.likelihood(z) is p(x|z), with\n"
    "p.log_prob(x) for each pixel of x (N, ...). Return Terms(reconstruction, kl) in nats per image:\n"
    "-log p(x|z) for one z from q(z|x), and KL(q(z|x) ‖ N(0, I)); each is a sum over pixels or over\n"
    "latents, and a mean over images. With free_bits λ above 0, the second is Σₖ max(λ, KLₖ), where KLₖ\n"
    "is the divergence of latent k, averaged over the batch. Gradients reach both networks.",
    page="vae.md#one-bound-two-networks",
    hints=(
        "Four lines: q; a draw z from q with gradients; p of z; the two terms.",
        "q.rsample(rng) is a draw with gradients, and functional.gaussian_kl(q.mu, q.log_var) the divergence, summed "
        "over latents and averaged over images. Don't average over pixels: log p(x|z) is a sum over them.",
        'Terms(-p.log_prob(x).sum() * (1 / len(x)), kl); for free bits take gaussian_kl with reduction="none", (N, K), '
        "its mean over the batch, and then maximum and a sum",
    ),
    stages=(
        Example(
            lambda: call(_even(), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), seeded()),
            (np.array(3.0602706), np.array(1.0)),
            "Here q(z|x) is N((1, 1), I), and every pixel is 1 with probability 3/4, whatever z is. So the KL is "
            "½ (1² + 1²), and the two images cost -2 log 3/4 - log 1/4 and -3 log 1/4 nats.",
        ),
        Shapes(_images),
        Values(_images, "The two terms are not right for some model, images and free bits."),
        Gradients(
            _images,
            lambda given: given.args[0].parameters(),
            lost="The values are right, but no gradient reaches some of the parameters.",
        ),
        FromRng(lambda rng: call(*_images(seeded(3), 3).args[:2], rng)),
    ),
    wrong=(
        Wrong(
            (("q.rsample(rng)", "q.sample(rng)"),),
            "The draw z is a constant, so the reconstruction doesn't train the encoder. Draw with rsample.",
        ),
        Wrong(
            (("q.rsample(rng)", "q.mu"),),
            "It decodes the mean of q(z|x), so nothing is random. The bound needs a draw from q(z|x).",
        ),
        Wrong(
            ((RECONSTRUCTION, "-p.log_prob(x).mean()"),),
            "The reconstruction is a mean over pixels. log p(x|z) is their sum: otherwise the KL weighs too much, and "
            "the terms add up to no bound.",
        ),
        Wrong(((RECONSTRUCTION, "-p.log_prob(x).sum()"),), "The reconstruction is a sum over images. Take their mean."),
        Wrong(((RECONSTRUCTION, RECONSTRUCTION[1:]),), "The sign of the reconstruction is wrong: it is -log p(x|z)."),
        Wrong(
            ((KL, 'kl = functional.gaussian_kl(q.mu, q.log_var, reduction="mean")  #'),),
            "Without free bits, the KL is a mean over latents. It is a sum over them, and a mean over images.",
        ),
        Wrong(
            ((KL, "kl = -functional.gaussian_kl(q.mu, q.log_var)  #"),),
            "The sign of the KL is wrong: both terms are costs.",
        ),
        Wrong((("if free_bits:", "if False:"),), "It ignores the argument `free_bits`."),
        Wrong(
            ((FREE, "maximum(kl, least)"),), "The free bits are for the sum of all latents. Each latent has its own."
        ),
        Wrong(
            (
                (
                    FREE,
                    'maximum(functional.gaussian_kl(q.mu, q.log_var, reduction="none"), least).mean(axis=0).sum()',
                ),
            ),
            "Each image has its free bits. Average the KL of a latent over the batch first, then take the maximum.",
        ),
    ),
    correct=(
        """
        def terms(self, x, rng, *, free_bits=0.0):
            from tinygen import exp

            q = self.posterior(x)
            z = q.mu + exp(q.log_var / 2) * rng.standard_normal(q.shape, dtype=q.dtype)
            log_p = self.likelihood(z).log_prob(x).reshape(len(x), -1).sum(axis=1)
            each = 0.5 * (q.mu**2 + exp(q.log_var) - 1 - q.log_var).mean(axis=0)
            return Terms(-log_p.mean(), (maximum(each, free_bits) if free_bits else each).sum())
        """,
        """
        def terms(self, x, rng, *, free_bits=0.0):
            from tinygen.distributions import Normal, kl_divergence

            q = self.posterior(x)
            p = self.likelihood(q.rsample(rng, (1,)).reshape(q.shape))
            kl = kl_divergence(q, Normal(0.0, log_var=0.0)).sum(axis=0) / len(x)
            total = 0.0
            for k in range(self.latent):
                total = total + (kl[k] if kl.numpy()[k] > free_bits else 0.0 * kl[k] + free_bits)
            return Terms(0.0 - p.log_prob(x).sum() / len(x), total)
        """,
    ),
)


def _log_weights(rng: np.random.Generator, size: int) -> Arguments:
    return call(rng.normal(-3, 4, [(1, 1), (1, 3), (2, 2), (3, 3), (5, 2)][size]))


IMPORTANCE_BOUND = Exercise(
    name="importance_bound",
    track="VAEs",
    title="the bound of k samples",
    source="tinygen.models.vae:importance_bound",
    question="log_w holds log wᵢ = log p(x|zᵢ) p(zᵢ) / q(zᵢ|x) for k draws zᵢ of each of N images, (k, N).\n"
    "Return L_k = log (1/k Σᵢ wᵢ) of each image, (N,), in nats. The weights of images are as small as\n"
    "e^-1000, where exp underflows.",
    page="vae.md#tighter-bounds",
    hints=(
        "L_k is the logarithm of a mean of weights, not the mean of logarithms: that is the ELBO.",
        "log (1/k Σ wᵢ) = log Σ exp(log wᵢ) - log k, and logsumexp computes the first part without underflow.",
        "return logsumexp(log_w, axis=...) - math.log(...): over the draws, which are k",
    ),
    stages=(
        Example(
            lambda: call(Tensor(np.log([[1.0, 2.0, 1.0], [3.0, 2.0, 7.0]]))),
            np.log([2.0, 2.0, 4.0]),
            "The weights of the first image are 1 and 3. Their mean is 2, and the bound is log 2.",
        ),
        Shapes(with_tensors(_log_weights)),
        Values(with_tensors(_log_weights)),
        Derivatives(_log_weights),
        Extremes(
            [
                lambda: call(Tensor(np.array([[-2000.0, 800.0], [-2001.0, 801.0]]))),
                lambda: call(Tensor(np.array([[-300.0, 100.0], [-301.0, -200.0]], np.float32))),
                lambda: call(Tensor(np.array([[-np.inf], [-5.0]]))),
            ],
            "The weights underflow or overflow: subtract the largest log weight first, or use logsumexp.",
        ),
    ),
    wrong=(
        Wrong(
            (("logsumexp(log_w, axis=0) - math.log(len(log_w))", "log_w.mean(axis=0)"),),
            "This is the mean of the log weights, an estimate of the ELBO. L_k is the logarithm of the mean weight.",
        ),
        Wrong(
            (("logsumexp(log_w, axis=0) - math.log(len(log_w))", "logsumexp(log_w, axis=0)"),),
            "It is the logarithm of the sum of weights. That of their mean is less by log k.",
        ),
        Wrong((("axis=0) - math", "axis=0) + math"),), "The sign of log k is wrong: a mean is a sum divided by k."),
        Wrong((("axis=0", "axis=1"),), "It adds the weights of different images. The draws are along the first axis."),
        Wrong(
            (("math.log(len(log_w))", "math.log(log_w.shape[1])"),),
            "It divides by the number of images. Divide by the number of draws, k.",
        ),
        Wrong(
            (("math.log(len(log_w))", "math.log(log_w.size)"),), "It divides by k N. The mean is over the k draws only."
        ),
        Wrong(
            (
                (
                    "logsumexp(log_w, axis=0) - math.log(len(log_w))",
                    "(logsumexp(log_w, axis=0) - math.log(len(log_w))).mean()",
                ),
            ),
            "This is a mean over the images. Return the bound of each.",
        ),
        Wrong(
            (
                (
                    "return logsumexp(log_w, axis=0) - math.log(len(log_w))",
                    "from tinygen import exp, log\n    return log(exp(log_w).mean(axis=0))",
                ),
            ),
            "It computes the weights themselves, which underflow to 0 for images. Use logsumexp.",
        ),
        Wrong(
            (("logsumexp(log_w, axis=0)", "logsumexp(log_w.detach(), axis=0)"),),
            "The bound has no gradient, because `detach` leaves the graph.",
        ),
    ),
    correct=(
        """
        def importance_bound(log_w):
            from tinygen import exp, log

            largest = log_w.data.max(axis=0)
            return log(exp(log_w - largest).mean(axis=0)) + largest
        """,
        """
        def importance_bound(log_w):
            k, n = log_w.shape
            return logsumexp((log_w - float(np.log(k))).T, axis=-1).reshape(n)
        """,
    ),
)

EXERCISES = (ELBO_TERMS, IMPORTANCE_BOUND)
