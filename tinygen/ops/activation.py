"""Activation functions, accurate and finite for every float: no overflow at ±10⁴, no 1 - 1 where digits matter.

`fast_rules.py` replaces most of these rules by faster ones, and a test compares the two. Conventions at the kink:
`relu` has derivative 0 at 0, `leaky_relu` its negative slope, `elu` its alpha.
"""

import math

from tinygen import kernels
from tinygen.errors.arrays import read_only
from tinygen.ops.elementwise import bounded_square, exp, minimum, select
from tinygen.ops.support.broadcasting import elementwise


@elementwise
def relu(x):
    """max(x, 0) of each entry of x.

    >>> tg.relu([-1.0, 2.0])
    Tensor([0., 2.], shape=(2,), float32)
    """
    positive = read_only(x.data > 0)
    return kernels.relu(x.data), lambda g: select(g, 0.0, mask=positive)


@elementwise
def leaky_relu(x, *, negative_slope=0.01):
    """x where it is positive, else negative_slope · x."""
    positive = read_only(x.data > 0)
    return kernels.leaky_relu(x.data, negative_slope), lambda g: select(g, g * negative_slope, mask=positive)


@elementwise
def elu(x, *, alpha=1.0):
    """x where it is positive, else alpha · (eˣ - 1) (Clevert et al. 2016)."""
    positive, below = read_only(x.data > 0), minimum(x, 0.0)
    return kernels.elu(x.data, alpha), lambda g: select(g, g * exp(below) * alpha, mask=positive)


@elementwise
def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ); the derivative is σ(x) σ(-x), because 1 - σ(x) loses its digits where σ(x) is near 1."""
    return kernels.sigmoid(x.data), lambda g, y: g * y * sigmoid(-x)


@elementwise
def softplus(x):
    """log(1 + eˣ)"""
    return kernels.softplus(x.data), lambda g: g * sigmoid(x)


@elementwise
def silu(x):
    """x σ(x), also called swish (Elfwing et al. 2018)."""
    return kernels.silu(x.data), lambda g, y: g * (sigmoid(x) + y * sigmoid(-x))


@elementwise
def normal_cdf(x):
    """Φ(x), the probability that a standard normal variable is below x."""
    return kernels.normal_cdf(x.data), lambda g: g * normal_density(x)


@elementwise
def gelu(x):
    """x Φ(x), exact (Hendrycks & Gimpel 2016)."""
    return kernels.gelu(x.data)[0], lambda g: g * (normal_cdf(x) + x * normal_density(x))


def normal_density(x):
    """φ(x) = exp(-x²/2) / √(2π), the density of a standard normal variable; a composition, not an op."""
    return exp(bounded_square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))
