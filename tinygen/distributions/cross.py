"""KL divergences between families: of any continuous one to a normal, and of exponential and gamma distributions."""

import numpy as np

from tinygen.distributions.base import Distribution, in_units
from tinygen.distributions.dirichlet import Beta
from tinygen.distributions.exponential import Exponential
from tinygen.distributions.gamma import Gamma
from tinygen.distributions.kl import KL, kl_rule
from tinygen.distributions.location_scale import LocationScale
from tinygen.distributions.normal import LOG_2π, Normal
from tinygen.tensor import Tensor, constant


def to_normal(q: Distribution, p: Normal) -> Tensor:
    """½ (log 2π σ² + (Var q + (E q - μ)²)/σ²) - H(q): of q, only the first two moments and the entropy matter."""
    half = 0.5 * p.log_var
    error = in_units(in_units(q.variance, half), half) + in_units(q.mean - p.mu, half) ** 2
    return 0.5 * (error + p.log_var + LOG_2π) - q.entropy()


for family in (LocationScale, Exponential, Gamma, Beta):
    KL[family, Normal] = to_normal


def _as_gamma(q: Exponential) -> Gamma:
    return Gamma(constant(np.ones((), q.dtype)), log_rate=q.log_rate)


@kl_rule(Exponential, Gamma)
def _from_exponential(q: Exponential, p: Gamma) -> Tensor:
    return KL[Gamma, Gamma](_as_gamma(q), p)


@kl_rule(Gamma, Exponential)
def _to_exponential(q: Gamma, p: Exponential) -> Tensor:
    return KL[Gamma, Gamma](q, _as_gamma(p))
