"""Training: a loss, two optimizers, and first weights."""

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Example, Extremes, Shapes, Values
from tinygen.exercises.tracks.training import initial, optimizers

LOGITS = (  # shapes of x and t
    ((), ()),
    ((0,), (0,)),
    ((1,), (1,)),
    ((3,), (3,)),
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((4, 2, 2, 1), (4, 2, 2, 1)),
)


def _logits(rng: np.random.Generator, size: int) -> Arguments:
    """Logits and targets: 0 or 1 in half of the calls, else between."""
    x, t = in_turn(rng, size, LOGITS)
    targets = rng.integers(0, 2, t).astype(float) if size % 2 else rng.uniform(0, 1, t)
    return call(uniform(rng, x, -4, 4), np.asarray(targets))


def _one(x: float, t: float, dtype: type = np.float64):
    return lambda: call(np.array([x], dtype), np.array([t], dtype))


RETURNED = "return gate(np.where(x < 0, t, 1 - t), a) + np.log1p(np.exp(-a))"

BCE = Exercise(
    name="bce_with_logits",
    track="training",
    title="binary cross-entropy of logits, exact for every finite logit",
    source="tinygen.kernels.reference_elementwise:logistic_loss",
    question="Return -t log σ(x) - (1 - t) log σ(-x) for each entry, with σ(x) = 1 / (1 + e⁻ˣ). The arrays x and t\n"
    "broadcast to each other. It must be finite for x = ±1000, and exact where the loss is tiny: for x = 40 and\n"
    "t = 1 it is e⁻⁴⁰ = 4.2e-18, not 0.",
    page="autoencoder.md#which-loss-for-which-output",
    hints=(
        "Don't compute σ(x): its logarithm is -log(1 + e⁻ˣ). Where does e⁻ˣ overflow, and what is it there?",
        "log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|): now the exponent is never positive. np.log1p(y) is log(1 + y), "
        "exact for tiny y.",
        "With s(x) = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), the loss is t · s(...) + (1 - t) · s(...). Where "
        "one of the weights is 0, only the other term counts.",
    ),
    stages=(
        Example(
            lambda: call(np.array([0.0, np.log(3.0)]), np.array([1.0, 0.0])),
            np.array([0.6931471805599453, 1.3862943611198906]),
            "σ(0) = 1/2 costs log 2 for t = 1. σ(log 3) = 3/4, so t = 0 has the probability 1/4 and costs log 4.",
        ),
        Shapes(_logits),
        Values(_logits),
        Extremes(
            (
                _one(1000, 0),
                _one(1000, 1),
                _one(-1000, 1),
                _one(-1000, 0),
                _one(1000, 0.5),
                _one(100, 1, np.float32),
                _one(-100, 1, np.float32),
                _one(20, 0, np.float32),
                _one(40, 1),
                _one(-40, 0),
                _one(20, 1, np.float32),
            )
        ),
    ),
    wrong=(
        Wrong(
            ((RETURNED, "p = 1 / (1 + np.exp(-x))\n    return -t * np.log(p) - (1 - t) * np.log(1 - p)"),),
            "By way of p = σ(x), a logit of 1000 gives p = 1, and log(1 - p) is -inf. Take log σ on paper.",
        ),
        Wrong(
            (
                (
                    RETURNED,
                    "p = np.clip(1 / (1 + np.exp(-x)), 1e-7, 1 - 1e-7)\n"
                    "    return -t * np.log(p) - (1 - t) * np.log(1 - p)",
                ),
            ),
            "Clipping p to 1e-7 makes the loss finite, but wrong: beyond 16 it no longer grows, so the gradient is 0.",
        ),
        Wrong(
            (("np.log1p(np.exp(-a))", "np.log(1 + np.exp(-a))"),),
            "1 + e⁻⁴⁰ is rounded to 1, whose logarithm is 0. np.log1p keeps the digits.",
        ),
        Wrong(
            ((RETURNED, "return np.log1p(np.exp(x)) - t * x"),),
            "e¹⁰⁰⁰ overflows. log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|) has no positive exponent.",
        ),
        Wrong(
            (("np.where(x < 0, t, 1 - t)", "np.where(x < 0, 1 - t, t)"),),
            "The targets are exchanged: a large logit is right, and costs nothing, for t = 1.",
        ),
        Wrong(
            (("np.where(x < 0, t, 1 - t)", "np.where(x < 0, t > 0.5, t <= 0.5).astype(x.dtype)"),),
            "It treats the targets as 0 or 1. A target between them weighs both terms: t and 1 - t.",
        ),
        Wrong(
            ((RETURNED, "return (gate(np.where(x < 0, t, 1 - t), a) + np.log1p(np.exp(-a))).sum()"),),
            "It returns the sum. Return the loss of each entry: a reduction comes later.",
        ),
        Wrong(((RETURNED, "return np.log1p(np.exp(-a))"),), "The part that grows with a wrong logit, |x|, is missing."),
    ),
    correct=(
        """
        def logistic_loss(x, t):
            return np.maximum(x, 0) - t * x + np.log1p(np.exp(-np.abs(x)))
        """,
        """
        def logistic_loss(x, t):
            return t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
        """,
    ),
)

EXERCISES = (BCE, *optimizers.EXERCISES, *initial.EXERCISES)
