"""Sums, variances and largest entries along any axes. Float32 adds a few terms and float64 the rest, for small errors.

An array in C order is (N, R, C) around the first run of neighbouring axes. A block is a few of the R rows, which are
added into one that stays in the cache. Short rows are taken several at a time, so that the inner loop is long enough
for vectors. The sums of the blocks, in float64, are added in their order. Along the last axes, C is 1, and each row of
R numbers is added up by itself, in pieces if it is long.
"""

import math
from functools import lru_cache

import numpy as np

from tinygen.kernels import norm, reference
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, rows_joined, share
from tinygen.kernels.norm_loops import sum_rows

BLOCK = 1 << 14  # numbers in a block
TILE = 1 << 11  # columns in which largest entries are found together: 16 kB with their places
SHORT = 256  # numbers that float32 adds up before float64 takes over: vectors of them, so few in each lane
FEW = 32  # rows in a block, at most: so many float32 adds one by one with an error of 1e-6 at most


def sum_along(x, axes):
    """Σ along `axes`, which ascend."""
    return _sums(x, None, axes)


def sum_of_products(x, y, axes):
    """Σ x · y along `axes`, without an array of the products."""
    return _sums(x, y, axes) if x.shape == y.shape and y.dtype == np.float32 else NotImplemented


@np.errstate(all="ignore")  # as a compiled loop, which gives no warning
def _sums(x, y, axes):
    if not axes:
        return NotImplemented
    shape = tuple([n for i, n in enumerate(x.shape) if i not in axes])
    if not any(x.strides) and np.isfinite(number := x.flat[0]):  # repeated, as the gradient of a mean is
        sums = np.full(shape, x.size / math.prod(shape)) if y is None else _totals(y, None, axes, np.float64)
        return (sums * np.float64(number)).astype(np.float32).reshape(shape)
    return _totals(x, y, axes, np.float32).reshape(shape)


def _totals(x, y, axes, dtype):
    """The sums, one after the other, of this type."""
    run, (n, rows, c) = _around(x.shape, axes)
    first, second = as_input(x).reshape(n, rows, c), None if y is None else as_input(y).reshape(n, rows, c)
    sums = _of_rows(first, second) if c > 1 else _of_each_row(first, second)
    total = np.empty((n, c), dtype if len(axes) == run else np.float64)
    _join(sums, total)
    if len(axes) == run:
        return total
    total = total.reshape(x.shape[: axes[0]] + x.shape[axes[0] + run :])
    return reference.sum_along(total, tuple(axis - run for axis in axes[run:])).astype(dtype)


@lru_cache(1024)  # a training step asks for the same ones again and again
def _around(shape, axes) -> tuple[int, tuple[int, int, int]]:
    """The length of the first run of neighbours among `axes`, and the shape as (N, R, C) around it."""
    first, run = axes[0], 1
    while run < len(axes) and axes[run] == first + run:
        run += 1
    return run, (math.prod(shape[:first]), math.prod(shape[first : first + run]), math.prod(shape[first + run :]))


def _are_inner(axes, ndim) -> bool:
    """Whether there are axes, all of them neighbours, and others behind them."""
    return bool(axes) and axes[-1] - axes[0] < len(axes) and axes[-1] < ndim - 1


def max_along(x, axes):
    """The first of the largest entries along neighbouring `axes`, and its place; not along the last ones."""
    if not _are_inner(axes, x.ndim):
        return NotImplemented
    _, (n, rows, c) = _around(x.shape, axes)
    values, places, tiles = empty((n, c), np.float32), empty((n, c), np.int32), -(-c // TILE)
    share(_largest, n * tiles, as_input(x).reshape(n, rows, c), values, places)
    shape = x.shape[: axes[0]] + x.shape[axes[-1] + 1 :]
    return values.reshape(shape), places.reshape(shape)


def max_along_vjp(g, places, shape, axes):
    if not _are_inner(axes, len(shape)):
        return NotImplemented
    _, (n, rows, c) = _around(shape, axes)
    gx = empty(shape, np.float32)
    each = rows_in_block(n * rows, gx.size)
    share(_spread, -(-n * rows // each), *(as_input(a).reshape(n, c) for a in (g, places)), gx.reshape(-1, c), each)
    return gx


@np.errstate(all="ignore")
def variance(x, axes):
    """The mean squared distance from the mean along `axes`: row by row, or by the kernel of normalisation."""
    if not axes:
        return NotImplemented
    rest = [i for i in range(x.ndim) if i not in axes]
    shape = [x.shape[i] for i in rest]
    if axes[-1] - axes[0] >= len(axes):  # brought together, behind the others
        x, axes = x.transpose(*rest, *axes), range(len(rest), x.ndim)
    c = math.prod(x.shape[axes[-1] + 1 :])
    n = math.prod(shape)
    if c == 1 and n > 1 and x.size <= n * BLOCK:  # no two threads need to share a row
        found, each = np.empty(n, np.float32), rows_in_block(n, x.size)
        share(_variance, -(-n // each), as_input(x).reshape(n, -1), found, each)
        return found.reshape(shape)
    found = norm.moments(x.reshape(math.prod(x.shape[: axes[0]]), -1, c), c)  # (N, 2, C)
    return found[:, 1].astype(np.float32).reshape(shape)


def relu_vjp_sum(g, y):
    """g (..., C) where y is positive, else 0, and its sum over all axes but the last: relu's step back, and a bias'."""
    c = g.shape[-1]
    if y.dtype != np.float32:
        return NotImplemented
    masked, (width, each, blocks) = empty(g.shape, g.dtype), _cut(g.size // c, c)
    sums, total = np.zeros((1, blocks, c)), np.empty((1, c), np.float32)
    g, y, rows = (a.reshape(-1, width) for a in (as_input(g), as_input(y), masked))
    share(_mask_and_sum, blocks, g, y, rows, sums[0], each)
    _join(sums, total)
    return masked, total[0]


def _of_rows(x, y):
    """Sums of blocks of rows (N, blocks, C), for x (N, R, C), times y if there is one."""
    n, rows, c = x.shape
    width, each, blocks = _cut(rows, c)
    sums = np.zeros((n, blocks, c))
    share(_sum, n * blocks, x.reshape(n, -1, width), None if y is None else y.reshape(n, -1, width), sums, each)
    return sums


def _of_each_row(x, y):
    """Sums of pieces of each row (N, pieces, 1), for x (N, R, 1), times y if there is one."""
    n, rows, _ = x.shape
    sums = np.empty((n, max(1, -(-rows // BLOCK)), 1))
    each = rows_in_block(sums.size, x.size)
    share(_sum_pieces, -(-sums.size // each), x.reshape(n, -1), None if y is None else y.reshape(n, -1), sums, each)
    return sums


@lru_cache(1024)
def _cut(rows, c):
    """The width of a row of several joined, how many of those make a block, and how many blocks there are."""
    joined = rows_joined(rows, c)
    width = joined * c
    each = min(FEW, max(16, BLOCK // width))
    return width, each, -(-rows // joined // each)


@kernel
def _join(sums, total):
    """Σ over the blocks (N, blocks, C), in their order; the first of them is written to."""
    for i in range(len(total)):
        first, row = sums[i, 0], total[i]
        for block in range(1, sums.shape[1]):
            other = sums[i, block]
            for c in range(len(row)):
                first[c] += other[c]
        for c in range(len(row)):
            row[c] = first[c]


@kernel
def _sum(x, y, sums, each, start, stop):
    rows, width = x.shape[1:]
    pieces, few = sums.shape[1], np.empty(width, np.float32)
    for block in range(start, stop):
        i, piece = block // pieces, block % pieces
        first, last = piece * each, min((piece + 1) * each, rows)
        if y is None:
            sum_rows(x[i], first, last, few)
        else:
            _sum_products(x[i], y[i], first, last, few)
        _add_up(few, sums[i, piece])


@piece
def _sum_products(x, y, first, last, few):
    """`sum_rows` of x · y."""
    few[:] = 0
    for r in range(first, last - 1, 2):
        a, b, p, q = x[r], x[r + 1], y[r], y[r + 1]
        for j in range(len(few)):
            few[j] += a[j] * p[j] + b[j] * q[j]
    if (last - first) % 2:
        a, p = x[last - 1], y[last - 1]
        for j in range(len(few)):
            few[j] += a[j] * p[j]


@kernel
def _sum_pieces(x, y, sums, each, start, stop):
    pieces = sums.shape[1]
    for k in range(start * each, min(stop * each, sums.size)):
        i, piece = k // pieces, k % pieces
        part = slice(piece * BLOCK, (piece + 1) * BLOCK)
        row, other, total = x[i, part], None if y is None else y[i, part], 0.0
        for first in range(0, len(row), SHORT):
            few, a = np.float32(0), row[first : first + SHORT]
            b = a if other is None else other[first : first + SHORT]
            for j in range(len(a)):
                few += a[j] if other is None else a[j] * b[j]
            total += few
        sums[i, piece, 0] = total


@kernel
def _variance(x, found, each, start, stop):
    for i in range(start * each, min(stop * each, len(x))):
        row, total, squares = x[i], 0.0, 0.0
        for j in range(len(row)):
            total += np.float64(row[j])
        for j in range(len(row)):
            squares += (np.float64(row[j]) - total / len(row)) ** 2
        found[i] = squares / len(row)


@kernel
def _largest(x, values, places, start, stop):
    """NaN counts as larger than any number."""
    _, rows, c = x.shape
    tiles = -(-c // TILE)
    for tile in range(start, stop):
        i, part = tile // tiles, slice(tile % tiles * TILE, (tile % tiles + 1) * TILE)
        best, place = values[i, part], places[i, part]
        best[:], place[:] = x[i, 0, part], 0
        for r in range(1, rows):
            row = x[i, r, part]
            for j in range(len(row)):
                better = (not row[j] <= best[j]) & (best[j] == best[j])
                best[j] = row[j] if better else best[j]
                place[j] = np.int32(r) if better else place[j]


@kernel
def _spread(g, places, gx, each, start, stop):
    """Each g goes to its place among the rows of gx that belong together; the others get 0."""
    rows = len(gx) // len(g)
    for i in range(start * each, min(stop * each, len(gx))):
        row, own, place, r = gx[i], g[i // rows], places[i // rows], np.int32(i % rows)
        for j in range(len(row)):
            row[j] = own[j] if place[j] == r else np.float32(0)


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
