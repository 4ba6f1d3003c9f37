"""Ops that move entries: all are linear, so the rule of each is its adjoint: the same op, or one of its neighbours."""

import math
from itertools import accumulate

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.op import op
from tinygen.ops.support.indices import check_axis, never_repeats, pairs, private_index
from tinygen.tensor import Tensor


@op
def reshape(x, *, shape):
    """The same entries, in C order, in another shape; one size may be -1."""
    before = x.shape
    try:
        value = kernels.in_order(x.data).reshape(shape)
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
    """Repeat missing axes and axes of size 1 to `shape`; the adjoint adds up the copies."""
    before = x.data.shape
    try:
        value = np.broadcast_to(x.data, shape)
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {before} can't be repeated to {tuple(shape)}") from error
    return value, lambda g: sum_to(g, shape=before)


@op
def sum_to(x, *, shape):
    """Sum over the axes that broadcasting from `shape` would repeat: the adjoint of `broadcast_to`."""
    before, extra = x.shape, x.ndim - len(shape)
    if extra < 0 or any(s not in (1, b) for s, b in zip(shape, before[extra:])):
        raise ValueError(f"sum_to: {shape} doesn't broadcast to {before}")
    repeated = (*range(extra), *(i for i, s in enumerate(shape, extra) if s == 1 != before[i]))
    return kernels.sum_along(x.data, repeated).reshape(shape), lambda g: broadcast_to(g, shape=before)


@op
def getitem(x, *, index):
    """x[index] as in NumPy: numbers, slices, ..., None, integer arrays (repeats allowed), boolean masks."""
    before, index = x.shape, private_index(index)
    return kernels.contiguous(x.data[index]), lambda g: scatter(g, index=index, shape=before)


@op
def scatter(x, *, index, shape):
    """Zeros of `shape` with the entries of x added at `index`, so that repeats add up: the adjoint of `getitem`."""
    index = private_index(index)
    if (picked := np.broadcast_to(0, shape)[index].shape) != x.shape:
        raise ValueError(f"scatter: the index picks {picked} out of {shape}, but x has shape {x.shape}")
    if never_repeats(index):
        value = kernels.placed(x.data, index, shape)
    else:
        value = np.zeros(shape)  # float64: float32 loses small terms of a long sum
        np.add.at(value, index, x.data.astype(np.float64))
    return value.astype(x.dtype, copy=False), lambda g: getitem(g, index=index)


@op
def pad(x, *, widths):
    """Zeros around x: `widths` holds a pair (before, after) for each axis."""
    widths = pairs(widths, x, "pad")
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape))
    shape = tuple(before + n + after for (before, after), n in zip(widths, x.shape))
    return kernels.placed(x.data, inner, shape), lambda g: crop(g, widths=widths)


@op
def crop(x, *, widths):
    """Remove (before, after) entries from each axis: the adjoint of `pad`."""
    widths = pairs(widths, x, "crop")
    if any(sum(pair) > n for pair, n in zip(widths, x.shape)):
        raise ValueError(f"crop: widths {widths} are more than there is in shape {x.shape}")
    inner = tuple(slice(before, n - after) for (before, after), n in zip(widths, x.shape))
    return x.data[inner], lambda g: pad(g, widths=widths)


@op
def concat(*xs, axis=0):
    """Join tensors `xs` along `axis`; all other sizes agree.

    >>> tg.concat([1.0, 2.0], [3.0])
    Tensor([1., 2., 3.], shape=(3,), float32)
    """
    if not xs:
        raise ValueError("concat: needs at least one tensor")
    arrays = [x.data for x in xs]
    axis = check_axis(axis, arrays[0].ndim, "concat")
    if len({(*a.shape[:axis], *a.shape[axis + 1 :]) for a in arrays}) != 1 or len({a.ndim for a in arrays}) != 1:
        raise ValueError(f"concat: shapes must agree but for axis {axis}, got {[a.shape for a in arrays]}")
    ends = [*accumulate(a.shape[axis] for a in arrays)]
    slices = [(slice(None),) * axis + (slice(start, end),) for start, end in zip([0, *ends], ends)]
    return kernels.concat(arrays, axis), *[lambda g, s=s: getitem(g, index=s) for s in slices]


@op
def stack(*xs, axis=0):
    """Join tensors of one shape along a new axis."""
    if len({x.shape for x in xs}) != 1:
        raise ValueError(f"stack: expected tensors of one shape, got {[x.shape for x in xs]}")
    axis = check_axis(axis, xs[0].ndim + 1, "stack")
    slices = [(slice(None),) * axis + (i,) for i in range(len(xs))]
    arrays = [np.expand_dims(x.data, axis) for x in xs]
    return kernels.concat(arrays, axis), *[lambda g, s=s: getitem(g, index=s) for s in slices]


@op
def astype(x, *, dtype):
    """The same numbers in float32 or float64; the gradient has the dtype of x."""
    before, dtype = x.dtype, arguments.float_dtype("astype", dtype)
    return x.data.astype(dtype), lambda g: astype(g, dtype=before)


def flatten(x: Tensor, *, start: int = 1) -> Tensor:
    """Merge all axes from `start` on: (N, H, W, C) becomes (N, H·W·C)."""
    start = check_axis(start, x.ndim, "flatten")
    return reshape(x, shape=(*x.shape[:start], math.prod(x.shape[start:])))
