"""The normal distribution, with a variance for each entry."""

import math

import numpy as np

from tinygen.distributions.base import Values, as_draws, one_shape
from tinygen.errors import arguments
from tinygen.errors.calls import ExplainedCalls
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, exp, exp_remainder, minimum, ratio
from tinygen.tensor import Tensor, constant

LOG_2π = math.log(2 * math.pi)


class Normal(metaclass=ExplainedCalls):
    """N(μ, σ²) with log_var = log σ², the log of the variance, for which a network may predict any real number.

    `log_var` is keyword-only, because a standard deviation in its place would give no error, only wrong draws. Either
    of the two may be a single number for all entries of the other.
    """

    def __init__(self, mu: Values, *, log_var: Values):
        self.mu, self.log_var = as_tensors((mu, log_var))
        self.shape = one_shape("Normal", mu=self.mu, log_var=self.log_var)
        self.dtype = np.result_type(self.mu.dtype, self.log_var.dtype)

    @property
    def mean(self) -> Tensor:
        return self.mu

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Draws z = μ + σ ε with ε ~ N(0, 1), of shape (*shape, *self.shape).

        Gradients reach μ and σ (the reparameterisation of Kingma & Welling 2014, section 2.4).
        """
        arguments.generator("Normal.rsample", rng)
        ε = constant(np.asarray(rng.standard_normal((*shape, *self.shape), dtype=self.dtype)))
        return self.mu + exp(0.5 * self.log_var) * ε

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """The same draws as constants."""
        return self.rsample(rng, shape).detach()

    def log_prob(self, x: Values) -> Tensor:
        """log N(x; μ, σ²) = -½ ((x - μ)²/σ² + log σ² + log 2π) of each entry."""
        error = as_draws("Normal", x, self.shape) - self.mu
        return -0.5 * (_in_deviations(error, self.log_var) ** 2 + self.log_var + LOG_2π)

    def entropy(self) -> Tensor:
        """½ (1 + log 2π + log σ²) of each entry."""
        return broadcast_to(0.5 * (self.log_var + (1 + LOG_2π)), shape=self.shape)

    def kl_to(self, p: "Normal") -> Tensor:
        """KL(self ‖ p) of each entry; `kl_divergence` checks the shapes."""
        return 0.5 * (exp_remainder(self.log_var - p.log_var) + _in_deviations(self.mu - p.mu, p.log_var) ** 2)


def _in_deviations(distance: Tensor, log_var: Tensor) -> Tensor:
    """A distance in units of σ: 0 if the distance is 0, however small σ is. σ is at most the largest float."""
    largest = math.floor(math.log(np.finfo(log_var.dtype).max))
    return ratio(distance, exp(minimum(0.5 * log_var, largest)))
