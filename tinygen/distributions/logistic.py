"""The logistic distribution, whose distribution function is the sigmoid."""

import math

import numpy as np

from tinygen.distributions.location_scale import LocationScale
from tinygen.ops import sigmoid, softplus
from tinygen.tensor import Tensor


class Logistic(LocationScale):
    """F(x) = σ((x - μ)/s), so p(x) = σ(z) σ(-z) / s with z = (x - μ)/s.

    The KL divergence of two logistic distributions has no closed form.

    >>> from tinygen.distributions import Logistic
    >>> Logistic(0.0, log_scale=0.0).cdf(2.0).item().__round__(4)
    0.8808
    """

    MEAN, VARIANCE, ENTROPY = 0.0, math.pi**2 / 3, 2.0

    @staticmethod
    def _log_density(z: Tensor) -> Tensor:
        return -softplus(z) - softplus(-z)

    @staticmethod
    def _cdf(z: Tensor) -> Tensor:
        return sigmoid(z)

    @staticmethod
    def _quantile(u: np.ndarray) -> np.ndarray:
        return np.log(u) - np.log1p(-u)
