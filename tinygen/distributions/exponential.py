"""The exponential distribution: waiting times without memory."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, as_draws, in_units, probabilities, silent, uniform
from tinygen.distributions.kl import kl_rule
from tinygen.op import as_tensors
from tinygen.ops import exp, exp_remainder, expm1
from tinygen.tensor import Tensor, constant


class Exponential(Distribution):
    """p(x) = λ e^(-λ x) for x >= 0, with `log_rate` = log λ, any real numbers.

    >>> from tinygen.distributions import Exponential
    >>> Exponential(log_rate=0.0).icdf(0.5).item().__round__(4)  # the median, log 2
    0.6931
    """

    support = (0.0, np.inf)

    def __init__(self, *, log_rate: Values):
        (self.log_rate,) = as_tensors((log_rate,))
        self.shape, self.dtype = self.log_rate.shape, self.log_rate.dtype

    @property
    def mean(self) -> Tensor:
        """1/λ"""
        with silent():
            return exp(-self.log_rate)

    @property
    def variance(self) -> Tensor:
        """1/λ²"""
        with silent():
            return exp(-2 * self.log_rate)

    def entropy(self) -> Tensor:
        """1 - log λ"""
        return 1 - self.log_rate

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """-log(1 - u) / λ for uniform u: the inverse of the distribution function."""
        return self.icdf(uniform("Exponential.rsample", rng, (*shape, *self.shape)))

    def _log_prob(self, x: Tensor) -> Tensor:
        return self.log_rate - in_units(x, -self.log_rate)

    def cdf(self, x: Values) -> Tensor:
        """F(x) = 1 - e^(-λ x), the probability of a draw below x >= 0."""
        x = as_draws("Exponential", x, self.shape, self.dtype)
        with silent():
            return -expm1(-in_units(x, -self.log_rate))

    def icdf(self, u: np.ndarray | float) -> Tensor:
        """-log(1 - u) / λ, the x with F(x) = u, for probabilities u in [0, 1]."""
        with silent():
            z = -np.log1p(-probabilities("Exponential", u)).astype(self.dtype)
            return exp(-self.log_rate) * constant(np.asarray(z))


@kl_rule(Exponential, Exponential)
def _kl(q: Exponential, p: Exponential) -> Tensor:
    """e^ρ - 1 - ρ with ρ = log λ_p - log λ_q."""
    return exp_remainder(p.log_rate - q.log_rate)
