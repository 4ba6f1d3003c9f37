"""Backpropagation: entries picked and placed by an index, which are each other's rules."""

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Derivatives, Example, Extremes, Shapes, Values
from tinygen.exercises.tracks.backprop.broadcasting import LOST

INDEXED = (  # a shape, and an index into it
    ((1,), 0),
    ((0,), ...),
    ((3,), slice(1, 1)),
    ((2,), slice(None)),
    ((3,), -1),
    ((4,), slice(1, 3)),
    ((3,), np.array([0, 0, 2])),
    ((2, 3), 1),
    ((2, 3), (slice(None), 0)),
    ((4,), np.array([True, False, True, True])),
    ((3, 2), np.array([2, 0, 2])),
    ((2, 3), (..., None, -1)),
    ((5,), slice(None, None, -2)),
    ((3, 4), (np.array([0, 2, 0]), np.array([1, 1, 1]))),
    ((2, 2), np.array([[True, False], [True, True]])),
    ((3, 2), np.array([[0, 1], [1, -1]])),
    ((2, 3, 4), (1, ..., np.array([3, 3]))),
    ((3, 4), (slice(1, None), np.array([0, 0, 0, 2]))),
)


def _picked(rng: np.random.Generator, size: int) -> Arguments:
    shape, index = in_turn(rng, size, INDEXED)
    return call(uniform(rng, shape), index=index)


def _placed(rng: np.random.Generator, size: int) -> Arguments:
    shape, index = in_turn(rng, size, INDEXED)
    return call(uniform(rng, np.empty(shape)[index].shape), index=index, shape=shape)


ASSIGNING = """def rule(g):
        value = np.zeros(before)
        value[index] += g.data
        return type(g)(value)

    return x.data[index], rule"""

GETITEM = Exercise(
    name="getitem",
    track="backpropagation",
    title="entries picked by an index, some of them twice",
    source="tinygen.ops.shape:getitem",
    question="Return the array x[index], for every index that NumPy takes, and the rule. It maps g, of the shape of\n"
    "x[index], to the gradient of x. An entry that the index picks twice receives both gradients.\n"
    "`private_index` copies the index, so that a caller can't change it before the rule runs.",
    page="rules.md",
    hints=(
        "y = x[[2, 0, 2]]. Write y as a matrix of zeros and ones times x; the rule is its transpose times g.",
        "The gradient of x is an array of zeros of the shape of x, into which the entries of g are added at `index`.",
        "`value[index] += g` adds only one of two entries with the same index. The op of the library that adds all of "
        "them is scatter(g, index=..., shape=...).",
    ),
    stages=(
        Example(lambda: call(np.array([10.0, 20.0, 30.0]), index=np.array([2, 0, 2])), np.array([30.0, 10.0, 30.0])),
        Shapes(_picked),
        Values(_picked),
        Derivatives(_picked),
        Extremes(
            (
                lambda: call(np.array([np.inf, np.nan, 1.0]), index=np.array([0, 1])),
                lambda: call(np.ones((2, 3)), index=np.zeros(0, int)),
            )
        ),
    ),
    wrong=(
        Wrong(
            (("return kernels.contiguous(x.data[index]), lambda g: scatter(g, index=index, shape=before)", ASSIGNING),),
            "The rule assigns, so an entry that was picked twice gets one gradient instead of the sum of both: NumPy's "
            "`value[index] += g` adds once per place. And g.data makes the gradient a constant.",
        ),
        Wrong(
            (("lambda g: scatter(g, index=index, shape=before)", "lambda g: g"),),
            "The rule returns g in the shape of the picked entries. The gradient of x has the shape of x, with 0 "
            "wherever nothing was picked.",
        ),
        Wrong((("shape=before)", "shape=before).detach()"),), LOST),
        Wrong(
            (("kernels.contiguous(x.data[index])", "np.take(x.data, index, axis=0)"),),
            "np.take picks along one axis, by integers; an index may also hold slices, `...`, None and booleans.",
        ),
        Wrong(
            (("lambda g: scatter(g, index=index, shape=before)", "lambda g: g.sum() * np.ones(before, x.dtype)"),),
            "The rule gives every entry of x the whole gradient. Only entries that were picked receive any.",
        ),
        Wrong((("lambda g: scatter", "lambda g: -scatter"),), "The gradient has the wrong sign."),
    ),
    correct=(
        """
        @op
        def getitem(x, *, index):
            before, n = x.shape, x.size
            places = np.ravel(np.arange(n).reshape(before)[index])  # in the flat array
            selection = np.zeros((places.size, n), x.dtype)
            selection[np.arange(places.size), places] = 1
            return x.data[index], lambda g: (g.reshape(1, -1) @ selection).reshape(before)
        """,
        """
        @op
        def getitem(x, *, index):
            places = np.arange(x.size).reshape(x.shape)[index]

            def rule(g):
                total = np.zeros(x.size, x.dtype)
                for i, place in enumerate(np.ravel(places)):
                    here = np.arange(x.size) == place
                    total = total + g.reshape(-1)[i] * here.astype(x.dtype)
                return total.reshape(x.shape)

            return x.data.ravel()[places], rule
        """,
    ),
)

SCATTER = Exercise(
    name="scatter",
    track="backpropagation",
    title="entries added to an array of zeros at an index: the adjoint of getitem",
    source="tinygen.ops.shape:scatter",
    question="Return zeros of `shape` to which the entries of x are added at `index`, and the rule. x has the\n"
    "shape of np.zeros(shape)[index]. Entries with the same place add up. The result has the dtype of x.",
    page="rules.md",
    hints=(
        "Place (1, 2, 3) at the index [2, 0, 2] of three zeros by hand. The result is (2, 0, 4), not (2, 0, 3).",
        "`value[index] += x` computes value[index] + x and stores it, so of two entries with one place the last wins. "
        "NumPy has a function that adds one entry after the other.",
        "np.add.at(value, index, x.data). For the rule: each entry of x is added to one place, so its gradient is that "
        "of this place.",
    ),
    stages=(
        Example(
            lambda: call(np.array([1.0, 2.0, 3.0]), index=np.array([2, 0, 2]), shape=(3,)),
            np.array([2.0, 0.0, 4.0]),
            "Entries with the same place add up: 1 + 3 = 4. `value[index] += x` keeps the last one only.",
        ),
        Shapes(_placed),
        Values(_placed),
        Derivatives(_placed),
        Extremes(
            (
                lambda: call(np.array([np.inf, 1.0]), index=np.array([0, 0]), shape=(2,)),
                lambda: call(np.zeros((0, 3)), index=np.zeros(0, int), shape=(2, 3)),
            )
        ),
    ),
    wrong=(
        Wrong(
            (("np.add.at(value, index, x.data.astype(np.float64))", "value[index] += x.data"),),
            "Of entries with the same place, only the last is kept: `value[index] += x` stores each place once.",
        ),
        Wrong(
            (("lambda g: getitem(g, index=index)", "lambda g: g"),),
            "The rule returns g in the shape of the result. The gradient of x is what g holds at `index`.",
        ),
        Wrong((("getitem(g, index=index)", "getitem(g, index=index).detach()"),), LOST),
        Wrong((("np.zeros(shape", "np.ones(shape"),), "It adds to ones, not to zeros."),
        Wrong(
            (("value.astype(x.dtype, copy=False)", "value"),),
            "For a float32 x with repeated places the result is float64: it must have the dtype of x.",
        ),
        Wrong(
            (("lambda g: getitem(g, index=index)", "lambda g: getitem(g * (value.data != 0), index=index)"),),
            "The rule multiplies by what was placed. The op is linear: its slope doesn't depend on x.",
        ),
    ),
    correct=(
        """
        @op
        def scatter(x, *, index, shape):
            n = np.prod(shape, dtype=int)
            places = np.ravel(np.arange(n).reshape(shape)[index])
            value = np.bincount(places, x.data.ravel(), minlength=n).reshape(shape)
            return value.astype(x.dtype), lambda g: g[index]
        """,
        """
        @op
        def scatter(x, *, index, shape):
            n = int(np.prod(shape))
            places = np.arange(n).reshape(shape)[index]
            flat = np.zeros(n, x.dtype)
            for place, number in zip(np.ravel(places), x.data.ravel()):
                flat[place] = flat[place] + number
            return flat.reshape(shape), lambda g: g.reshape(-1)[places]
        """,
    ),
)

EXERCISES = (GETITEM, SCATTER)
