"""Distributions: draws, densities entry by entry in nats, KL divergences, and gradients of expectations.

A distribution has the shape of its parameters, and its entries are independent. Draws may have more axes in front:
`rsample(rng, (k,))` is (k, *shape), and `log_prob` takes such draws. To get one number per example, sum over its axes:
`q.log_prob(z).sum(axis=-1)`. Read base, normal, bernoulli, kl, estimators.
"""

from tinygen.distributions.bernoulli import Bernoulli
from tinygen.distributions.estimators import pathwise, score_function
from tinygen.distributions.kl import kl_divergence
from tinygen.distributions.normal import Normal

__all__ = ["Bernoulli", "Normal", "kl_divergence", "pathwise", "score_function"]
