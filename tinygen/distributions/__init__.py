"""Distributions to draw from and to ask for densities, entry by entry and in nats, and gradients of expectations.

A distribution has the shape of its parameters, and each entry is independent of the others. A draw may have more axes
in front: `rsample(rng, (k,))` is (k, *shape), and `log_prob` takes such draws back. What belongs to one example is for
the caller to add up: `q.log_prob(z).sum(axis=-1)`.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen.errors import arguments
from tinygen.errors.calls import ExplainedCalls
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, exp, exp_remainder, expm1, log1p, logistic_loss, minimum, ratio, sigmoid, where
from tinygen.tensor import Tensor, array_of, constant

LOG_2π = math.log(2 * math.pi)


class Normal(metaclass=ExplainedCalls):
    """N(μ, σ²) with log_var = log σ², the log of the variance: any real number is one, and a network may answer it.

    `log_var` is named at every call, for whoever gave a standard deviation in its place would get no error, only wrong
    draws. One of the two may be a single number for all entries of the other.
    """

    def __init__(self, mu: Tensor | np.ndarray | float, *, log_var: Tensor | np.ndarray | float):
        self.mu, self.log_var = as_tensors((mu, log_var))
        self.shape = _one_shape("Normal", mu=self.mu, log_var=self.log_var)
        self.dtype = np.result_type(self.mu.dtype, self.log_var.dtype)

    @property
    def mean(self) -> Tensor:
        return self.mu

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Draws z = μ + σ ε with ε ~ N(0, 1), of shape (*shape, *self.shape): z moves along with μ and σ.

        Gradients reach both (the reparameterisation of Kingma & Welling 2014, section 2.4).
        """
        arguments.generator("Normal.rsample", rng)
        ε = constant(np.asarray(rng.standard_normal((*shape, *self.shape), dtype=self.dtype)))
        return self.mu + exp(0.5 * self.log_var) * ε

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """The same draws as constants."""
        return self.rsample(rng, shape).detach()

    def log_prob(self, x: Tensor | np.ndarray | float) -> Tensor:
        """log N(x; μ, σ²) = -½ ((x - μ)²/σ² + log σ² + log 2π) of each entry."""
        error = _draws("Normal", x, self.shape) - self.mu
        return -0.5 * (_in_deviations(error, self.log_var) ** 2 + self.log_var + LOG_2π)

    def entropy(self) -> Tensor:
        """½ (1 + log 2π + log σ²) of each entry."""
        return broadcast_to(0.5 * (self.log_var + (1 + LOG_2π)), shape=self.shape)


class Bernoulli(metaclass=ExplainedCalls):
    """1 with probability σ(logits), else 0. A draw is a step of the logits, so there is no gradient through it."""

    def __init__(self, logits: Tensor | np.ndarray | float):
        (self.logits,) = as_tensors((logits,))
        self.shape, self.dtype = self.logits.shape, self.logits.dtype

    @property
    def mean(self) -> Tensor:
        return sigmoid(self.logits)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Zeros and ones of shape (*shape, *self.shape), as a constant."""
        arguments.generator("Bernoulli.sample", rng)
        below = rng.random((*shape, *self.shape), dtype=self.dtype) < self.mean.data
        return constant(np.asarray(below, self.dtype))

    def log_prob(self, x: Tensor | np.ndarray | float) -> Tensor:
        """x log σ(logits) + (1 - x) log σ(-logits) of each entry, exact for every finite logit.

        For grey values x in (0, 1) it is the mean of that over the binary draws whose expectation is x. Raises
        ValueError for x outside [0, 1].
        """
        x = _draws("Bernoulli", x, self.shape)
        if x.size and not (x.data.min() >= 0 and x.data.max() <= 1):
            raise ValueError(f"Bernoulli.log_prob: x must lie in [0, 1], got {x.data.min()}..{x.data.max()}")
        return -logistic_loss(self.logits, x)

    def entropy(self) -> Tensor:
        """-Σ p log p over the two outcomes of each entry."""
        return logistic_loss(self.logits, self.mean)


def kl_divergence(q: Normal | Bernoulli, p: Normal | Bernoulli) -> Tensor:
    """KL(q ‖ p) = E_q[log q - log p] of each entry, in closed form. No metric: it isn't symmetric.

    Raises TypeError for two distributions of different kinds.
    """
    if type(q) is not type(p):
        raise TypeError(f"kl_divergence: of two of a kind only, got {type(q).__name__} and {type(p).__name__}")
    if q.shape != p.shape and () not in (q.shape, p.shape):
        raise ValueError(f"kl_divergence: expected one shape, got {q.shape} and {p.shape}")
    if isinstance(q, Bernoulli):
        return _bernoulli_kl(q.logits, p.logits)
    return 0.5 * (exp_remainder(q.log_var - p.log_var) + _in_deviations(q.mu - p.mu, p.log_var) ** 2)


def _bernoulli_kl(q: Tensor, p: Tensor) -> Tensor:
    """Σ over both outcomes of their probability under q times the difference of their logs.

    Near each other these differences cancel. There, with d = p - q and the log v = log(1 + σ(q) (eᵈ - 1)) of the ratio
    of 1 + eᵖ and 1 + e^q, it is v - σ(q) d = σ(q) R(d) - R(v), where R is `exp_remainder`. Exchanging the outcomes, so
    that σ(q) is at most ½, keeps these two apart.
    """
    sign = constant(np.where(q.data > 0, -1, 1).astype(q.dtype))
    q, p = q * sign, p * sign
    yes = sigmoid(q)
    far = logistic_loss(p, yes) - logistic_loss(q, yes)
    with np.errstate(invalid="ignore"):  # ∞ - ∞ is not near
        near = np.abs(p.data - q.data) < 1
    d = where(near, p, 0.0) - where(near, q, 0.0)
    return where(near, yes * exp_remainder(d) - exp_remainder(log1p(yes * expm1(d))), far)


def _in_deviations(distance: Tensor, log_var: Tensor) -> Tensor:
    """A distance in units of σ: 0 for no distance, however small σ is. A σ beyond the largest float counts as that."""
    largest = math.floor(math.log(np.finfo(log_var.dtype).max))
    return ratio(distance, exp(minimum(0.5 * log_var, largest)))


# -- gradients of expectations -----------------------------------------------------------------------------------------
# Both give the mean of f over draws from q, and a gradient whose expectation is that of E_q[f]. The last axis of q is
# one vector z; f takes draws (draws, ..., D) to one number each, (draws, ...).


def pathwise(f: Callable[[Tensor], Tensor], q: Normal, rng: np.random.Generator, *, draws: int = 1) -> Tensor:
    """1/n Σ f(zᵢ), whose gradient follows the draws: ∇f(μ + σ ε). It needs the derivative of f."""
    return f(q.rsample(rng, (draws,))).mean(axis=0)


def score_function(
    f: Callable[[Tensor], Tensor],
    q: Normal | Bernoulli,
    rng: np.random.Generator,
    *,
    draws: int = 1,
    baseline: float = 0.0,
) -> Tensor:
    """1/n Σ f(zᵢ), whose gradient is 1/n Σ (f(zᵢ) - baseline) ∇ log q(zᵢ): the draws stay where they are.

    What moves is how probable they are (Williams 1992). It needs no derivative of f, so it serves draws that have none,
    at the price of a variance that grows with the size of f; E_q[∇ log q] = 0, so a baseline changes nothing but that.
    """
    z = q.sample(rng, (draws,))
    log_q = q.log_prob(z).sum(axis=-1)  # (draws, ...)
    one = exp(log_q - log_q.detach())  # with the gradient ∇q / q = ∇ log q
    return ((f(z) - baseline) * one + baseline).mean(axis=0)


# -- what distributions ask of their arguments -------------------------------------------------------------------------


def _one_shape(who: str, **tensors: Tensor) -> tuple[int, ...]:
    """The shape that all have, but for single numbers."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    kinds = set(shapes.values()) - {()}
    if len(kinds) > 1:
        raise ValueError(f"{who}: expected one shape, or single numbers, got {shapes}")
    return kinds.pop() if kinds else ()


def _draws(who: str, x, shape: tuple[int, ...]) -> Tensor:
    """x as a Tensor, if its last axes are those of the distribution: (N, 1) against (N,) would become (N, N)."""
    given = np.shape(array_of(x))
    if given[len(given) - len(shape) :] != shape:
        raise ValueError(f"{who}.log_prob: x should be {shape}, with more axes in front if you like; got {given}")
    return as_tensors((x,))[0]
