"""The normal distribution, with a variance for each entry."""

import math

import numpy as np

from tinygen.distributions.base import Distribution, Values, as_draws, in_units, one_shape, probabilities, silent
from tinygen.distributions.kl import kl_rule
from tinygen.errors import arguments
from tinygen.io import html
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, exp, exp_remainder, normal_cdf
from tinygen.tensor import Tensor, constant

LOG_2π = math.log(2 * math.pi)


class Normal(Distribution):
    """N(μ, σ²) with log_var = log σ², the log of the variance, for which a network may predict any real number.

    Args:
        mu: the mean, of any shape; or a number for all entries of `log_var`.
        log_var: log σ², of the same shape, or a number; keyword-only, because a standard deviation in its place would
            give no error, only wrong draws.

    >>> from tinygen.distributions import Normal
    >>> q = Normal(np.zeros(3), log_var=0.0)
    >>> q.log_prob(np.zeros(3)).numpy().round(4).tolist()  # -½ log 2π
    [-0.9189, -0.9189, -0.9189]
    """

    def __init__(self, mu: Values, *, log_var: Values):
        self.mu, self.log_var = as_tensors((mu, log_var))
        self.shape = one_shape("Normal", mu=self.mu, log_var=self.log_var)
        self.dtype = np.result_type(self.mu.dtype, self.log_var.dtype)

    @property
    def mean(self) -> Tensor:
        return broadcast_to(self.mu, shape=self.shape)

    @property
    def variance(self) -> Tensor:
        with silent():
            return broadcast_to(exp(self.log_var), shape=self.shape)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Draws z = μ + σ ε with ε ~ N(0, 1), of shape (*shape, *self.shape).

        Gradients reach μ and σ (the reparameterisation of Kingma & Welling 2014, section 2.4).
        """
        arguments.generator("Normal.rsample", rng)
        ε = constant(np.asarray(rng.standard_normal((*shape, *self.shape), dtype=self.dtype)))
        with silent():
            return self.mu + exp(0.5 * self.log_var) * ε

    def _log_prob(self, x: Tensor) -> Tensor:
        """log N(x; μ, σ²) = -½ ((x - μ)²/σ² + log σ² + log 2π) of each entry."""
        return -0.5 * (in_units(x - self.mu, 0.5 * self.log_var) ** 2 + self.log_var + LOG_2π)

    def cdf(self, x: Values) -> Tensor:
        """Φ((x - μ)/σ), the probability of a draw below x."""
        x = as_draws("Normal", x, self.shape, self.dtype)
        with silent():
            return normal_cdf(in_units(x - self.mu, 0.5 * self.log_var))

    def icdf(self, u: np.ndarray | float) -> Tensor:
        """μ + σ Φ⁻¹(u), the x with cdf(x) = u, for probabilities u in [0, 1]."""
        from scipy.special import ndtri

        z = ndtri(probabilities("Normal", u)).astype(self.dtype)
        return self.mu + exp(0.5 * self.log_var) * constant(np.asarray(z))

    def entropy(self) -> Tensor:
        """½ (1 + log 2π + log σ²) of each entry."""
        return broadcast_to(0.5 * (self.log_var + (1 + LOG_2π)), shape=self.shape)

    def _repr_html_(self) -> str:
        """For notebooks: the ranges of μ and σ, and the density of the first three entries."""
        mu, log_var = (np.broadcast_to(part.data, self.shape).astype(np.float64) for part in (self.mu, self.log_var))
        with np.errstate(over="ignore"):
            sd = np.exp(0.5 * log_var)
        facts = {"μ": html.described(mu), "σ": html.described(sd)}
        curves = {}
        for i, m, s in zip(range(3), mu.flat, sd.flat):
            z = np.linspace(-4, 4, 100)
            with np.errstate(all="ignore"):
                density = np.exp(-(z**2) / 2) / (s * math.sqrt(2 * math.pi))
            curves[f"entry {i}"] = (m + s * z, density)
        chart = html.chart("density", curves, xlabel="z")
        return html.block(f"Normal {self.shape}", html.facts(facts), chart)


@kl_rule(Normal, Normal)
def _kl(q: Normal, p: Normal) -> Tensor:
    """½ (σ_q²/σ_p² - 1 - log σ_q²/σ_p² + (μ_q - μ_p)²/σ_p²)"""
    return 0.5 * (exp_remainder(q.log_var - p.log_var) + in_units(q.mu - p.mu, 0.5 * p.log_var) ** 2)
