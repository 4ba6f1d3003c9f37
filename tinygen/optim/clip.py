"""Gradient clipping, so that a rare huge gradient can't undo the training."""

import math
from collections.abc import Sequence

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.tensor import Tensor, constant


@explained
def clip_by_norm(grads: Sequence[Tensor | np.ndarray], max_norm: float) -> tuple[list[Tensor], float]:
    """The gradients, scaled by one factor if their joint norm √Σ‖g‖² exceeds `max_norm`, and the norm before scaling.

    The direction stays the same (Pascanu et al. 2013). If the norm is not finite, it is returned and nothing is scaled.

    Args:
        grads: list of gradients, as `grad` returns it.
        max_norm: largest joint norm, above 0.

    >>> (g,), norm = tg.optim.clip_by_norm([np.array([3.0, 4.0])], 1.0)
    >>> g.numpy().round(2).tolist(), norm
    ([0.6, 0.8], 5.0)
    """
    max_norm = arguments.real("clip_by_norm", "max_norm", max_norm, above=0, infinite=True)
    grads = [g if isinstance(g, Tensor) else Tensor(g) for g in grads]
    norm = _length([g.data for g in grads])
    if max_norm < norm < math.inf:
        root = math.sqrt(max_norm / norm)  # twice: the factor itself may be too small for float32
        grads = [constant(np.asarray(g.data * root * root)) for g in grads]
    return grads, norm


def _length(arrays: list[np.ndarray]) -> float:
    """√Σ‖g‖², computed of scaled arrays where the squares leave the range of float64."""
    squares = kernels.sum_of_squares(arrays)
    if 1e-280 < squares < math.inf:
        return math.sqrt(squares)
    largest = np.max([np.abs(a).max(initial=0) for a in arrays], initial=0).astype(np.float64)
    if not 0 < largest < math.inf:
        return float(largest)
    return float(largest) * math.sqrt(kernels.sum_of_squares([a / largest for a in arrays]))
