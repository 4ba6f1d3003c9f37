"""Backpropagation: copies along axes and sums over axes, which are each other's rules."""

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Derivatives, Example, Extremes, Shapes, Values

LOST = "The rule returns a constant: the gradient is right, but it has no gradient itself. Compute it with ops on g."

REPEATED = (  # a shape, and one that it broadcasts to
    ((), ()),
    ((1,), (0,)),
    ((0,), (2, 0)),
    ((1,), (1,)),
    ((), (3,)),
    ((1,), (3,)),
    ((2,), (3, 2)),
    ((2, 1), (2, 3)),
    ((1, 3), (2, 3)),
    ((2,), (2, 2)),
    ((2, 1, 2), (2, 3, 2)),
    ((), (2, 3)),
    ((1, 2), (3, 4, 2)),
    ((2, 1), (3, 2, 4)),
    ((1, 1), (2, 3)),
    ((2, 1, 1), (2, 2, 1, 3)),
    ((3, 2), (3, 2)),
    ((3, 1, 2, 1), (2, 3, 2, 2, 4)),
)


def _narrow(rng: np.random.Generator, size: int) -> Arguments:
    before, after = in_turn(rng, size, REPEATED)
    return call(uniform(rng, before), shape=after)


def _wide(rng: np.random.Generator, size: int) -> Arguments:
    before, after = in_turn(rng, size, REPEATED)
    return call(uniform(rng, after), shape=before)


BROADCAST_TO = Exercise(
    name="broadcast_to",
    track="backpropagation",
    title="copies of an array along its axes, and what happens to the gradients of the copies",
    source="tinygen.ops.shape:broadcast_to",
    question="Return x broadcast to `shape` as an array, and the rule. As in NumPy, shapes are aligned from the\n"
    "right: axes that x lacks are added on the left, axes of size 1 are repeated. You may assume that x fits.\n"
    "The rule maps g, of the shape of the output, to the gradient of x, of the shape of x.",
    page="rules.md",
    hints=(
        "If x is one number and y = (x, x, x), a step of x moves all three entries of y. What is the gradient of x?",
        "Every entry of x gets the sum of the gradients of its copies. Which axes hold copies, and which of these does "
        "x not have at all?",
        "NumPy has the value: np.broadcast_to. The rule sums g over the axes that x lacks, and over those where x has "
        "size 1, which stay as axes of size 1. The op of the library that does this is sum_to.",
    ),
    stages=(
        Example(lambda: call(np.array([[1.0], [2.0]]), shape=(2, 3)), np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])),
        Shapes(_narrow),
        Values(_narrow),
        Derivatives(_narrow),
        Extremes((lambda: call(np.array([[np.inf], [np.nan]]), shape=(2, 2)),)),
    ),
    wrong=(
        Wrong(
            (("lambda g: sum_to(g, shape=before)", "lambda g: g"),),
            "The rule returns g as it is, in the shape of the output. Sum it over the axes of the copies.",
        ),
        Wrong(
            (("sum_to(g, shape=before)", "g.sum(axis=tuple(range(g.ndim - len(before))))"),),
            "The rule sums over the axes that x lacks, but not over those where x has size 1.",
        ),
        Wrong(
            (("sum_to(g, shape=before)", "sum_to(g, shape=before) * (x.size / max(g.size, 1))"),),
            "The rule averages over the copies. Their gradients add up: a step of x moves all of them.",
        ),
        Wrong(
            (
                (
                    "sum_to(g, shape=before)",
                    "g[(*[0] * (g.ndim - len(before)), *[slice(1) if n == 1 else slice(None) for n in before])]",
                ),
            ),
            "The rule takes the gradient of the first copy and drops those of the others.",
        ),
        Wrong((("sum_to(g, shape=before)", "sum_to(g, shape=before).detach()"),), LOST),
        Wrong(
            (("np.broadcast_to(x.data, shape)", "np.resize(x.data, shape)"),),
            "np.resize repeats the entries in reading order, whatever the axes are: (2, 1) becomes two equal rows.",
        ),
    ),
    correct=(
        """
        @op
        def broadcast_to(x, *, shape):
            before = x.shape

            def rule(g):
                while g.ndim > len(before):
                    g = g.sum(axis=0)
                for axis, n in enumerate(before):
                    if n == 1:
                        g = g.sum(axis=axis, keepdims=True)
                return g

            return np.broadcast_to(x.data, shape), rule
        """,
        """
        @op
        def broadcast_to(x, *, shape):
            value = np.empty(shape, x.dtype)
            value[...] = x.data
            aligned = (1,) * (len(shape) - x.ndim) + x.shape
            axes = tuple(i for i, (n, m) in enumerate(zip(aligned, shape)) if n != m)
            return value, lambda g: g.sum(axis=axes).reshape(x.shape)
        """,
    ),
)

SUM_TO = Exercise(
    name="sum_to",
    track="backpropagation",
    title="sums over the axes that broadcasting repeats: the adjoint of broadcast_to",
    source="tinygen.ops.shape:sum_to",
    question="Return an array of `shape`, which broadcasts to the shape of x. Each entry is the sum of those\n"
    "entries of x to which broadcasting would copy it. Return the rule too. You may assume that the shapes fit.",
    page="rules.md",
    hints=(
        "Write down the shapes (2, 3) of x and (1, 3) of the result, then (4, 2, 3) and (2, 1): over which axes is x "
        "summed? Shapes are aligned from the right.",
        "Sum over the axes on the left that `shape` lacks, and over those where `shape` has 1 but x has more.",
        "Collect the axes in a tuple, then x.data.sum(axis=axes).reshape(shape). Each entry of x enters one sum with "
        "the factor 1, so the rule copies the gradient of the sum to all its entries.",
    ),
    stages=(
        Example(lambda: call(np.array([[1.0, 2.0], [10.0, 20.0]]), shape=(2,)), np.array([11.0, 22.0])),
        Shapes(_wide),
        Values(_wide),
        Derivatives(_wide),
        Extremes((lambda: call(np.array([[np.inf, 1.0], [np.nan, 1.0]]), shape=(2, 1)),)),
    ),
    wrong=(
        Wrong(
            (("lambda g: broadcast_to(g, shape=before)", "lambda g: g"),),
            "The rule returns g in the shape of the result. The gradient of x has the shape of x: repeat it.",
        ),
        Wrong(
            (
                (
                    "kernels.sum_along(x.data, repeated)",
                    "(kernels.sum_along(x.data, repeated) * np.prod(shape) / max(x.size, 1))",
                ),
            ),
            "This is the mean of the copies, not their sum.",
        ),
        Wrong(
            (("(*range(extra), ", "(*range(x.ndim - extra, x.ndim), "),),
            "The axes are counted from the wrong side. Shapes are aligned from the right, so x is summed over those on "
            "the left that `shape` lacks.",
        ),
        Wrong(
            (("if s == 1 != before[i]", "if False"),),
            "It sums over the axes that `shape` lacks, but not over those where `shape` has 1.",
        ),
        Wrong(
            (
                (
                    "lambda g: broadcast_to(g, shape=before)",
                    "lambda g: broadcast_to(g * (g.size / x.size), shape=before)",
                ),
            ),
            "The rule divides by the number of summed entries, as for a mean.",
        ),
        Wrong((("broadcast_to(g, shape=before)", "broadcast_to(g, shape=before).detach()"),), LOST),
    ),
    correct=(
        """
        @op
        def sum_to(x, *, shape):
            value = x.data
            while value.ndim > len(shape):
                value = value.sum(axis=0)
            for axis, n in enumerate(shape):
                if n == 1:
                    value = value.sum(axis=axis, keepdims=True)
            return value, lambda g: g + np.zeros(x.shape, x.dtype)
        """,
        """
        @op
        def sum_to(x, *, shape):
            numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
            places = np.broadcast_to(numbers, x.shape)  # where in the result each entry of x goes
            value = np.zeros(numbers.size, x.dtype)
            np.add.at(value, places.ravel(), x.data.ravel())
            return value.reshape(shape), lambda g: g.reshape(-1)[places]
        """,
    ),
)

EXERCISES = (BROADCAST_TO, SUM_TO)
