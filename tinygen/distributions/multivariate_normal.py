"""The normal distribution with a full covariance, given by its Cholesky factor."""

import numpy as np

from tinygen.distributions.base import Distribution, Values, silent, vectors
from tinygen.distributions.kl import kl_rule
from tinygen.distributions.normal import LOG_2π
from tinygen.errors import arguments
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, exp, exp_remainder, gate, log, ratio, stack, sum
from tinygen.tensor import Tensor, constant


class MultivariateNormal(Distribution):
    """N(μ, L Lᵀ) for vectors of D numbers, with a lower triangular matrix L, the Cholesky factor of the covariance.

    Args:
        mu: the means, (..., D).
        cholesky: L (..., D, D) with a positive diagonal; entries above the diagonal are ignored. `lower_factor` makes
            one from any real numbers.

    >>> from tinygen.distributions import MultivariateNormal
    >>> L = np.linalg.cholesky(np.array([[4.0, 2.0], [2.0, 3.0]]))
    >>> MultivariateNormal(np.zeros(2), cholesky=L).variance
    Tensor([4., 3.], shape=(2,), float64)
    """

    event = 1

    def __init__(self, mu: Values, *, cholesky: Values):
        self.mu, factor = as_tensors((mu, cholesky))
        vectors("MultivariateNormal", mu=self.mu)
        self.shape, self.dtype = self.mu.shape, self.mu.dtype
        d = self.shape[-1]
        if factor.shape not in ((*self.shape, d), (d, d)):
            given = f"{self.mu.shape} and {factor.shape}"
            raise ValueError(f"MultivariateNormal: expected mu (..., D) and cholesky (..., D, D), got {given}")
        if not (np.diagonal(factor.data, axis1=-2, axis2=-1) > 0).all():
            hint = "write cholesky=lower_factor(numbers), or take numpy.linalg.cholesky of the covariance"
            raise ValueError(f"MultivariateNormal: expected a positive diagonal of cholesky: {hint}")
        self.factor = factor

    @property
    def cholesky(self) -> Tensor:
        """L, with zeros above the diagonal."""
        return self.factor * constant(np.tri(self.shape[-1], dtype=self.factor.dtype))

    @property
    def mean(self) -> Tensor:
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The diagonal of L Lᵀ."""
        return broadcast_to(sum(self.cholesky**2, axis=-1), shape=self.shape)

    @property
    def covariance(self) -> Tensor:
        """L Lᵀ, (..., D, D)."""
        return self.cholesky @ _transposed(self.cholesky)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """μ + L ε with ε ~ N(0, I): gradients reach μ and L."""
        arguments.generator("MultivariateNormal.rsample", rng)
        ε = constant(np.asarray(rng.standard_normal((*shape, *self.shape), dtype=self.dtype)))
        with silent():
            return self.mu + sum(self.cholesky * ε.reshape(*ε.shape[:-1], 1, ε.shape[-1]), axis=-1)

    def _log_prob(self, x: Tensor) -> Tensor:
        """-½ (‖L⁻¹ (x - μ)‖² + D log 2π) - Σ log Lᵢᵢ"""
        z = _solved(self.cholesky, x - self.mu)
        return -0.5 * sum(z**2, axis=-1) - 0.5 * LOG_2π * self.shape[-1] - sum(_log_diagonal(self.cholesky), axis=-1)

    def entropy(self) -> Tensor:
        """½ D (1 + log 2π) + Σ log Lᵢᵢ"""
        value = sum(_log_diagonal(self.cholesky), axis=-1) + 0.5 * (1 + LOG_2π) * self.shape[-1]
        return broadcast_to(value, shape=self.shape[:-1])


def lower_factor(numbers: Values) -> Tensor:
    """A Cholesky factor from any real numbers (..., D, D): those below the diagonal, and the exp of the diagonal.

    Numbers above the diagonal are ignored. So an optimizer may change all of them freely.
    """
    (numbers,) = as_tensors((numbers,))
    if numbers.ndim < 2 or numbers.shape[-1] != numbers.shape[-2]:
        raise ValueError(f"lower_factor: expected numbers (..., D, D), got {numbers.shape}")
    d, dtype = numbers.shape[-1], numbers.dtype
    diagonal = constant(np.eye(d, dtype=dtype))
    return numbers * constant(np.tri(d, k=-1, dtype=dtype)) + exp(numbers * diagonal) * diagonal


def _transposed(matrix: Tensor) -> Tensor:
    return matrix.transpose(*range(matrix.ndim - 2), -1, -2)


def _log_diagonal(matrix: Tensor) -> Tensor:
    i = np.arange(matrix.shape[-1])
    return log(matrix[..., i, i])


def _solved(factor: Tensor, b: Tensor) -> Tensor:
    """L⁻¹ b for vectors b (..., D), by forward substitution: one entry after the other."""
    z: list[Tensor] = []
    for i in range(b.shape[-1]):
        rest = b[..., i]
        if z:
            rest = rest - sum(gate(factor[..., i, :i], stack(*z, axis=-1)), axis=-1)
        z.append(ratio(rest, factor[..., i, i]))
    return stack(*z, axis=-1)


@kl_rule(MultivariateNormal, MultivariateNormal)
def _kl(q: MultivariateNormal, p: MultivariateNormal) -> Tensor:
    """½ (‖M‖² - D + ‖L_p⁻¹ (μ_q - μ_p)‖²) - Σ log Mᵢᵢ with M = L_p⁻¹ L_q; with Mᵢᵢ = e^ρ, e^2ρ - 1 - 2ρ is ≥ 0."""
    d = q.shape[-1]
    columns = [_solved(p.cholesky, q.cholesky[..., :, j]) for j in range(d)]  # of M
    off = gate(stack(*columns, axis=-1), constant(1 - np.eye(d, dtype=q.dtype)))
    ρ = _log_diagonal(q.cholesky) - _log_diagonal(p.cholesky)
    shift = _solved(p.cholesky, q.mu - p.mu)
    scale = sum(exp_remainder(2 * ρ), axis=-1) + sum(off**2, axis=(-1, -2))
    return 0.5 * (scale + sum(shift**2, axis=-1))
