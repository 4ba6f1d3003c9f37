"""The bends between layers, each exact and finite for every float: no overflow at ±10⁴, no 1 - 1 where it matters.

Convention at the kink: `relu` has derivative 0 at 0, `leaky_relu` its negative slope.
"""

import math

import numpy as np

from tinygen import kernels
from tinygen.ops.elementwise import elementwise, exp, locked, select
from tinygen.tensor import constant


@elementwise
def relu(x):
    """max(x, 0)"""
    on = locked(x.data > 0)
    return np.maximum(x.data, 0), lambda g: select(g, 0.0, mask=on)


@elementwise
def leaky_relu(x, *, negative_slope=0.01):
    """x where it is positive, else negative_slope · x."""
    slope = constant(np.where(x.data > 0, 1, negative_slope).astype(x.dtype))
    return x.data * slope.data, lambda g: g * slope


@elementwise
def sigmoid(x):
    """1 / (1 + e⁻ˣ); the derivative σ(x) σ(-x) keeps its digits in both tails."""
    return kernels.sigmoid(x.data), lambda g, y: g * (y * sigmoid(-x))


@elementwise
def softplus(x):
    """log(1 + eˣ)"""
    return kernels.softplus(x.data), lambda g: g * sigmoid(x)


@elementwise
def silu(x):
    """x σ(x), also called swish (Elfwing et al. 2018)."""
    return x.data * kernels.sigmoid(x.data), lambda g, y: g * (sigmoid(x) + y * sigmoid(-x))


@elementwise
def normal_cdf(x):
    """Φ(x), the probability that a standard normal variable is below x."""
    return kernels.normal_cdf(x.data), lambda g: g * (exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)))


@elementwise
def gelu(x):
    """x Φ(x), exact (Hendrycks & Gimpel 2016)."""
    density = 1 / math.sqrt(2 * math.pi)
    return (
        x.data * kernels.normal_cdf(x.data),
        lambda g: g * (normal_cdf(x) + x * exp(x * x * -0.5) * density),
    )
