"""Moving entries around: every op here is linear, and its derivative is its adjoint, mostly its neighbour below."""

import math
import operator
from itertools import accumulate

import numpy as np

from tinygen import kernels
from tinygen.kernels import reference
from tinygen.op import op
from tinygen.tensor import Tensor, private

LARGE = 1 << 17  # numbers below which NumPy is done before a kernel has been looked up
LARGE_SUM = 1 << 15  # the same for sums


@op
def reshape(x, *, shape):
    """The same entries in C order under another shape; one -1 is worked out."""
    before = x.shape
    try:
        value = x.data.reshape(shape)
    except (ValueError, TypeError) as error:
        raise ValueError(f"reshape: {x.size} entries of shape {before} don't fit {shape}") from error
    return value, lambda g: reshape(g, shape=before)


@op
def transpose(x, *, axes=None):
    """The axes in another order; None reverses them."""
    if axes is None:
        return x.data.T, lambda g: transpose(g)
    before, n = range(x.ndim), x.ndim
    after = [a % n for a in axes if -n <= a < n]
    if len(axes) != n or sorted(after) != [*before]:
        raise ValueError(f"transpose: axes {tuple(axes)} are no permutation of the {n} axes of shape {x.shape}")
    return x.data.transpose(after), lambda g: transpose(g, axes=[after.index(a) for a in before])


@op
def broadcast_to(x, *, shape):
    """Repeat size-1 and missing axes until the shape is `shape`; its adjoint adds the repetitions up again."""
    before = x.data.shape
    try:
        value = _filled(shape, x.data) if x.data.ndim == 0 else np.broadcast_to(x.data, shape)
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {before} can't be repeated to {tuple(shape)}") from error
    return value, lambda g: sum_to(g, shape=before)


def _filled(shape, number: np.ndarray) -> np.ndarray:
    value = np.zeros(shape, number.dtype)  # half the time of np.full
    value.fill(number)
    return value


@op
def sum_to(x, *, shape):
    """Sum over the axes that broadcasting `shape` to x's shape would repeat: the adjoint of `broadcast_to`."""
    before, extra = x.shape, x.ndim - len(shape)
    if extra < 0 or any(s not in (1, b) for s, b in zip(shape, before[extra:])):
        raise ValueError(f"sum_to: {shape} doesn't broadcast to {before}")
    repeated = tuple(range(extra)) + tuple(
        i for i, b in enumerate(before) if i >= extra and shape[i - extra] == 1 and b != 1
    )
    return sum_along(x.data, repeated).reshape(shape), lambda g: broadcast_to(g, shape=before)


def sum_along(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Σ along `axes`, in ascending order; NumPy sums small arrays, before a kernel could be looked up."""
    return (kernels.sum_along if array.size >= LARGE_SUM else reference.sum_along)(array, axes)


@op
def getitem(x, *, index):
    """x[index] as NumPy reads it: numbers, slices, ..., None, integer arrays (repeats allowed), boolean masks."""
    before, index = x.shape, _private(index)
    value = x.data[index]
    if value.size >= LARGE:
        value = kernels.contiguous(value)
    return value, lambda g: scatter(g, index=index, shape=before)


@op
def scatter(x, *, index, shape):
    """Zeros of `shape` with the entries of x added at `index`: the adjoint of `getitem`, so repeats add up."""
    index = _private(index)
    value = np.zeros(shape, x.dtype if _never_repeats(index) else np.float64)  # in which many repeats add up, too
    if value[index].shape != x.shape:
        raise ValueError(f"scatter: the index picks {value[index].shape} out of {shape}, but x has shape {x.shape}")
    if _never_repeats(index):
        value[index] = x.data
    else:
        np.add.at(value, index, x.data.astype(np.float64))
    return value.astype(x.dtype, copy=False), lambda g: getitem(g, index=index)


def _private(index):
    """An index that its caller can't change afterwards: its arrays and lists copied."""
    if isinstance(index, tuple):
        return tuple([_private(part) for part in index])
    if isinstance(index, list):
        return private(np.array(index, None if index else int))
    return private(index) if isinstance(index, np.ndarray) else index


def _never_repeats(index) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is Ellipsis or isinstance(p, int | np.integer | slice) for p in parts)


@op
def pad(x, *, widths):
    """Zeros around x: `widths` holds a pair (before, after) for each axis."""
    widths = _pairs(widths, x, "pad")
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape))
    value = np.zeros([before + n + after for (before, after), n in zip(widths, x.shape)], x.dtype)
    value[inner] = x.data
    return value, lambda g: crop(g, widths=widths)


@op
def crop(x, *, widths):
    """Cut (before, after) entries off each axis: the adjoint of `pad`."""
    widths = _pairs(widths, x, "crop")
    if any(sum(pair) > n for pair, n in zip(widths, x.shape)):
        raise ValueError(f"crop: widths {widths} are more than there is in shape {x.shape}")
    inner = tuple(slice(before, n - after) for (before, after), n in zip(widths, x.shape))
    return x.data[inner], lambda g: pad(g, widths=widths)


def _pairs(widths, x, name: str) -> tuple[tuple[int, int], ...]:
    """`widths` as one pair (before, after) for each axis of x; raises for anything else."""
    try:
        pairs = tuple((operator.index(before), operator.index(after)) for before, after in widths)
    except (TypeError, ValueError):
        pairs = ()
    if len(pairs) != x.ndim or any(min(pair) < 0 for pair in pairs):
        raise ValueError(f"{name}: expected a pair of widths >= 0 for each axis of {x.shape}, got {widths!r}")
    return pairs


@op
def concat(*xs, axis=0):
    """Tensors one behind the other along `axis`; they agree in all other axes."""
    if not xs:
        raise ValueError("concat: needs at least one tensor")
    arrays = [x.data for x in xs]
    axis = _axis(axis, arrays[0].ndim, "concat")
    if len({(*a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}) != 1 or len({a.ndim for a in arrays}) != 1:
        raise ValueError(f"concat: shapes must agree but for axis {axis}, got {[a.shape for a in arrays]}")
    ends = [*accumulate(a.shape[axis] for a in arrays)]
    slices = [(slice(None),) * axis + (slice(start, end),) for start, end in zip([0, *ends], ends)]
    return kernels.concat(arrays, axis), *[lambda g, s=s: getitem(g, index=s) for s in slices]


@op
def stack(*xs, axis=0):
    """Tensors of one shape as the slices of a new axis."""
    if len({x.shape for x in xs}) != 1:
        raise ValueError(f"stack: expected tensors of one shape, got {[x.shape for x in xs]}")
    axis = _axis(axis, xs[0].ndim + 1, "stack")
    slices = [(slice(None),) * axis + (i,) for i in range(len(xs))]
    return np.stack([x.data for x in xs], axis), *[lambda g, s=s: getitem(g, index=s) for s in slices]


@op
def astype(x, *, dtype):
    """The same numbers as float32 or float64; the gradient comes back in x's own type."""
    before, dtype = x.dtype, np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"astype: a Tensor holds float32 or float64, not {dtype}")
    return x.data.astype(dtype), lambda g: astype(g, dtype=before)


def _axis(axis: int, ndim: int, name: str) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: there is no axis {axis} among {ndim}")
    return axis % ndim


def flatten(x: Tensor, *, start: int = 1) -> Tensor:
    """Merge all axes from `start` on: (N, H, W, C) becomes (N, H·W·C)."""
    start = _axis(start, x.ndim, "flatten")
    return reshape(x, shape=(*x.shape[:start], math.prod(x.shape[start:])))
