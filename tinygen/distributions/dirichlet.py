"""The Dirichlet distribution over probability vectors, and the beta distribution, its two-dimensional case."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, in_float64, one_shape, positive, silent, vectors
from tinygen.distributions.gamma import log_draws
from tinygen.distributions.kl import kl_rule
from tinygen.functional import softmax
from tinygen.op import as_tensors
from tinygen.ops import astype, broadcast_to, clip, gate, lgamma, log, log1p, polygamma, sigmoid, stack, sum
from tinygen.tensor import Tensor


class Dirichlet(Distribution):
    """p(x) = Γ(Σ αₖ) Π xₖ^(αₖ-1) / Γ(αₖ) for vectors x of K positive numbers with the sum 1.

    The density is that of the first K - 1 entries. Draws are kept at or above the smallest positive number.

    Args:
        concentration: the positive numbers αₖ, (..., K).

    >>> from tinygen.distributions import Dirichlet
    >>> Dirichlet(np.array([1.0, 3.0])).mean
    Tensor([0.25, 0.75], shape=(2,), float64)
    """

    event = 1
    support = (0.0, 1.0)

    def __init__(self, concentration: Values):
        (self.concentration,) = as_tensors((concentration,))
        vectors("Dirichlet", concentration=self.concentration)
        positive("Dirichlet", concentration=self.concentration)
        self.shape, self.dtype = self.concentration.shape, self.concentration.dtype

    @property
    def mean(self) -> Tensor:
        """αₖ / Σ α"""
        return self.concentration / sum(self.concentration, axis=-1, keepdims=True)

    @property
    def variance(self) -> Tensor:
        """m (1 - m) / (Σ α + 1) with the mean m."""
        return self.mean * (1 - self.mean) / (sum(self.concentration, axis=-1, keepdims=True) + 1)

    def entropy(self) -> Tensor:
        """log B(α) + (Σ α - K) ψ(Σ α) - Σ (αₖ - 1) ψ(αₖ), where B is the multivariate beta function."""
        (α,) = in_float64(self.concentration)
        total = sum(α, axis=-1)
        value = _log_beta(α) + (total - self.shape[-1]) * polygamma(total) - sum((α - 1) * polygamma(α), axis=-1)
        return astype(value, dtype=self.dtype)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """gₖ / Σ g for independent gamma draws gₖ: the softmax of their logarithms."""
        (α,) = in_float64(self.concentration)
        x = softmax(log_draws("Dirichlet.rsample", rng, α, shape))
        return clip(astype(x, dtype=self.dtype), low=float(np.finfo(self.dtype).tiny))

    def _log_prob(self, x: Tensor) -> Tensor:
        if np.abs(x.data.sum(axis=-1) - 1).max(initial=0) > 1e-3:
            raise ValueError("Dirichlet.log_prob: expected x to have the sum 1 along its last axis: divide by the sum")
        α, x = in_float64(self.concentration, x)
        return astype(sum(gate(α - 1, log(x)), axis=-1) - _log_beta(α), dtype=self.dtype)


class Beta(Distribution):
    """p(x) = x^(a-1) (1 - x)^(b-1) / B(a, b) for x in (0, 1).

    Args:
        a: positive numbers, of any shape; or a number for all entries of `b`.
        b: positive numbers of the same shape, or a number.

    It has no `cdf` and no `icdf`: the incomplete beta function is not one of the ops, and its derivatives in a and b
    have no closed form.

    Draws are kept between the smallest positive number and the largest below 1, whose distance from 1 is 6e-8 in
    float32. If b is below about 0.1, many draws would be closer to 1.

    >>> from tinygen.distributions import Beta
    >>> Beta(np.array([1.0]), 3.0).mean
    Tensor([0.25], shape=(1,), float64)
    """

    support = (0.0, 1.0)

    def __init__(self, a: Values, b: Values):
        self.a, self.b = as_tensors((a, b))
        positive("Beta", a=self.a, b=self.b)
        self.shape, self.dtype = one_shape("Beta", a=self.a, b=self.b), np.result_type(self.a.dtype, self.b.dtype)

    @property
    def mean(self) -> Tensor:
        """a / (a + b)"""
        return self.a / (self.a + self.b)

    @property
    def variance(self) -> Tensor:
        """m (1 - m) / (a + b + 1) with the mean m."""
        return self.mean * (self.b / (self.a + self.b)) / (self.a + self.b + 1)

    def entropy(self) -> Tensor:
        """That of a Dirichlet distribution with two entries."""
        return self._both().entropy()

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """g / (g + h) for independent gamma draws g and h: the sigmoid of the difference of their logarithms."""
        a, b = (broadcast_to(c, shape=self.shape) for c in in_float64(self.a, self.b))
        x = sigmoid(log_draws("Beta.rsample", rng, a, shape) - log_draws("Beta.rsample", rng, b, shape))
        info = np.finfo(self.dtype)
        return clip(astype(x, dtype=self.dtype), low=float(info.tiny), high=1 - float(info.epsneg))

    def _log_prob(self, x: Tensor) -> Tensor:
        a, b, x = in_float64(self.a, self.b, x)
        log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
        return astype(gate(a - 1, log(x)) + gate(b - 1, log1p(-x)) - log_beta, dtype=self.dtype)

    def _both(self) -> Dirichlet:
        """The distribution of (x, 1 - x)."""
        return Dirichlet(stack(*(broadcast_to(c, shape=self.shape) for c in as_tensors((self.a, self.b))), axis=-1))


def _log_beta(α: Tensor) -> Tensor:
    return sum(lgamma(α), axis=-1) - lgamma(sum(α, axis=-1))


@kl_rule(Dirichlet, Dirichlet)
def _kl(q: Dirichlet, p: Dirichlet) -> Tensor:
    """log B(α_p) - log B(α_q) + Σ (α_q - α_p) (ψ(α_q) - ψ(Σ α_q))"""
    a, b = in_float64(q.concentration, p.concentration)
    expected = polygamma(a) - polygamma(sum(a, axis=-1, keepdims=True))  # of log x under q
    return astype(
        _log_beta(b) - _log_beta(a) + sum((a - b) * expected, axis=-1), dtype=np.result_type(q.dtype, p.dtype)
    )


@kl_rule(Beta, Beta)
def _(q: Beta, p: Beta) -> Tensor:
    with silent():
        return _kl(q._both(), p._both())
