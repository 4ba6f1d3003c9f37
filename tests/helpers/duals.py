"""An oracle for gradients: forward-mode derivatives of small matrices in plain NumPy, which call nothing of tinygen.

Forward mode carries, beside each value, its derivative in every input at once: no graph, no order of visits, no sums
over paths, so it shares no mistake with a walk backwards.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Dual(NamedTuple):
    """A matrix, its derivatives in D inputs, and the size of the terms that were added up to them."""

    value: np.ndarray  # (R, C)
    slope: np.ndarray  # (D, R, C)
    scale: np.ndarray  # (D, R, C): the slope with every term taken positive; rounding errors are a multiple of it

    def frozen(self) -> "Dual":
        """The same value, dependent on nothing."""
        return Dual(self.value, np.zeros_like(self.slope), np.zeros_like(self.scale))


def inputs(values: list[np.ndarray]) -> list[Dual]:
    """Duals of independent matrices: each entry of each is one of the D inputs."""
    total, start, duals = sum(v.size for v in values), 0, []
    for v in values:
        slope = np.zeros((total, *v.shape))
        slope[start : start + v.size] = np.eye(v.size).reshape(v.size, *v.shape)
        duals.append(Dual(v, slope, slope.copy()))
        start += v.size
    return duals


def elementwise(value: Callable, *partials: Callable) -> Callable[..., Dual]:
    """The dual of a function of single entries, from its partial derivatives."""

    def apply(*xs: Dual) -> Dual:
        values = [x.value for x in xs]
        slopes = [d(*values) for d in partials]
        return Dual(
            value(*values),
            sum(d * x.slope for d, x in zip(slopes, xs)),
            sum(np.abs(d) * x.scale for d, x in zip(slopes, xs)),
        )

    return apply


def linear(move: Callable) -> Callable[..., Dual]:
    """The dual of a linear map with weights >= 0 on the last two axes: the map itself, three times."""
    return lambda *xs: Dual(*(move(*parts) for parts in zip(*xs)))


def product(a: Dual, b: Dual) -> Dual:
    """The dual of A B."""
    return Dual(
        a.value @ b.value,
        a.slope @ b.value + a.value @ b.slope,
        a.scale @ np.abs(b.value) + np.abs(a.value) @ b.scale,
    )
