"""Backpropagation: values and derivative rules of single ops, and the walk over the graph."""

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Derivatives, Example, Extremes, Gradients, Shapes, Values
from tinygen.exercises.tracks.backprop import broadcasting, indexing
from tinygen.exercises.tracks.backprop.walk import WALK
from tinygen.tensor import Tensor


def _pair(rng: np.random.Generator, size: int) -> Arguments:
    """Two arrays that broadcast to one shape."""
    shapes = [((), ()), ((1,), (1,)), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3))]
    a, b = shapes[size % len(shapes)]
    return call(rng.uniform(-2, 2, a), rng.uniform(-2, 2, b))


MUL = Exercise(
    name="mul",
    track="backpropagation",
    title="the product and its two derivative rules",
    source="tinygen.ops.elementwise:mul",
    question="Return the value of a · b as an array, then one rule for each argument.\n"
    "A rule maps g, the gradient of the output, to the gradient of its argument. It uses tensors, not their `.data`.",
    page="gradients.md",
    hints=(
        "Keep b fixed: how much does a · b change if a changes by 1?",
        "∂(a b)/∂a = b. A rule multiplies g, the gradient of the output, by this slope.",
        "return a.data * b.data, lambda g: g * b, lambda g: ...",
    ),
    stages=(
        Example(lambda: call(np.array([1.0, 2.0]), np.array([3.0, 4.0])), np.array([3.0, 8.0])),
        Shapes(_pair),
        Values(_pair),
        Derivatives(_pair),
        Extremes(
            (
                lambda: call(np.zeros((0, 3)), np.ones(3)),
                lambda: call(np.array([1e200, np.inf, np.nan]), np.array([1e200, 2.0, 1.0])),
            )
        ),
    ),
    wrong=(
        Wrong((("g * b, lambda g: g * a", "g * a, lambda g: g * b"),), "The two rules are exchanged."),
        Wrong(
            (("lambda g: g * b, lambda g: g * a", "lambda g: b, lambda g: a"),),
            "The rules leave out g. A rule returns the slope times the gradient of the output.",
        ),
        Wrong(
            (("g * b,", "g * b.data,"),),
            "The rule of a uses an array, b.data, so its own gradient by b is lost: second derivatives are wrong.",
        ),
        Wrong((("a.data * b.data", "a.data + b.data"),), "This is the sum."),
    ),
    correct=(
        """
        @elementwise
        def mul(a, b):
            def in_a(g):
                return b * g

            def in_b(g):
                return a * g

            return np.multiply(a.data, b.data), in_a, in_b
        """,
        """
        @elementwise
        def mul(a, b):
            return b.data * a.data, lambda g: -((-g) * b), lambda g: (2 * g) * (0.5 * a)
        """,
    ),
)

PAIRS = (  # shapes whose product exists
    ((0, 2), (2, 3)),
    ((2, 0), (0, 3)),
    ((1, 1), (1, 1)),
    ((2,), (2,)),
    ((1, 2), (2, 1)),
    ((2, 2), (2, 2)),
    ((2, 3), (3,)),
    ((2,), (2, 3)),
    ((3, 3), (3, 3)),
    ((2, 3), (3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 2, 3), (3, 1)),
    ((1, 2, 2), (3, 2, 2)),
    ((2, 1, 2, 3), (3, 3, 1)),
    ((4, 3), (3, 5)),
    ((2, 2, 2), (2, 2, 2)),
)


def _matrices(rng: np.random.Generator, size: int) -> Arguments:
    a, b = in_turn(rng, size, PAIRS)
    return call(uniform(rng, a), uniform(rng, b))


MATMUL = Exercise(
    name="matmul",
    track="backpropagation",
    title="the matrix product and its two derivative rules",
    source="tinygen.ops.linalg:matmul",
    question="Return the value of A B as an array, then one rule for each argument. a is (..., N, K) and b is\n"
    "(..., K, M), with the same axes in front: `matrices` has made vectors matrices and broadcast the batches.\n"
    "`swapped(x)` transposes each matrix of a tensor. A rule maps g (..., N, M) to the gradient of its argument.",
    page="backprop.md#rules-for-arrays",
    hints=(
        "The gradient of a has the shape of a, (N, K). There is one way to multiply g (N, M) with b (K, M) or its "
        "transpose that gives this shape.",
        "dL = Σ g dY with dY = dA B + A dB. Written out, dL = Σ dA[i, k] (Σ over j of g[i, j] B[k, j]): what is the "
        "inner sum as a product of matrices?",
        "Ā = G Bᵀ, as g @ swapped(b). For b, sort dL by the entries of dB in the same way: it is a product too, with "
        "the transpose of a on the other side of g.",
    ),
    stages=(
        Example(
            lambda: call(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 1.0], [10.0, 0.0]])),
            np.array([[20.0, 1.0], [40.0, 3.0]]),
        ),
        Shapes(_matrices),
        Values(_matrices),
        Derivatives(_matrices),
        Extremes((lambda: call(np.array([[np.inf, 1.0], [1e200, 1.0]]), np.array([[0.0, 1.0], [1e200, np.nan]])),)),
    ),
    wrong=(
        Wrong(
            (("g @ swapped(b), lambda g: swapped(a) @ g", "g @ b, lambda g: a @ g"),),
            "The transposes are missing: the rules are G Bᵀ and Aᵀ G. Without them only square ones fit.",
        ),
        Wrong(
            (("g @ swapped(b), lambda g: swapped(a) @ g", "swapped(b) @ g, lambda g: g @ swapped(a)"),),
            "The factors are in the wrong order: a is on the left of b, so its rule has g on the left of Bᵀ.",
        ),
        Wrong(
            (("swapped(a) @ g", "swapped(g) @ a"),),
            "The rule of b returns the transpose of its gradient, (M, K) instead of (K, M).",
        ),
        Wrong(
            (("g @ swapped(b), lambda g: swapped(a) @ g", "g @ b.T, lambda g: a.T @ g"),),
            "`.T` reverses all axes, those of the batch too. Transpose the last two: swapped(x).",
        ),
        Wrong(
            (("g @ swapped(b),", "g @ swapped(b).detach(),"),),
            "The rule of a uses b as a constant, so second derivatives are wrong. Compute it with the tensor.",
        ),
        Wrong(
            (("kernels.matmul(a.data, b.data)", "np.dot(a.data, b.data)"),),
            "np.dot multiplies each matrix of one batch with all of the other. `@` multiplies them in pairs.",
        ),
        Wrong((("kernels.matmul(a.data, b.data)", "a.data * b.data"),), "This multiplies entry by entry."),
    ),
    correct=(
        """
        @op(prepare=matrices, restore=without_added_axes)
        def matmul(a, b):
            value = np.einsum("...nk,...km->...nm", a.data, b.data)
            return value, lambda g: swapped(b @ swapped(g)), lambda g: swapped(swapped(g) @ a)
        """,
        """
        @op(prepare=matrices, restore=without_added_axes)
        def matmul(a, b):
            value = (a.data[..., :, :, None] * b.data[..., None, :, :]).sum(axis=-2)

            def in_a(g):
                return (g[..., :, None, :] * b[..., None, :, :]).sum(axis=-1)

            def in_b(g):
                return (a[..., :, :, None] * g[..., :, None, :]).sum(axis=-3)

            return value, in_a, in_b
        """,
    ),
)

REDUCED = (  # a shape, axis, keepdims
    ((1,), 0, False),
    ((), None, False),
    ((3,), -1, False),
    ((2, 3), None, False),
    ((2, 3), 0, False),
    ((2, 3), 1, False),
    ((2, 3), -1, True),
    ((2, 3), -2, True),
    ((3, 3), 0, False),
    ((2, 2, 3), (0, 2), False),
    ((2, 2, 3), 1, True),
    ((2, 3, 2), (-1, 0), False),
    ((2, 2, 2), None, True),
    ((3, 3), 1, False),
    ((4, 1), 1, True),
)


def _rows(rng: np.random.Generator, size: int) -> Arguments:
    shape, axis, keepdims = in_turn(rng, size, REDUCED)
    return call(uniform(rng, shape), axis=axis, keepdims=keepdims)


def _large_rows(rng: np.random.Generator, size: int) -> Arguments:
    (x,), settings = _rows(rng, size)
    return Arguments((Tensor(x + 800, requires_grad=True),), settings)


LOGSUMEXP = Exercise(
    name="logsumexp",
    track="backpropagation",
    title="the logarithm of a sum of exponentials, without overflow",
    source="tinygen.ops.reduce:logsumexp",
    question="Return log Σ eˣ along `axis` as an array, and the rule. It must be right for entries of ±1000 too,\n"
    "where eˣ overflows or is 0. If all entries are -inf, so is the result; if one is +inf, it is +inf.\n"
    "x of shape (0, 2) has no rows, and so no sums along axis 1: the result has the shape (0,).\n"
    "Given: axes_of(x, axis) returns the axes as a tuple; _shaped(value, x, axes, keepdims) puts back the axes\n"
    "that are kept; _spread(x, axes) is a function that repeats a reduced tensor, such as g, to the shape of x.",
    page="rules.md#reductions-opsreducepy",
    hints=(
        "log Σ eˣ = c + log Σ e^(x - c) for every number c. Which c makes the largest exponent 0?",
        "Take the maximum along `axis` with keepdims=True, so that it can be subtracted, and 0 where it isn't finite: "
        "inf - inf is NaN. The derivative by x[i] is e^x[i] / Σ eˣ, the softmax.",
        "np.log(np.exp(x.data - top).sum(axis=axes)) + ... is the value; for the rule, spread = _spread(x, axes), and "
        "spread(g) times _softmax of the shifted tensor.",
    ),
    stages=(
        Example(lambda: call(np.log([[1.0, 3.0], [2.0, 6.0]]), axis=1), np.log([4.0, 8.0])),
        Shapes(_rows),
        Values(_rows),
        Derivatives(_rows),
        Extremes(
            (
                lambda: call(np.array([1000.0, 1000.0])),
                lambda: call(np.array([-1000.0, -1001.0])),
                lambda: call(np.array([[200.0, 0.0]], np.float32), axis=-1),
                lambda: call(np.array([[1000.0, 999.0], [-1000.0, -999.0]]), axis=1),
                lambda: call(np.array([0.0, -np.inf])),
                lambda: call(np.array([[-np.inf, -np.inf], [0.0, 0.0]]), axis=1, keepdims=True),
                lambda: call(np.array([0.0, np.inf])),
                lambda: call(np.array([0.0, np.nan])),
                lambda: call(np.zeros((0, 2)), axis=1),
            )
        ),
        Gradients(_large_rows, lambda call: call.args, name="gradients at large numbers"),
    ),
    wrong=(
        Wrong(
            (("np.where(np.isfinite(top), top, 0).astype(x.dtype)", "np.zeros_like(top)"),),
            "Without a shift, e¹⁰⁰⁰ is inf and e⁻¹⁰⁰⁰ is 0. Subtract the largest entry first, and add it at the end.",
        ),
        Wrong(
            (
                (
                    "x.data.max(axis=axes, keepdims=True)",
                    "0 * x.data.min(axis=axes, keepdims=True) + x.data.max()",
                ),
            ),
            "It subtracts the largest of all entries. In a sum whose own entries are much smaller, all exponentials "
            "are 0: take the maximum along `axis`.",
        ),
        Wrong(
            ((" + top.data.reshape(rest.shape)", ""),), "The maximum was subtracted, but not added again at the end."
        ),
        Wrong(
            (("constant(np.where(np.isfinite(top), top, 0).astype(x.dtype))", "constant(top)"),),
            "The maximum may be infinite, and inf - inf is NaN. Subtract 0 there.",
        ),
        Wrong(
            (("spread(g) * _softmax(x - top, axes)", "spread(g)"),),
            "This is the rule of the sum. An entry's share of the gradient is its share of Σ eˣ: the softmax.",
        ),
        Wrong(
            (("spread(g) * _softmax(x - top, axes)", "spread(g) * constant(first)"),),
            "This is the rule of the maximum. All entries have a part in the sum: the gradient is the softmax.",
        ),
        Wrong(
            (("_softmax(x - top, axes)", "_softmax(x - top, tuple(range(x.ndim)))"),),
            "The softmax is taken over all axes instead of those of the sum.",
        ),
        Wrong(
            (("_softmax(x - top, axes)", "_softmax(x - top, axes).detach()"),),
            "The rule uses the softmax as a constant, so second derivatives are wrong.",
        ),
    ),
    correct=(
        """
        @op
        def logsumexp(x, *, axis=None, keepdims=False):
            axes = axes_of(x, axis)
            top = x.data.max(axis=axes, keepdims=True)
            top = np.where(np.isfinite(top), top, 0)
            value = np.log(np.exp(x.data - top).sum(axis=axes, keepdims=True)) + top
            spread = _spread(x, axes)
            return value if keepdims else value.squeeze(axes), lambda g, y: spread(g) * exp(x - spread(y))
        """,
        """
        @op
        def logsumexp(x, *, axis=None, keepdims=False):
            axes = axes_of(x, axis)
            value = np.full(np.zeros(x.shape).sum(axis=axes, keepdims=True).shape, -np.inf, x.dtype)
            for place in np.ndindex(x.shape):
                kept = tuple(0 if i in axes else n for i, n in enumerate(place))
                value[kept] = np.logaddexp(value[kept], x.data[place])
            spread, top = _spread(x, axes), x.data.max(initial=-np.inf)

            def rule(g):
                e = exp(x - top)
                return e * (spread(g) / spread(sum(e, axis=axes)))

            return value if keepdims else value.squeeze(axes), rule
        """,
    ),
)

EXERCISES = (*broadcasting.EXERCISES, MUL, MATMUL, *indexing.EXERCISES, LOGSUMEXP, WALK)
