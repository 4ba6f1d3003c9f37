"""The gamma distribution for any shape, and the Erlang distribution: sums of exponential draws."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, in_float64, in_units, one_shape, positive, silent, uniform
from tinygen.distributions.kl import kl_rule
from tinygen.errors import arguments
from tinygen.op import as_tensors
from tinygen.ops import (
    astype,
    broadcast_to,
    clip,
    exp,
    exp_remainder,
    gate,
    lgamma,
    log,
    log_gamma_quantile,
    polygamma,
    ratio,
)
from tinygen.tensor import Tensor, constant


class Gamma(Distribution):
    """p(x) = β^α x^(α-1) e^(-β x) / Γ(α) for x > 0: α is called the shape or the concentration, β the rate.

    Args:
        concentration: α > 0, of any shape; or a number for all entries of `log_rate`.
        log_rate: log β, of the same shape, or a number.

    It has no `cdf` and no `icdf`: the incomplete gamma function is not one of the ops, and its derivative in α has no
    closed form. `ops.log_gamma_quantile`, which `rsample` uses, is the inverse for α >= 1 only.

    Computed in float64, and rounded at the end. Draws are at least the smallest positive number of their dtype, which
    matters for α below about 0.1 in float32 and 0.02 in float64.

    >>> from tinygen.distributions import Gamma
    >>> Gamma(np.array([2.0]), log_rate=np.log(4.0)).mean
    Tensor([0.5], shape=(1,), float64)
    """

    support = (0.0, np.inf)

    def __init__(self, concentration: Values, *, log_rate: Values):
        self.concentration, self.log_rate = as_tensors((concentration, log_rate))
        who = type(self).__name__
        positive(who, concentration=self.concentration)
        self.shape = one_shape(who, concentration=self.concentration, log_rate=self.log_rate)
        self.dtype = np.result_type(self.concentration.dtype, self.log_rate.dtype)

    @property
    def mean(self) -> Tensor:
        """α/β"""
        with silent():
            return in_units(broadcast_to(self.concentration, shape=self.shape), self.log_rate)

    @property
    def variance(self) -> Tensor:
        """α/β²"""
        return in_units(self.mean, self.log_rate)

    def entropy(self) -> Tensor:
        """α - log β + log Γ(α) + (1 - α) ψ(α)"""
        α, log_β = in_float64(self.concentration, self.log_rate)
        value = α - log_β + lgamma(α) + (1 - α) * polygamma(α)
        return astype(broadcast_to(value, shape=self.shape), dtype=self.dtype)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Draws whose gradients reach α and β, of any order: see `log_draws`."""
        α, log_β = in_float64(self.concentration, self.log_rate)
        α = broadcast_to(α, shape=self.shape)
        with silent():
            x = exp(log_draws("Gamma.rsample", rng, α, shape) - log_β)
            return clip(astype(x, dtype=self.dtype), low=float(np.finfo(self.dtype).tiny))

    def _log_prob(self, x: Tensor) -> Tensor:
        α, log_β, x = in_float64(self.concentration, self.log_rate, x)
        value = gate(α - 1, log(x)) + α * log_β - in_units(x, -log_β) - lgamma(α)
        return astype(value, dtype=self.dtype)


class Erlang(Gamma):
    """The time until the k-th of many independent events: a sum of k exponential draws, a gamma distribution.

    Its draws are compositions of exponential ones, with gradients in the rate. The whole number k has none.

    Args:
        k: number of exponential draws in each sum.
        log_rate: log β, of any shape.
    """

    def __init__(self, k: int, *, log_rate: Values):
        (self.k,) = arguments.sizes("Erlang", k=k)
        super().__init__(float(k), log_rate=log_rate)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Σ -log uᵢ / β for k uniform numbers uᵢ."""
        u = uniform("Erlang.rsample", rng, (self.k, *shape, *self.shape))
        with silent():
            return exp(-self.log_rate) * constant(np.asarray(-np.log(u).sum(axis=0), self.dtype))


def log_draws(who: str, rng: np.random.Generator, α: Tensor, shape: tuple[int, ...]) -> Tensor:
    """log x for draws x from Gamma(α, 1), as log F⁻¹(u; α + 1) + (log v)/α for uniform u and v.

    For α + 1 the inverse F⁻¹ can be computed well and its derivative is an implicit one (Figurnov et al. 2018). The
    second term leads from α + 1 to α (Marsaglia & Tsang 2000), and keeps its digits where x itself would be 0.
    """
    α = broadcast_to(α, shape=(*shape, *α.shape))
    u, v = (uniform(who, rng, α.shape) for _ in range(2))
    return log_gamma_quantile(α + 1, u=u) + ratio(constant(np.log(v)), α)


@kl_rule(Gamma, Gamma)
def _kl(q: Gamma, p: Gamma) -> Tensor:
    """α_q (e^ρ - 1 - ρ) + (α_q - α_p) ρ + log Γ(α_p) - log Γ(α_q) + (α_q - α_p) ψ(α_q), with ρ = log β_p/β_q."""
    a, b, log_q, log_p = in_float64(q.concentration, p.concentration, q.log_rate, p.log_rate)
    ρ = log_p - log_q
    value = a * exp_remainder(ρ) + (a - b) * (ρ + polygamma(a)) + lgamma(b) - lgamma(a)
    return astype(value, dtype=np.result_type(q.dtype, p.dtype))
