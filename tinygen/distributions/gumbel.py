"""The Gumbel distribution, that of the largest of many draws."""

import math

import numpy as np

from tinygen.distributions.base import in_units
from tinygen.distributions.kl import kl_rule
from tinygen.distributions.location_scale import LocationScale
from tinygen.ops import exp, exp_remainder, lgamma, minimum
from tinygen.tensor import Tensor


class Gumbel(LocationScale):
    """F(x) = exp(-e⁻ᶻ), so p(x) = exp(-z - e⁻ᶻ) / s with z = (x - μ)/s.

    Logits plus Gumbel noise are largest at class k with the softmax probability of k: see `Categorical`.

    >>> from tinygen.distributions import Gumbel
    >>> Gumbel(0.0, log_scale=0.0).cdf(0.0).item().__round__(4)  # 1/e
    0.3679
    """

    MEAN, VARIANCE, ENTROPY = np.euler_gamma, math.pi**2 / 6, 1 + np.euler_gamma

    @staticmethod
    def _log_density(z: Tensor) -> Tensor:
        return -(exp_remainder(-z) + 1)  # -z - e⁻ᶻ, and -∞ at z = -∞

    @staticmethod
    def _cdf(z: Tensor) -> Tensor:
        return exp(-exp(-z))

    @staticmethod
    def _quantile(u: np.ndarray) -> np.ndarray:
        return -np.log(-np.log(u))


@kl_rule(Gumbel, Gumbel)
def _kl(q: Gumbel, p: Gumbel) -> Tensor:
    """eᵛ - 1 - v + log Γ(r) + γ (r - 1), with r = s_q/s_p, v = log Γ(1 + r) - (μ_q - μ_p)/s_p, Euler's constant γ."""
    ρ = q.log_scale - p.log_scale
    r = exp(minimum(ρ, math.log(np.finfo(ρ.dtype).max) / 2))
    v = lgamma(1 + r) - in_units(q.mu - p.mu, p.log_scale)
    return exp_remainder(v) + (lgamma(1 + r) - ρ) + np.euler_gamma * (r - 1)
