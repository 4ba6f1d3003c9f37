"""Arithmetic and functions of one entry at a time; inputs of different shapes are broadcast before a rule runs.

Conventions where there is no derivative: a tie goes to the first argument (`maximum`, `minimum`), `clip` passes the
gradient at its ends, `abs` has derivative 0 at its kink, and so has `sqrt` at 0, because norms are made of it.
Rules with a pole use `gate` and `ratio`: an incoming gradient of 0 gives a gradient of 0, even at the pole. So an
infinite slope in the branch that `where` does not take never reaches the gradient.
"""

from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.errors.arrays import private, read_only
from tinygen.errors.calls import explained
from tinygen.ops.support.broadcasting import broadcast, elementwise
from tinygen.tensor import Operand, Tensor, array_of, constant

# -- arithmetic --------------------------------------------------------------------------------------------------------


@elementwise
def add(a, b):
    """a + b"""
    return kernels.add(a.data, b.data), lambda g: g, lambda g: g


@elementwise
def sub(a, b):
    """a - b"""
    return kernels.sub(a.data, b.data), lambda g: g, lambda g: -g


@elementwise
def mul(a, b):
    """a · b"""
    return a.data * b.data, lambda g: g * b, lambda g: g * a


@elementwise
def div(a, b):
    """a / b"""
    return kernels.div(a.data, b.data), lambda g: ratio(g, b), lambda g, y: -ratio(gate(g, y), b)


@elementwise
def neg(a):
    """-a"""
    return kernels.neg(a.data), lambda g: -g


@elementwise
def pow(a, b):
    """aᵇ; where a = 0, all derivatives with respect to b are 0, for every sign of b."""

    def in_a(g):  # where a = 0, b is a constant (the convention above), in second derivatives too
        exponent = b if b.node is None else select(constant(b.data), b, mask=read_only(a.data == 0))
        return gate(gate(g, exponent), a ** (exponent - 1))

    def in_b(g, y):  # log 0 is infinite, but by convention aᵇ is constant in b there
        return select(0.0, gate(gate(g, y), log(a)), mask=read_only(a.data == 0))

    return a.data**b.data, in_a, in_b


@elementwise
def gate(g, d):
    """g · d, and exactly 0 where one factor is 0, even if the other is infinite or NaN."""
    return kernels.gate(g.data, d.data), lambda h: gate(h, d), lambda h: gate(h, g)


@elementwise
def ratio(g, d):
    """g / d, and exactly 0 where g is 0, even if d is 0 or NaN."""
    return kernels.ratio(g.data, d.data), lambda h: ratio(h, d), lambda h, y: -ratio(gate(h, y), d)


# -- functions ---------------------------------------------------------------------------------------------------------


@elementwise
def exp(x):
    """eˣ of each entry of x.

    >>> tg.exp([0.0, 1.0])
    Tensor([1.    , 2.7183], shape=(2,), float32)
    """
    return kernels.exp(x.data), lambda g, y: gate(g, y)


@elementwise
def expm1(x):
    """eˣ - 1, accurate near 0 too."""
    return kernels.expm1(x.data), lambda g: gate(g, exp(x))


@elementwise
def exp_remainder(x):
    """eˣ - 1 - x ≥ 0, accurate near 0 too: the core of the KL divergence of Gaussians."""
    return kernels.exp_remainder(x.data), lambda g: gate(g, expm1(x))


@elementwise
def log(x):
    """The natural logarithm."""
    return kernels.log(x.data), lambda g: ratio(g, x)


@elementwise
def log1p(x):
    """log(1 + x), accurate near 0 too."""
    return kernels.log1p(x.data), lambda g: ratio(g, 1 + x)


@elementwise
def sqrt(x):
    """√x, with derivative 0 at 0."""
    return kernels.sqrt(x.data), lambda g, y: ratio(where(y.data == 0, 0.0, g), 2 * y)


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
    """The hyperbolic tangent; `fast_rules.py` replaces this rule by a faster one."""
    return kernels.tanh(x.data), lambda g, y: g * (1 - y * y)


def bounded_square(x):
    """x², but 40² beyond ±40: there exp(-x²/2) is already 0 in float64, while x² might overflow."""
    return clip(x, low=-40, high=40) ** 2


@elementwise
def erf(x):
    """The error function 2/√π ∫₀ˣ exp(-t²) dt."""
    return kernels.erf(x.data), lambda g: g * exp(-bounded_square(x)) * (2 / np.sqrt(np.pi))


# -- choices -----------------------------------------------------------------------------------------------------------


@elementwise
def select(a, b, *, mask):
    """a where the boolean array `mask` is true, else b; `where` is this op after broadcasting."""
    mask = private(mask)
    return (
        kernels.select(mask, a.data, b.data),
        lambda g: select(g, 0.0, mask=mask),
        lambda g: select(0.0, g, mask=mask),
    )


@explained
def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """Entries of `a` where the boolean `condition` is true, else of `b`; entries not taken get a gradient of 0.

    >>> tg.where(np.array([True, False]), 1.0, 2.0)
    Tensor([1., 2.], shape=(2,), float32)
    """
    mask = private(np.asarray(array_of(condition)))
    if mask.dtype != bool:
        raise TypeError(f"where: the condition must be boolean, not {mask.dtype}: compare something first, as in x > 0")
    a, b = broadcast((a, b), mask.shape)
    return select(a, b, mask=mask)


@elementwise
def maximum(a, b):
    """The larger of two entries; in a tie the gradient goes to a."""
    first = read_only((a.data >= b.data) | np.isnan(a.data))
    return np.maximum(a.data, b.data), lambda g: select(g, 0.0, mask=first), lambda g: select(0.0, g, mask=first)


@elementwise
def minimum(a, b):
    """The smaller of two entries; in a tie the gradient goes to a."""
    first = read_only((a.data <= b.data) | np.isnan(a.data))
    return np.minimum(a.data, b.data), lambda g: select(g, 0.0, mask=first), lambda g: select(0.0, g, mask=first)


@elementwise
def clip(x, *, low=-np.inf, high=np.inf):
    """x limited to [low, high]; the slope is 1 inside and at the ends, else 0, and NaN at NaN."""
    if low > high:
        raise ValueError(f"clip: low {low} is above high {high}")
    slope = constant(np.where(np.isnan(x.data), x.data, (x.data >= low) & (x.data <= high)).astype(x.dtype))
    return np.clip(x.data, low, high), lambda g: gate(g, slope)
