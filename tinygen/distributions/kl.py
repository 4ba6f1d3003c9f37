"""The KL divergence of two distributions of one kind."""

from tinygen.distributions.bernoulli import Bernoulli
from tinygen.distributions.normal import Normal
from tinygen.tensor import Tensor


def kl_divergence(q: Normal | Bernoulli, p: Normal | Bernoulli) -> Tensor:
    """KL(q ‖ p) = E_q[log q - log p] of each entry, in closed form. It is no metric, because it isn't symmetric.

    Raises TypeError for two distributions of different kinds, ValueError for different shapes.
    """
    if q.shape != p.shape and () not in (q.shape, p.shape):
        raise ValueError(f"kl_divergence: expected one shape, got {q.shape} and {p.shape}")
    if isinstance(q, Normal) and isinstance(p, Normal):
        return q.kl_to(p)
    if isinstance(q, Bernoulli) and isinstance(p, Bernoulli):
        return q.kl_to(p)
    kinds = f"{type(q).__name__} and {type(p).__name__}"
    raise TypeError(f"kl_divergence: expected two distributions of one kind, got {kinds}: compare draws instead")
