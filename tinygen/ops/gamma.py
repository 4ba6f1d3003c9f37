"""The gamma function and its derivatives, and the quantiles of the gamma distribution."""

import numpy as np

from tinygen import kernels
from tinygen.ops.elementwise import exp, exp_remainder, gate
from tinygen.ops.reduce import sum
from tinygen.ops.shape import reshape
from tinygen.ops.support.broadcasting import elementwise
from tinygen.tensor import Tensor, constant


@elementwise
def lgamma(x):
    """log Γ(x) for x > 0, the logarithm of the factorial of x - 1."""
    return kernels.lgamma(x.data), lambda g: gate(g, polygamma(x))


@elementwise
def polygamma(x, *, order=0):
    """The derivative of log Γ of order `order` + 1, for x > 0; for order 0 it is the digamma function ψ(x)."""
    return kernels.polygamma(x.data, order), lambda g: gate(g, polygamma(x, order=order + 1))


@elementwise
def log_gamma_quantile(a, *, u):
    """y = log F⁻¹(u; a) for a >= 1, where F is the cumulative distribution function of the gamma distribution.

    `u` is an array of probabilities in (0, 1). The derivative in a is an implicit one: F(eʸ; a) = u stays as it is.
    """
    u = np.array(u)
    return kernels.log_gamma_quantile(a.data, u), lambda g, y: g * _slope(a, y)


def _slope(a: Tensor, y: Tensor) -> Tensor:
    """dy/da = -(∂F/∂a) / (∂F/∂y), (...), for F the probability that t, the log of a gamma variable, is below y.

    The density of t is p(t) = exp(a t - eᵗ) / Γ(a), so ∂F/∂a is the integral of p(t) (t - ψ(a)) up to y, or minus the
    integral from there on. Of these, we compute the one in which t - ψ(a) has one sign, by Gauss-Legendre quadrature.
    """
    shape, count = y.shape, len(_NODES)
    a, y = reshape(a, shape=(*shape, 1)), reshape(y, shape=(*shape, 1))
    ψ, x = polygamma(a), exp(y)
    sign = np.where(y.data <= ψ.data, -1, 1).astype(y.dtype)
    size = _reach(a.data.astype(np.float64), x.data.astype(np.float64), sign).astype(y.dtype)
    d = constant(sign * size * _NODES.astype(y.dtype))  # t - y, (..., count)
    ratio = exp((a - x) * d - x * exp_remainder(d))  # p(t) / p(y)
    weights = constant(np.broadcast_to(sign * size * _WEIGHTS.astype(y.dtype), (*shape, count)))
    return sum(weights * ratio * (y - ψ + d), axis=-1)


def _reach(a: np.ndarray, x: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """How far from y the ratio has fallen to e⁻³⁷, from bounds of e^d - 1 - d: s²/(2 + s) at d = -s, s²/2 at d = s."""
    excess = np.maximum(x - a, -0.5)
    above = 74 / (excess + np.sqrt(excess**2 + 74 * x))
    for _ in range(4):  # the ratio falls faster than this bound: go back towards x (eˢ - 1) - a s = 37
        above = np.log1p((37 + a * above) / x)
    b = 37 - 2 * np.maximum(a - x, 0)
    return np.where(sign > 0, above, 148 / (np.sqrt(b**2 + 296 * a) - b))


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # on [0, 1]
