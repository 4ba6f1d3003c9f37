"""Sums along any axes, whose rounding does not grow with the number of terms: float32 adds a few, float64 the rest.

An array in C order is (N, R, C) around the first run of neighbouring axes. A block is a few of the R rows, which are
added into one that stays in the cache. Short rows are taken several at a time, so that the inner loop is long enough
for vectors. The sums of the blocks, in float64, are added in their order.
"""

import math

import numpy as np

from tinygen.kernels import norm, reference
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_joined, share
from tinygen.kernels.norm_loops import sum_rows

BLOCK = 1 << 14  # numbers in a block
FEW = 32  # rows in a block, at most: so many float32 adds one by one with an error of 1e-6 at most


def sum_along(x, axes):
    """Σ along `axes`, which ascend; not along the last ones alone, which NumPy adds up in pairs."""
    if not axes:
        return NotImplemented
    first, run = axes[0], 1
    while run < len(axes) and axes[run] == first + run:
        run += 1
    before, after = x.shape[:first], x.shape[first + run :]
    n, rows, c = math.prod(before), math.prod(x.shape[first : first + run]), math.prod(after)
    if c == 1:
        return NotImplemented
    x = as_input(x).reshape(n, rows, c)
    sums = _sum_rows(x).reshape(before + after)
    if len(axes) > run:
        sums = reference.sum_along(sums, tuple(axis - run for axis in axes[run:]))
    return sums.astype(np.float32)


def variance(x, axes):
    """The mean squared distance from the mean along `axes`, which the kernel of normalisation finds."""
    if not axes:
        return NotImplemented
    rest = [i for i in range(x.ndim) if i not in axes]
    shape = [x.shape[i] for i in rest]
    if axes[-1] - axes[0] >= len(axes):  # brought together, behind the others
        x, axes = x.transpose(*rest, *axes), range(len(rest), x.ndim)
    c = math.prod(x.shape[axes[-1] + 1 :])
    found = norm.moments(x.reshape(math.prod(x.shape[: axes[0]]), -1, c), c)  # (N, 2, C)
    return found[:, 1].astype(np.float32).reshape(shape)


def relu_vjp_sum(g, y):
    """g (..., C) where y is positive, else 0, and its sum over all axes but the last: relu's step back, and a bias'."""
    c = g.shape[-1]
    if y.dtype != np.float32:
        return NotImplemented
    masked, (width, each, sums) = empty(g.shape, g.dtype), _cut(1, g.size // c, c)
    g, y, rows = (a.reshape(-1, width) for a in (as_input(g), as_input(y), masked))
    share(_mask_and_sum, sums.shape[1], g, y, rows, sums[0], each)
    return masked, sums[0].sum(axis=0).astype(np.float32)


def _sum_rows(x):
    """(N, R, C) to (N, C), in float64."""
    n, rows, c = x.shape
    width, each, sums = _cut(n, rows, c)
    share(_sum, n * sums.shape[1], x.reshape(n, -1, width), sums, each)
    return sums.sum(axis=1)


def _cut(n, rows, c):
    """The width of a row of several joined, how many of those make a block, and room for the sums of all blocks."""
    joined = rows_joined(rows, c)
    width = joined * c
    each = min(FEW, max(16, BLOCK // width))
    return width, each, np.zeros((n, -(-rows // joined // each), c))


@kernel
def _sum(x, sums, each, start, stop):
    rows, width = x.shape[1:]
    pieces, few = sums.shape[1], np.empty(width, np.float32)
    for block in range(start, stop):
        i, piece = block // pieces, block % pieces
        sum_rows(x[i], piece * each, min((piece + 1) * each, rows), few)
        _add_up(few, sums[i, piece])


@kernel
def _mask_and_sum(g, y, masked, sums, each, start, stop):
    n, width = g.shape
    few = np.empty(width, np.float32)
    for block in range(start, stop):
        few[:] = 0
        for i in range(block * each, min((block + 1) * each, n)):
            gi, yi, row = g[i], y[i], masked[i]
            for j in range(width):
                low = np.float32(0) if (yi[j] <= 0) | (gi[j] == 0) else yi[j]  # NaN at NaN, unless g is 0
                row[j] = gi[j] if yi[j] > 0 else low
                few[j] += row[j]
        _add_up(few, sums[block])


@piece
def _add_up(few, total):
    """The rows that are joined in one, in float64."""
    for start in range(0, len(few), len(total)):
        for q in range(len(total)):
            total[q] += few[start + q]
