"""The Laplace distribution: two exponential tails."""

import math

import numpy as np

from tinygen.distributions.base import in_units
from tinygen.distributions.kl import kl_rule
from tinygen.distributions.location_scale import LocationScale
from tinygen.ops import abs, exp, exp_remainder, expm1, minimum, where
from tinygen.tensor import Tensor


class Laplace(LocationScale):
    """p(x) = exp(-|x - μ|/s) / 2s; its negative log-density is the absolute error.

    >>> from tinygen.distributions import Laplace
    >>> Laplace(0.0, log_scale=0.0).cdf(1.0).item().__round__(4)  # 1 - ½ e⁻¹
    0.8161
    """

    MEAN, VARIANCE, ENTROPY = 0.0, 2.0, 1 + math.log(2)

    @staticmethod
    def _log_density(z: Tensor) -> Tensor:
        return -abs(z) - math.log(2)

    @staticmethod
    def _cdf(z: Tensor) -> Tensor:
        return where(z.data < 0, 0.5 * exp(minimum(z, 0.0)), 1 - 0.5 * exp(minimum(-z, 0.0)))

    @staticmethod
    def _quantile(u: np.ndarray) -> np.ndarray:
        return np.where(u < 0.5, np.log(2 * u), -np.log(2 - 2 * u))


@kl_rule(Laplace, Laplace)
def _kl(q: Laplace, p: Laplace) -> Tensor:
    """R(ρ) + δ/s_p - r (1 - e⁻ᵃ), with δ = |μ_q - μ_p|, a = δ/s_q, r = s_q/s_p = e^ρ, and R(ρ) = r - 1 - ρ.

    If a is small, the last two terms cancel: they are r R(-a).
    """
    ρ, δ = q.log_scale - p.log_scale, abs(q.mu - p.mu)
    r, a = exp(minimum(ρ, math.floor(math.log(np.finfo(ρ.dtype).max)))), in_units(δ, q.log_scale)
    near = a.data < 1
    close = where(near, a, 0.0)
    apart = where(near, r * exp_remainder(-close), in_units(δ, p.log_scale) + r * expm1(-a))
    return exp_remainder(ρ) + apart
