"""Two estimators of the gradient of an expectation E_q[f], by the path of the draws and by the score function.

Both return the mean of f over draws from q, whose gradient has the expectation ∇E_q[f]. The last axis of q is one
vector z; f maps draws (draws, ..., D) to one number each, (draws, ...).
"""

from collections.abc import Callable

import numpy as np

from tinygen.distributions.base import Distribution
from tinygen.ops import exp
from tinygen.tensor import Tensor


def pathwise(f: Callable[[Tensor], Tensor], q: Distribution, rng: np.random.Generator, *, draws: int = 1) -> Tensor:
    """1/n Σ f(zᵢ), whose gradient goes through the draws, such as ∇f(μ + σ ε). It needs the derivative of f."""
    return f(q.rsample(rng, (draws,))).mean(axis=0)


def score_function(
    f: Callable[[Tensor], Tensor],
    q: Distribution,
    rng: np.random.Generator,
    *,
    draws: int = 1,
    baseline: float = 0.0,
) -> Tensor:
    """1/n Σ f(zᵢ), whose gradient is 1/n Σ (f(zᵢ) - baseline) ∇ log q(zᵢ): the draws are constants.

    Only their probabilities change (Williams 1992). It needs no derivative of f, so it also works for discrete draws,
    but its variance grows with the size of f. A baseline reduces the variance and keeps the expectation, because
    E_q[∇ log q] = 0.
    """
    z = q.sample(rng, (draws,))
    log_q = q.log_prob(z)
    log_q = log_q if q.event else log_q.sum(axis=-1)  # (draws, ...)
    one = exp(log_q - log_q.detach())  # with the gradient ∇q / q = ∇ log q
    return ((f(z) - baseline) * one + baseline).mean(axis=0)
