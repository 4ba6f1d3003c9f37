"""Arguments that name entries or axes of an array: an index, widths of a border, an axis, several axes."""

import math
import operator
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.errors.arrays import private


def private_index(index: Any) -> Any:
    """An index whose arrays and lists are copies, so that the caller can't change them later."""
    if isinstance(index, tuple):
        return tuple([private_index(part) for part in index])
    if isinstance(index, list):
        return private(np.array(index, None if index else int))
    return private(index) if isinstance(index, np.ndarray) else index


def never_repeats(index: Any) -> bool:
    """Whether an index picks no entry twice, because no part of it is an array."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is Ellipsis or isinstance(p, int | np.integer | slice) for p in parts)


def pairs(widths, x, name: str) -> tuple[tuple[int, int], ...]:
    """`widths` as a pair (before, after) for each axis of x; raises ValueError for anything else."""
    try:
        found = tuple((operator.index(before), operator.index(after)) for before, after in widths)
    except (TypeError, ValueError):
        found = ()
    if len(found) != x.ndim or any(min(pair) < 0 for pair in found):
        raise ValueError(f"{name}: expected a pair of widths >= 0 for each axis of {x.shape}, got {widths!r}")
    return found


def check_axis(axis: int, ndim: int, name: str) -> int:
    """The axis, counted from the front; raises ValueError unless there is one of that number."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: there is no axis {axis} among {ndim}")
    return axis % ndim


def axes_of(x, axis) -> tuple[int, ...]:
    """The axes that `axis` names, counted from the front, in ascending order."""
    if axis is None:
        return tuple(range(x.data.ndim))
    ndim, axes = x.data.ndim, axis if isinstance(axis, tuple) else (axis,)
    if any(not isinstance(a, int | np.integer) for a in axes):
        raise TypeError(f"axis must be an integer, a tuple of them, or None for all, got {axis!r}")
    if any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"there is no axis {axis} in shape {x.shape}")
    axes = tuple(sorted(int(a) % ndim for a in axes))
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names an axis of shape {x.shape} twice")
    return axes


def count(name: str, x, axes: tuple[int, ...], axis) -> int:
    """How many entries are reduced to one along `axes`; raises ValueError if there are none."""
    n = math.prod([x.data.shape[a] for a in axes])
    if n == 0:
        raise ValueError(f"{name}: nothing to reduce along axis {axis} of shape {x.shape}")
    return n


def check_rows(name: str, x) -> None:
    """Raises ValueError unless x has a last axis, and something along it."""
    if not x.ndim:
        raise ValueError(f"{name}: expected (..., K), got a number without axes")
    count(name, x, (x.ndim - 1,), -1)


def first_largest(x, axes) -> np.ndarray:
    """1 at the first of the largest entries along `axes`, else 0; shaped like x."""
    return kernels.first_largest(x.data, axes)


def rows_of(index: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Which rows integer arrays as an index pick, the axes that they index taken as one; None for any other index."""
    arrays = [np.asarray(part) for part in (index if isinstance(index, tuple) else (index,))]
    if not arrays or len(arrays) > len(shape) or any(a.dtype.kind not in "iu" or not a.ndim for a in arrays):
        return None
    sizes = shape[: len(arrays)]
    if any(((a < -n) | (a >= n)).any() for a, n in zip(arrays, sizes)):
        return None
    within = np.broadcast_arrays(*(np.where(a < 0, a + n, a) for a, n in zip(arrays, sizes)))
    return np.ravel_multi_index(tuple(within), sizes)
