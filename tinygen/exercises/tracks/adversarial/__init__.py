"""GANs and diffusion: here the two losses from logits; penalties and diffusion have files of their own."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Derivatives, Example, Extremes, Gradients, Shapes, Values
from tinygen.exercises.tracks.adversarial import diffusion, penalties
from tinygen.exercises.tracks.inputs import with_tensors
from tinygen.tensor import Tensor

TRACK = "GANs and diffusion"


def _logits(rng: np.random.Generator, size: int) -> Arguments:
    """Logits of a batch of real and of one of fake examples; the batches differ in size."""
    shapes = [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((3,), (4,)), ((4, 1), (3, 1)), ((2, 3, 3, 1), (5, 3, 3, 1))]
    return call(*(rng.normal(0, 3, shape) for shape in shapes[size]))


def _fakes(rng: np.random.Generator, size: int) -> Arguments:
    return call(_logits(rng, size).args[1])


def _certain(n: int) -> Callable[[np.random.Generator, int], Arguments]:
    """Logits so large that D is 0 or 1 to rounding, as variables; a call has n batches."""

    def draw(rng: np.random.Generator, size: int) -> Arguments:
        signs = rng.choice([-1.0, 1.0], (n, 2 * size, 1))
        return call(*(Tensor(900 * each, requires_grad=True) for each in signs))

    return draw


_AT_EXTREMES = "The value is right, but the gradient of a logit of ±900 is not: it must be finite, and not lost."

DISCRIMINATOR_LOSS = Exercise(
    name="discriminator_loss",
    track=TRACK,
    title="the loss of a discriminator, from its logits",
    source="tinygen.models.gan:classification",
    question="real and fake are logits s, of shape (N, 1) and (M, 1) or any other shapes. D = σ(s) is the\n"
    "probability of being real. Return the mean of -log D over the real examples plus the mean of\n"
    "-log(1 - D) over the fake ones, in nats. It must be right for logits of ±1000 too, where D is\n"
    "0 or 1 to rounding.",
    page="gan.md#the-best-discriminator-and-what-it-measures",
    hints=(
        "Write D = 1 / (1 + e^-s) into -log D and simplify before you compute anything.",
        "-log σ(s) = log(1 + e^-s), and 1 - σ(s) = σ(-s). The function softplus(x) = log(1 + eˣ) doesn't overflow.",
        "return softplus(-real).mean() + ...",
    ),
    stages=(
        Example(
            lambda: call(Tensor(np.log([[3.0]])), Tensor(np.log([[1.0], [3.0]]))),
            np.array(1.3274028),
            "A logit of log 3 means D = 3/4, and a logit of 0 means D = 1/2. So the loss is "
            "-log(3/4) - (log(1/2) + log(1/4)) / 2.",
        ),
        Shapes(with_tensors(_logits)),
        Values(with_tensors(_logits)),
        Derivatives(_logits, order=1),
        Extremes(
            [
                lambda real=real, fake=fake, dtype=dtype: call(
                    Tensor(np.array([[real], [1.0]], dtype)), Tensor(np.array([[fake]], dtype))
                )
                for dtype in (np.float32, np.float64)
                for real, fake in [(1e3, -1e3), (-1e3, -1e3), (1e3, 1e3), (-50.0, 50.0), (50.0, -50.0), (-np.inf, 0.0)]
            ],
            "It is right for small logits only: log D is computed from a D that is rounded to 0 or 1.",
        ),
        Gradients(_certain(2), lambda given: given.args, _AT_EXTREMES, _AT_EXTREMES, name="gradients at extremes"),
    ),
    wrong=(
        Wrong(
            (("softplus(-real)", "softplus(real)"),),
            "The real examples have the label of fakes: this is -log(1 - D) for both.",
        ),
        Wrong(
            (("softplus(-real)", "softplus(real)"), ("softplus(fake)", "softplus(-fake)")),
            "The labels are exchanged: this discriminator learns that fakes are real.",
        ),
        Wrong(
            (("softplus(fake)", "softplus(-fake)"),),
            "The fakes have the label of real examples: this is -log D for both.",
        ),
        Wrong(
            (("softplus(-real).mean() + softplus(fake).mean()", "softplus(-real).sum() + softplus(fake).sum()"),),
            "These are sums. The loss is a mean over the real examples plus a mean over the fake ones.",
        ),
        Wrong(
            (
                (
                    "softplus(-real).mean() + softplus(fake).mean()",
                    "(softplus(-real).sum() + softplus(fake).sum()) * (1 / (real.size + fake.size))",
                ),
            ),
            "This is one mean over all examples. Take the mean of each batch, then add the two.",
        ),
        Wrong(
            (("return softplus(-real).mean()", "return -softplus(-real).mean()"),),
            "The sign of the first term is wrong: the discriminator minimises, so both terms are positive.",
        ),
        Wrong(
            (
                (
                    "return softplus(-real).mean() + softplus(fake).mean()",
                    "from tinygen import log, sigmoid\n    D = sigmoid\n"
                    "    return -log(D(real)).mean() - log(1 - D(fake)).mean()",
                ),
            ),
            "It computes D first, and then its logarithm. D of a large logit is rounded to 0 or 1, and the digits that "
            "the logarithm needs are lost. Simplify log σ(s) first.",
        ),
        Wrong(
            (("softplus(-real)", "softplus(-real.data)"),),
            "The real examples have no gradient, because `.data` leaves the graph.",
        ),
    ),
    correct=(
        """
        def classification(real, fake):
            from tinygen import functional as F

            ones, zeros = np.ones(real.shape, real.dtype), np.zeros(fake.shape, fake.dtype)
            return F.bce_with_logits(real, ones, reduction="mean") + F.bce_with_logits(fake, zeros, reduction="mean")
        """,
        """
        def classification(real, fake):
            import tinygen as tg

            def minus_log_sigmoid(s):
                return tg.logsumexp(tg.stack(0 * s, -s), axis=0) if np.isfinite(s.data).all() else softplus(-s)

            total = 0.0
            for batch, sign in ((real, 1), (fake, -1)):
                total = total + minus_log_sigmoid(sign * batch).sum() * (1 / batch.size)
            return total
        """,
    ),
)

GENERATOR_LOSS = Exercise(
    name="generator_loss",
    track=TRACK,
    title="the loss of a generator that does not saturate, from logits",
    source="tinygen.models.gan:deception",
    question="fake are the discriminator's logits s of fake examples, (N, 1) or any other shape; D = σ(s).\n"
    "Return the mean of -log D in nats, right for logits of ±1000 too.\n"
    "Its gradient is largest where the discriminator recognises the fakes, unlike that of log(1 - D).",
    page="gan.md#saturation",
    hints=(
        "The generator wants its fakes to have the label 1. What is the loss of the discriminator for that label?",
        "-log σ(s) = log(1 + e^-s), which is softplus at some argument.",
        "return softplus(...).mean(), with the sign that makes the loss fall when the logit grows",
    ),
    stages=(
        Example(
            lambda: call(Tensor(np.log([[1.0], [3.0]]))),
            np.array(0.4904146),
            "A logit of 0 means D = 1/2, and log 3 means D = 3/4. So the loss is -(log(1/2) + log(3/4)) / 2.",
        ),
        Shapes(with_tensors(_fakes)),
        Values(with_tensors(_fakes)),
        Derivatives(_fakes, order=1),
        Extremes(
            [
                lambda s=s, dtype=dtype: call(Tensor(np.array([[s], [0.5]], dtype)))
                for dtype in (np.float32, np.float64)
                for s in (1e3, -1e3, 50.0, -50.0, -np.inf, np.inf)
            ],
            "It is right for small logits only: log D is computed from a D that is rounded to 0 or 1.",
        ),
        Gradients(_certain(1), lambda given: given.args, _AT_EXTREMES, _AT_EXTREMES, name="gradients at extremes"),
    ),
    wrong=(
        Wrong(
            (("softplus(-fake).mean()", "-softplus(fake).mean()"),),
            "This is the mean of log(1 - D), the loss that saturates: its slope is -D, almost 0 for a recognised fake.",
        ),
        Wrong(
            (("softplus(-fake)", "softplus(fake)"),),
            "This is what the discriminator minimises, -log(1 - D): the generator would help it.",
        ),
        Wrong((("softplus(-fake).mean()", "-softplus(-fake).mean()"),), "The sign is wrong: it is the mean of log D."),
        Wrong((("softplus(-fake).mean()", "softplus(-fake).sum()"),), "This is a sum. The loss is a mean over fakes."),
        Wrong(
            (("softplus(-fake).mean()", "-fake.mean()"),),
            "This is the loss of a Wasserstein or a hinge GAN, the mean of -s, not of -log σ(s).",
        ),
        Wrong(
            (
                (
                    "return softplus(-fake).mean()",
                    "from tinygen import log, sigmoid\n    return -log(sigmoid(fake)).mean()",
                ),
            ),
            "It computes D first, and then its logarithm. D of a logit of -1000 is rounded to 0, whose logarithm is "
            "-∞. Simplify log σ(s) first.",
        ),
        Wrong((("softplus(-fake)", "softplus(-fake.data)"),), "It has no gradient: `.data` leaves the graph."),
    ),
    correct=(
        """
        def deception(fake):
            from tinygen import functional as F

            return F.bce_with_logits(fake, 1.0, reduction="mean")
        """,
        """
        def deception(fake):
            loss = softplus(fake) - fake if np.isfinite(fake.data).all() else softplus(-fake)
            return loss.sum() / fake.size
        """,
    ),
)

EXERCISES = (DISCRIMINATOR_LOSS, GENERATOR_LOSS, *penalties.EXERCISES, *diffusion.EXERCISES)
