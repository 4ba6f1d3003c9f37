"""Distributions: draws, densities in nats, KL divergences, and gradients of expectations.

A distribution has the shape of its parameters, and its entries are independent. Draws may have more axes in front:
`rsample(rng, (k,))` is (k, *shape), and `log_prob` takes such draws. To get one number per example, sum over its axes:
`q.log_prob(z).sum(axis=-1)`. Categorical, Dirichlet and MultivariateNormal are families of vectors: their last axis is
one draw, and their densities are already one number for each. Scales and rates are given by their logarithms, so any
number is a valid parameter. Discrete families have no `rsample`: see `score_function` and `relaxed_sample`.

Read base, normal, bernoulli, kl, estimators; then location_scale with laplace, logistic and gumbel; exponential, gamma,
dirichlet, categorical, multivariate_normal, cross.
"""

import sys

from tinygen.distributions import cross
from tinygen.distributions.base import Distribution
from tinygen.distributions.bernoulli import Bernoulli
from tinygen.distributions.categorical import Categorical
from tinygen.distributions.dirichlet import Beta, Dirichlet
from tinygen.distributions.estimators import pathwise, score_function
from tinygen.distributions.exponential import Exponential
from tinygen.distributions.gamma import Erlang, Gamma
from tinygen.distributions.gumbel import Gumbel
from tinygen.distributions.kl import kl_divergence, kl_rule
from tinygen.distributions.laplace import Laplace
from tinygen.distributions.logistic import Logistic
from tinygen.distributions.multivariate_normal import MultivariateNormal, lower_factor
from tinygen.distributions.normal import Normal
from tinygen.errors import hints

FAMILIES: dict[str, type[Distribution]] = {
    family.__name__: family
    for family in (
        *(Normal, MultivariateNormal, Laplace, Logistic, Gumbel),
        *(Exponential, Gamma, Erlang, Beta, Dirichlet),
        *(Bernoulli, Categorical),
    )
}

__all__ = [
    "FAMILIES",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Erlang",
    "Exponential",
    "Gamma",
    "Gumbel",
    "Laplace",
    "Logistic",
    "MultivariateNormal",
    "Normal",
    "kl_divergence",
    "kl_rule",
    "lower_factor",
    "pathwise",
    "score_function",
]


def __getattr__(name: str):
    """Called only for a name that this module does not have."""
    raise hints.missing(sys.modules[__name__], name)
