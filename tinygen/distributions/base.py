"""What all distributions share: their methods, the checks of their arguments, and uniform random numbers."""

import numpy as np

from tinygen.errors import arguments
from tinygen.errors.calls import ExplainedCalls
from tinygen.io import html
from tinygen.op import as_tensors, no_grad
from tinygen.ops import astype, exp, minimum, ratio
from tinygen.tensor import Tensor, array_of

Values = Tensor | np.ndarray | float


class Distribution(metaclass=ExplainedCalls):
    """A family of distributions: draws, densities in nats, and moments, all of them differentiable.

    A draw has the shape of the distribution, `shape`. Its last `event` axes are one random vector, with one density;
    along the other axes the entries are independent.
    """

    event = 0
    support = (-np.inf, np.inf)  # the interval of the entries of a draw
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def mean(self) -> Tensor:
        """The expectation of each entry."""
        raise self._missing("mean")

    @property
    def variance(self) -> Tensor:
        """The variance of each entry."""
        raise self._missing("variance")

    def entropy(self) -> Tensor:
        """-E log p(x) in nats."""
        raise self._missing("entropy")

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """Draws of shape (*shape, *self.shape), as constants."""
        with no_grad():
            return self.rsample(rng, shape)

    def rsample(self, rng: np.random.Generator, shape: tuple[int, ...] = ()) -> Tensor:
        """The same draws as a differentiable function of the parameters: gradients reach these through the draws.

        Raises TypeError for discrete families, whose draws jump.
        """
        name = type(self).__name__
        raise TypeError(
            f"{name}.rsample: expected a continuous family, got {name}, whose draws jump and have no gradient: use the "
            "score function (score_function), or relaxed_sample (Gumbel-softmax)"
        )

    def log_prob(self, x: Values) -> Tensor:
        """The logarithm of the density (or, of discrete draws, of the probability) of each draw x, in nats.

        Raises ValueError for x of another shape, or outside the support.
        """
        x = as_draws(type(self).__name__, x, self.shape, self.dtype)
        low, high = self.support
        if x.size and not (x.data.min() >= low and x.data.max() <= high):
            interval = f"[{low:g}, {high:g}]" if np.isfinite(high) else f">= {low:g}"
            verb = "in " * bool(np.isfinite(high))
            given = f"{x.data.min()}..{x.data.max()}"
            raise ValueError(f"{type(self).__name__}.log_prob: expected x {verb}{interval}, got {given}")
        with silent():
            return self._log_prob(x)

    def _log_prob(self, x: Tensor) -> Tensor:
        raise self._missing("_log_prob")

    def _missing(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has no {name}: define it")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, {self.dtype})"

    def _repr_html_(self) -> str:
        """For notebooks: the ranges of the parameters."""
        parts = {name: part.data.astype(np.float64) for name, part in vars(self).items() if isinstance(part, Tensor)}
        facts = {name: html.described(part) for name, part in parts.items()}
        return html.block(f"{type(self).__name__} {self.shape}", html.facts(facts))


# -- arguments ---------------------------------------------------------------------------------------------------------


def one_shape(who: str, **tensors: Tensor) -> tuple[int, ...]:
    """The shape of all tensors, some of which may be single numbers."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    kinds = set(shapes.values()) - {()}
    if len(kinds) > 1:
        raise ValueError(f"{who}: expected one shape, or single numbers, got {shapes}")
    return kinds.pop() if kinds else ()


def positive(who: str, **tensors: Tensor) -> None:
    """Raises ValueError unless all entries are positive and finite."""
    for name, tensor in tensors.items():
        if not ((tensor.data > 0) & (tensor.data < np.inf)).all():
            wrong = tensor.data[~((tensor.data > 0) & (tensor.data < np.inf))].flat[0]
            hint = "apply tinygen.exp or tinygen.softplus to the output of a network"
            raise ValueError(f"{who}: expected {name} to be positive and finite, got {wrong}: {hint}")


def vectors(who: str, **tensors: Tensor) -> None:
    """Raises ValueError unless the tensors have a last axis, of at least two entries."""
    for name, tensor in tensors.items():
        if not tensor.ndim or tensor.shape[-1] < 2:
            raise ValueError(f"{who}: expected {name} (..., K) with K of at least 2, got {tensor.shape}")


def as_draws(who: str, x: Values, shape: tuple[int, ...], dtype: np.dtype) -> Tensor:
    """x as a Tensor; ValueError unless its last axes are `shape`, because (N, 1) and (N,) would broadcast to (N, N)."""
    given = np.shape(array_of(x))
    if given[len(given) - len(shape) :] != shape:
        expected = ", ".join(["...", *map(str, shape)])
        raise ValueError(f"{who}.log_prob: expected x ({expected}), got {given}: reshape x")
    return as_tensors((np.array(x, dtype) if isinstance(x, float | int) else x,))[0]


# -- numbers -----------------------------------------------------------------------------------------------------------


def silent() -> np.errstate:
    """Inside the `with`, NumPy doesn't warn: a density of 0 has the logarithm -∞, and a scale may overflow to ∞."""
    return np.errstate(over="ignore", divide="ignore", invalid="ignore")


def uniform(who: str, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in (0, 1), never 0 or 1: odd multiples of 2⁻⁵³."""
    arguments.generator(who, rng)
    return (rng.integers(2**52, size=shape) + 0.5) / 2**52


def probabilities(who: str, u: np.ndarray | float) -> np.ndarray:
    """u in float64; ValueError outside [0, 1]."""
    u = np.asarray(array_of(u), np.float64)
    if u.size and not (u.min() >= 0 and u.max() <= 1):
        raise ValueError(f"{who}.icdf: expected u in [0, 1], got {u.min()}..{u.max()}")
    return u


def in_units(distance: Tensor, log_scale: Tensor) -> Tensor:
    """A distance divided by a scale, which is at most the largest float; 0 if it is 0, however small the scale is."""
    largest = int(np.log(np.finfo(log_scale.dtype).max))
    return ratio(distance, exp(minimum(log_scale, largest)))


def in_float64(*tensors: Tensor) -> list[Tensor]:
    """The same numbers in float64, where log Γ of large numbers still has digits after the point."""
    return [astype(tensor, dtype=np.float64) for tensor in tensors]
