"""Cases of the gamma function and of the gamma distribution."""

import math

import numpy as np
from scipy import special

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.cases.elementwise import one
from tinygen.testing.draws import positive, shape


def _order_and_positive(rng):
    return (positive(rng, shape(rng)),), {"order": int(rng.integers(3))}


def _polygamma(x, order):
    """The first derivatives of Stirling's series at x + 20, and the terms that lead from there back to x."""
    far, size = x + 20, math.factorial(max(order - 1, 0))
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)
    value = np.log(far) if order == 0 else (-1) ** (order + 1) * size / far**order
    value = value - (-1) ** order * math.factorial(order) / (2 * far ** (order + 1))
    for k, b in enumerate(bernoulli, 1):
        rising = math.factorial(2 * k + order - 1) / math.factorial(2 * k)
        value = value - (-1) ** order * b * rising / far ** (2 * k + order)
    return value - sum((-1) ** order * math.factorial(order) / (x + k) ** (order + 1) for k in range(20))


def _above_one_and_u(rng):
    a = np.asarray(1 + positive(rng, shape(rng)))
    return (a,), {"u": rng.uniform(0.05, 0.95, a.shape)}


def _by_bisection(a, u):
    """The y with F(eʸ; a) = u, between e⁻²⁰ and e²⁰."""
    low, high = np.full(a.shape, -20.0), np.full(a.shape, 20.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = special.gammainc(a, np.exp(middle)) < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


GAMMA = (
    Case(op=ops.lgamma, sample=one(positive), oracle=special.loggamma, domain=lambda x: x >= 1e-30),
    Case(op=ops.polygamma, sample=_order_and_positive, oracle=_polygamma, domain=lambda x: x > 0),
    Case(
        op=ops.log_gamma_quantile,
        sample=_above_one_and_u,
        oracle=_by_bisection,
        analytic=False,
        without_torch="it has no quantiles of the gamma distribution",
    ),
)
