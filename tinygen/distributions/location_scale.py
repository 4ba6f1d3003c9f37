"""Location-scale families: x = μ + s z with z from a fixed distribution."""

from collections.abc import Callable

import numpy as np

from tinygen.distributions.base import (
    Distribution,
    Values,
    as_draws,
    in_units,
    one_shape,
    probabilities,
    silent,
    uniform,
)
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, exp
from tinygen.tensor import Tensor, constant


class LocationScale(Distribution):
    """x = μ + s z, where the family gives the distribution of z: its density, moments and quantiles.

    Args:
        mu: the location μ, of any shape; or a number for all entries of `log_scale`.
        log_scale: log s, of the same shape, or a number; any real number, as a network predicts it.
    """

    MEAN: float  # of z
    VARIANCE: float
    ENTROPY: float
    _log_density: Callable[[Tensor], Tensor]
    _cdf: Callable[[Tensor], Tensor]
    _quantile: Callable[[np.ndarray], np.ndarray]

    def __init__(self, mu: Values, *, log_scale: Values):
        self.mu, self.log_scale = as_tensors((mu, log_scale))
        self.shape = one_shape(type(self).__name__, mu=self.mu, log_scale=self.log_scale)
        self.dtype = np.result_type(self.mu.dtype, self.log_scale.dtype)

    @property
    def mean(self) -> Tensor:
        """μ + s E z"""
        with silent():
            return broadcast_to(self.mu + exp(self.log_scale) * self.MEAN, shape=self.shape)

    @property
    def variance(self) -> Tensor:
        """s² Var z"""
        with silent():
            return broadcast_to(exp(2 * self.log_scale) * self.VARIANCE, shape=self.shape)

    def entropy(self) -> Tensor:
        """log s, and the entropy of z."""
        return broadcast_to(self.log_scale + self.ENTROPY, shape=self.shape)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """μ + s z, where z is the quantile of a uniform number: gradients reach μ and s."""
        return self.icdf(uniform(f"{type(self).__name__}.rsample", rng, (*shape, *self.shape)))

    def _log_prob(self, x: Tensor) -> Tensor:
        return type(self)._log_density(in_units(x - self.mu, self.log_scale)) - self.log_scale

    def cdf(self, x: Values) -> Tensor:
        """F(x), the probability of a draw below x."""
        x = as_draws(type(self).__name__, x, self.shape, self.dtype)
        with silent():
            return type(self)._cdf(in_units(x - self.mu, self.log_scale))

    def icdf(self, u: np.ndarray | float) -> Tensor:
        """The x with F(x) = u, for probabilities u in [0, 1], as a function of μ and s."""
        with silent():
            z = type(self)._quantile(probabilities(type(self).__name__, u)).astype(self.dtype)
            return self.mu + exp(self.log_scale) * constant(np.asarray(z))
