"""The KL divergence of two distributions, by the rule of their families."""

from collections.abc import Callable
from typing import Any

from tinygen.distributions.base import Distribution, silent
from tinygen.tensor import Tensor

KL: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}  # the closed forms, by the families of q and p


def kl_rule(q: type, p: type) -> Callable[[Callable], Callable]:
    """Enter a function (q, p) -> KL(q ‖ p) in the table of closed forms, for q and p of these families."""

    def enter(rule: Callable) -> Callable:
        KL[q, p] = rule
        return rule

    return enter


def kl_divergence(q: Distribution, p: Distribution) -> Tensor:
    """KL(q ‖ p) = E_q[log q - log p] of each entry, in nats, in closed form. It isn't symmetric, so it is no metric.

    Args:
        q: the distribution over which the expectation is taken.
        p: a distribution of the same shape, or with single numbers (or one vector) for all entries of q.

    Raises TypeError for two families without a closed form, ValueError for different shapes.

    >>> from tinygen.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(np.array([0.0, 1.0]), log_var=0.0), Normal(0.0, log_var=0.0))
    Tensor([0. , 0.5], shape=(2,), float64)
    """
    found = [KL[pair] for a in type(q).__mro__ for b in type(p).__mro__ if (pair := (a, b)) in KL]
    if not found:
        kinds = f"{type(q).__name__} and {type(p).__name__}"
        known = sorted(b.__name__ for a, b in KL if isinstance(q, a))
        hint = f"choose p among {', '.join(known)}, or take" * bool(known) or "take"
        raise TypeError(
            f"kl_divergence: expected two families with a closed form, got {kinds}: {hint} the mean of "
            "q.log_prob(z) - p.log_prob(z) over draws z from q"
        )
    if q.shape != p.shape and q.shape[len(q.shape) - q.event :] != p.shape and () not in (q.shape, p.shape):
        raise ValueError(f"kl_divergence: expected one shape, got {q.shape} and {p.shape}")
    with silent():
        return found[0](q, p)
