"""An oracle for gradients: forward-mode derivatives of small matrices in plain NumPy, without any code of tinygen.

Forward mode computes, along with each value, its derivatives with respect to all inputs. It has no graph, no order of
visits and no sums over paths, so it can't share a mistake with the backward pass.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Dual(NamedTuple):
    """A matrix, its derivatives with respect to D inputs, and the size of the terms that were summed in them."""

    value: np.ndarray  # (R, C)
    slope: np.ndarray  # (D, R, C)
    scale: np.ndarray  # (D, R, C): the slope with absolute values of all terms, the unit of its rounding errors

    def frozen(self) -> "Dual":
        """The same value as a constant."""
        return Dual(self.value, np.zeros_like(self.slope), np.zeros_like(self.scale))


def inputs(values: list[np.ndarray]) -> list[Dual]:
    """Duals of independent matrices; their D entries are the inputs."""
    total, start, duals = sum(v.size for v in values), 0, []
    for v in values:
        slope = np.zeros((total, *v.shape))
        slope[start : start + v.size] = np.eye(v.size).reshape(v.size, *v.shape)
        duals.append(Dual(v, slope, slope.copy()))
        start += v.size
    return duals


def elementwise(value: Callable, *partials: Callable) -> Callable[..., Dual]:
    """The dual of an elementwise function, from its partial derivatives."""

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
    """The dual of a linear map of the last two axes with weights >= 0: the map itself, applied to all three parts."""
    return lambda *xs: Dual(*(move(*parts) for parts in zip(*xs)))


def product(a: Dual, b: Dual) -> Dual:
    """The dual of A B."""
    return Dual(
        a.value @ b.value,
        a.slope @ b.value + a.value @ b.slope,
        a.scale @ np.abs(b.value) + np.abs(a.value) @ b.scale,
    )
