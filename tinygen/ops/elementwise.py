"""Arithmetic and functions of one entry at a time; two inputs are broadcast first, so the rules are pure mathematics.

Conventions where there is no derivative: a tie goes to the first argument (`maximum`, `minimum`), `clip` passes the
gradient at its ends, `abs` has derivative 0 at its kink, and so has `sqrt` at 0, because norms are made of it.
Rules with a pole go through `gate` and `ratio`: where no gradient comes in, none goes out, not even at the pole.
That is what lets `where` protect the branch that it did not take.
"""

from functools import lru_cache

import numpy as np

from tinygen import kernels
from tinygen.op import as_tensors, mode, op
from tinygen.ops.shape import LARGE, broadcast_to
from tinygen.tensor import Tensor, array_of, constant, private


def broadcast(args: tuple, shape: tuple = ()) -> tuple[Tensor, ...]:
    """The inputs as Tensors of one shape (and `shape`); constants stay small, for NumPy broadcasts them freely."""
    if len(args) == 2 and not shape:  # nearly always both are alike: that path is short
        a, b = args
        if type(a) is type(b) is Tensor and a.data.shape == b.data.shape and a.data.dtype is b.data.dtype:
            return args
    args = as_tensors(args)
    if len(args) == 1:
        return args
    if len(args) == 2 and not shape:  # as short, if one is a Parameter, or a number
        a, b = args
        if a.data.shape == b.data.shape or any(x.node is None and not x.data.ndim for x in args):
            return args
    shapes = [x.data.shape for x in args] + ([shape] if shape else [])
    try:
        wanted = _broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(
            f"shapes {' and '.join(map(str, shapes))} don't broadcast to one: "
            "aligned from the right, sizes must be equal or 1; reshape or transpose one of them"
        ) from error
    if not mode.recording:
        return args
    return tuple([x if x.node is None or x.data.shape == wanted else broadcast_to(x, shape=wanted) for x in args])


_broadcast_shapes = lru_cache(np.broadcast_shapes)  # a training step asks for the same ones again and again
elementwise = op(prepare=broadcast)

# -- arithmetic --------------------------------------------------------------------------------------------------------


def same(g):
    """The gradient as it comes: what a sum hands to its terms (no lambda, as a new one for each sum would show)."""
    return g


@elementwise
def add(a, b):
    """a + b"""
    a, b = a.data, b.data
    return a + b if a.size < LARGE else kernels.add(a, b), same, same


@elementwise
def sub(a, b):
    """a - b"""
    return a.data - b.data, same, lambda g: -g


@elementwise
def mul(a, b):
    """a · b"""
    return a.data * b.data, lambda g: g * b, lambda g: g * a


@elementwise
def div(a, b):
    """a / b"""
    return a.data / b.data, lambda g: ratio(g, b), lambda g, y: -ratio(gate(g, y), b)


@elementwise
def neg(a):
    """-a"""
    return -a.data, lambda g: -g


@elementwise
def pow(a, b):
    """a to the power of b; where a = 0, all derivatives in b are 0, whatever the sign of b."""

    def in_a(g):  # where a = 0 the exponent is a constant, so that mixed derivatives are 0 there too
        exponent = b if b.node is None else select(constant(b.data), b, mask=locked(a.data == 0))
        return gate(gate(g, exponent), a ** (exponent - 1))

    def in_b(g, y):  # log 0 is infinite, but aᵇ is taken to be constant in b there
        return select(0.0, gate(gate(g, y), log(a)), mask=locked(a.data == 0))

    return a.data**b.data, in_a, in_b


@elementwise
def gate(g, d):
    """g · d, and exactly 0 where one of them is 0, even if the other is infinite or undefined there."""
    return kernels.gate(g.data, d.data), lambda h: gate(h, d), lambda h: gate(h, g)


@elementwise
def ratio(g, d):
    """g / d, and exactly 0 where g is 0, even if d is 0 or undefined there."""
    return kernels.ratio(g.data, d.data), lambda h: ratio(h, d), lambda h, y: -ratio(gate(h, y), d)


# -- functions ---------------------------------------------------------------------------------------------------------


@elementwise
def squared_error(x, t):
    """(x - t)²"""
    return (
        kernels.squared_error(x.data, t.data),
        lambda g: squared_error_vjp(g, x, t),
        lambda g: -squared_error_vjp(g, x, t),
    )


@elementwise
def squared_error_vjp(g, x, t):
    """g · 2 (x - t), in one pass as the error itself; its derivatives are ±2 g and 2 (x - t)."""
    return (
        kernels.squared_error_vjp(g.data, x.data, t.data),
        lambda h: squared_error_vjp(h, x, t),
        lambda h: h * g * 2.0,
        lambda h: h * g * -2.0,
    )


@elementwise
def exp(x):
    """eˣ"""
    return kernels.exp(x.data), lambda g, y: gate(g, y)


@elementwise
def expm1(x):
    """eˣ - 1, with all its digits near 0."""
    return np.expm1(x.data), lambda g: gate(g, exp(x))


@elementwise
def exp_remainder(x):
    """eˣ - 1 - x >= 0, with all its digits near 0: the core of KL divergences."""
    return kernels.exp_remainder(x.data), lambda g: gate(g, expm1(x))


@elementwise
def log(x):
    """The natural logarithm."""
    return np.log(x.data), lambda g: ratio(g, x)


@elementwise
def log1p(x):
    """log(1 + x), with all its digits near 0."""
    return np.log1p(x.data), lambda g: ratio(g, 1 + x)


@elementwise
def sqrt(x):
    """√x, with derivative 0 at 0."""
    return np.sqrt(x.data), lambda g, y: ratio(where(y.data == 0, 0.0, g), 2 * y)


@elementwise
def abs(x):
    """|x|, with derivative 0 at 0."""
    sign = constant(np.sign(x.data))
    return np.abs(x.data), lambda g: g * sign


@elementwise
def sin(x):
    """sin x, in radians."""
    return np.sin(x.data), lambda g: g * cos(x)


@elementwise
def cos(x):
    """cos x, in radians."""
    return np.cos(x.data), lambda g: -g * sin(x)


@elementwise
def tanh(x):
    """The hyperbolic tangent."""
    return kernels.tanh(x.data), lambda g, y: tanh_vjp(g, y)


@elementwise
def tanh_vjp(g, y):
    """g · (1 - y²): what the gradient of y = tanh x becomes as that of x."""
    return kernels.tanh_vjp(g.data, y.data), lambda h: tanh_vjp(h, y), lambda h: h * g * y * -2.0


def bounded_square(x):
    """x², but 40² beyond ±40: there exp(-x²/2) is 0 in float64 already, while x² itself might overflow."""
    return clip(x, low=-40, high=40) ** 2


@elementwise
def erf(x):
    """The error function 2/√π ∫₀ˣ exp(-t²) dt."""
    return kernels.erf(x.data), lambda g: g * exp(-bounded_square(x)) * (2 / np.sqrt(np.pi))


# -- choices -----------------------------------------------------------------------------------------------------------


def locked(mask: np.ndarray) -> np.ndarray:
    """A mask that its maker won't write to any more, so that `select` can keep it without a copy."""
    mask = np.asarray(mask)
    mask.setflags(write=False)
    return mask


@elementwise
def select(a, b, *, mask):
    """Entries of a where the boolean array `mask` is true, else of b: `where` with its inputs already of one shape."""
    mask = private(mask)
    return np.where(mask, a.data, b.data), lambda g: select(g, 0.0, mask=mask), lambda g: select(0.0, g, mask=mask)


def where(condition, a, b) -> Tensor:
    """Entries of `a` where `condition` is true, else of `b`; the one not taken gets a gradient of exactly 0."""
    mask = private(np.asarray(array_of(condition)))
    if mask.dtype != bool:
        raise TypeError(f"where: the condition must be boolean, not {mask.dtype}: compare something first, as in x > 0")
    a, b = broadcast((a, b), mask.shape)
    return select(a, b, mask=mask)


@elementwise
def maximum(a, b):
    """The larger of two entries; at a tie the gradient goes to a."""
    first = locked((a.data >= b.data) | np.isnan(a.data))
    return np.maximum(a.data, b.data), lambda g: select(g, 0.0, mask=first), lambda g: select(0.0, g, mask=first)


@elementwise
def minimum(a, b):
    """The smaller of two entries; at a tie the gradient goes to a."""
    first = locked((a.data <= b.data) | np.isnan(a.data))
    return np.minimum(a.data, b.data), lambda g: select(g, 0.0, mask=first), lambda g: select(0.0, g, mask=first)


@elementwise
def clip(x, *, low=-np.inf, high=np.inf):
    """x held within [low, high]; the gradient passes inside and at the ends, and the slope at NaN is NaN."""
    if low > high:
        raise ValueError(f"clip: low {low} is above high {high}")
    slope = constant(np.where(np.isnan(x.data), x.data, (x.data >= low) & (x.data <= high)).astype(x.dtype))
    return np.clip(x.data, low, high), lambda g: gate(g, slope)
