"""Training: the variance of first weights."""

import math
from collections.abc import Callable

import numpy as np

from tinygen.exercises.draws import in_turn, not_normal
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.stages import FromRng, Property, Shapes

WEIGHTS = (  # shape, fans
    ((1, 1), (1.0, 1.0)),
    ((0, 3), (1.0, 3.0)),
    ((2, 3), (2.0, 3.0)),
    ((3, 3, 2, 4), (18.0, 36.0)),
    ((4, 4, 3, 8), (48.0, 4.5)),
)


def _weights(rng: np.random.Generator, size: int) -> Arguments:
    shape, fans = in_turn(rng, size, WEIGHTS)
    return call(rng, shape, fans, np.float32 if size % 2 else np.float64)


def _drawn(answer: Callable, shape: tuple[int, ...], fans: tuple[float, float], dtype: type = np.float64) -> np.ndarray:
    return np.asarray(outcome(answer, call(np.random.default_rng(0), shape, fans, dtype)))


def _keeps_signals(answer: Callable) -> Finding | None:
    """Twenty layers of 128 ReLUs change the mean square by a factor between 1/50 and 50."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 128))
    for _ in range(20):
        w = np.asarray(outcome(answer, call(rng, (128, 128), (128.0, 128.0), np.float64)))
        x = np.maximum(x @ w, 0)
    size = float((x * x).mean())
    if 0.02 < size < 50:
        return None
    says = "Through twenty layers of 128 ReLUs the mean square of the signal must stay about 1, but it doesn't."
    where = "x = relu(x @ he_normal(rng, (128, 128), (128, 128), np.float64)), 20 times, (x * x).mean()"
    return Finding(says, where, "about 1", f"{size:.2g}")


CASES = (((60, 300), (60.0, 300.0)), ((300, 60), (300.0, 60.0)), ((3, 3, 32, 64), (288.0, 144.0)))


def _has_its_moments(answer: Callable) -> Finding | None:
    """Bounds of more than six standard errors: the seed is fixed, and no right answer fails by chance."""
    for shape, fans in CASES:
        w, n = _drawn(answer, shape, fans), math.prod(shape)
        where = f"he_normal(rng, {shape}, {fans}, np.float64)"
        expected, variance = 2 / fans[0], float(w.var())
        if not abs(variance / expected - 1) < 7 * math.sqrt(2 / n):
            says = "The variance is another one: it is 2/fan_in, and fan_in is fans[0], whatever the shape is."
            return Finding(says, f"{where}.var()", f"{expected:.4g}", f"{variance:.4g}")
        mean, bound = float(w.mean()), 7 * math.sqrt(expected / n)
        if not abs(mean) < bound:
            return Finding("The mean is not 0.", f"{where}.mean()", "0", f"{mean:.4g}")
        if len(np.unique(w)) < n:
            return Finding("Some weights are copies of others: draw every entry.", where)
    return None


def _is_normal(answer: Callable) -> Finding | None:
    """Two networks that are drawn one after the other."""
    rng, shape = np.random.default_rng(0), (100, 200)
    w = np.array([outcome(answer, call(rng, shape, (100.0, 200.0), np.float64)) for _ in range(2)])
    if finding := not_normal(w * math.sqrt(100 / 2)):
        says = f"Mean and variance are right, but w/√(2/fan_in) is not drawn from N(0, 1), each for itself: {finding}."
        return Finding(says, f"he_normal(rng, {shape}, (100.0, 200.0), np.float64), twice")
    return None


def _is_one_network(answer: Callable) -> Finding | None:
    """The same numbers in both dtypes, up to rounding."""
    wide, narrow = (_drawn(answer, (2, 3), (2.0, 3.0), dtype) for dtype in (np.float64, np.float32))
    if np.allclose(narrow, wide, rtol=1e-6):
        return None
    says = "A seed gives other weights in float32 than in float64: draw in float64, then convert."
    return Finding(says, "he_normal(rng, (2, 3), (2, 3), np.float32)[0, 0]", f"{wide[0, 0]:.6g}", f"{narrow[0, 0]:.6g}")


def _same_seed() -> Arguments:
    return call(np.random.default_rng(0), (6, 4), (6.0, 3.0), np.float64)


_DRAW = "rng.standard_normal(shape)"

HE_NORMAL = Exercise(
    name="he_normal",
    track="training",
    title="first weights that keep the size of a signal through many ReLU layers",
    source="tinygen.nn.init:he_normal",
    parts=("_normal",),
    question="Return an array of `shape` and `dtype`: independent normal numbers of mean 0 and variance 2/fan_in,\n"
    "from rng. fans = (fan_in, fan_out): a convolution and a dense layer compute them in their own ways.\n"
    "Draw in float64 and convert at the end, so that a seed gives the same network in both dtypes.",
    page="glossary.md#initial-variance",
    hints=(
        "y = Σ w x over fan_in inputs has the variance fan_in · Var(w) · E x². Which Var(w) makes it 2 E x²? A ReLU "
        "then halves the mean square.",
        "The variance is 2 / fans[0]. A standard normal number times s has the variance s², not s.",
        "rng.standard_normal(shape) has the variance 1: multiply it by the root of 2 / fans[0], then .astype(dtype).",
    ),
    stages=(
        Shapes(_weights),
        Property("the signal after 20 layers", _keeps_signals, (_same_seed,)),
        Property("mean and variance", _has_its_moments),
        Property("normal and independent numbers", _is_normal),
        FromRng(lambda rng: call(rng, (2, 3), (2.0, 3.0), np.float64)),
        Property("the same network in both dtypes", _is_one_network),
    ),
    wrong=(
        Wrong(
            (("math.sqrt(2 / fans[0])", "2 / fans[0]"),),
            "2/fan_in is the variance; numbers with this standard deviation are too small. Take the root.",
        ),
        Wrong(
            (("math.sqrt(2 / fans[0])", "math.sqrt(1 / fans[0])"),),
            "A variance of 1/fan_in keeps the size of a signal in linear layers, but a ReLU halves its mean square.",
        ),
        Wrong(
            (("fans[0]", "sum(fans)"),),
            "This is Glorot's variance, 2/(fan_in + fan_out). He's is 2/fan_in.",
        ),
        Wrong((("fans[0]", "fans[1]"),), "This is 2/fan_out. Each output sums fan_in inputs, which are fans[0]."),
        Wrong(
            (("fans[0]", "max(1, shape[0])"),),
            "fan_in is fans[0]. The first axis of the shape is that only for the matrix of a dense layer.",
        ),
        Wrong(
            (("std * rng.standard_normal(shape)", "rng.uniform(-std, std, shape)"),),
            "These are uniform numbers in ±std, whose variance is std²/3.",
        ),
        Wrong(
            ((_DRAW, "rng.uniform(-math.sqrt(3), math.sqrt(3), shape)"),),
            "The variance is right, but the numbers are uniform: this is He's other rule. They must be normal.",
        ),
        Wrong(
            ((_DRAW, "rng.triangular(-math.sqrt(6), 0, math.sqrt(6), shape)"),),
            "The variance is right, but the density of the numbers is a triangle. They must be normal.",
        ),
        Wrong(
            ((_DRAW, f"np.clip(1.1374 * {_DRAW}, -2, 2)"),),
            "The variance is right, but the numbers are cut off. They must be normal.",
        ),
        Wrong(
            ((_DRAW, f"np.sort({_DRAW}, axis=None).reshape(shape)"),),
            "The weights are sorted. Every weight is drawn for itself.",
        ),
        Wrong(
            (("rng.standard_normal(shape)", "np.random.default_rng(0).standard_normal(shape)"),),
            "It creates its own generator, so every layer starts with the same weights. Draw from rng.",
        ),
        Wrong(
            (("rng.standard_normal(shape)", "rng.standard_normal(shape, np.float32).astype(dtype)"),),
            "Drawn in float32, a seed gives other weights than in float64. Draw in float64, then convert.",
        ),
    ),
    correct=(
        """
        def he_normal(rng, shape, fans, dtype):
            fan_in, _ = fans
            return rng.normal(0.0, (2.0 / fan_in) ** 0.5, size=shape).astype(dtype)
        """,
        """
        def he_normal(rng, shape, fans, dtype):
            radius = np.sqrt(-2 * np.log(1 - rng.random(shape)))  # Box and Muller's way to normal numbers
            angle = 2 * np.pi * rng.random(shape)
            return np.asarray(np.sqrt(2 / fans[0]) * radius * np.cos(angle), dtype)
        """,
    ),
)

EXERCISES = (HE_NORMAL,)
