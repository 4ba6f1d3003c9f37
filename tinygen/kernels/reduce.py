"""Sums, variances and largest entries along any axes. Float32 adds a few terms and float64 the rest, for small errors.

An array in C order is (N, R, C) around the first run of neighbouring axes. A block is a piece of the R rows, or a tile
of their columns: its sums stay in the first-level cache. Short rows are taken several at a time, so that the inner loop
is long enough for vectors. Along the last axes, C is 1, and each row of R numbers is added up by itself, in pieces if
it is long.
"""

import math
from functools import lru_cache

import numpy as np

from tinygen.kernels import norm, reference
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.sums import RUN, add_up, joined, sum_row, sum_rows
from tinygen.kernels.machine.threads import rows_in_block, rows_joined, share

BLOCK = 1 << 14  # numbers in a block
TILE = 1 << 11  # columns in a block: 24 kB for their sums in both types, or for largest entries and their places
PIECES = 16  # of the rows, at most, where there are few tiles: enough for threads to share, few enough to add up


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
        return (sums * np.float64(number)).astype(x.dtype).reshape(shape)
    return _totals(x, y, axes, x.dtype).reshape(shape)


def _totals(x, y, axes, dtype):
    """The sums, one after the other, of this type."""
    first, last, form = _around(x.shape, axes)
    numbers, others = as_input(x).reshape(form), None if y is None else as_input(y).reshape(form)
    rest = tuple([axis if axis < first else axis - (last - first) for axis in axes if not first <= axis < last])
    total = (_of_rows if form[2] > 1 else _of_each_row)(numbers, others, np.float64 if rest else dtype)
    if not rest:
        return total
    return reference.sum_along(total.reshape(x.shape[:first] + x.shape[last:]), rest).astype(dtype)


@lru_cache(1024)  # a training step asks for the same ones again and again
def _around(shape, axes) -> tuple[int, int, tuple[int, int, int]]:
    """Where the longest run of neighbours among `axes` begins and ends, and the shape as (N, R, C) around it."""
    starts = [axis for axis in axes if axis - 1 not in axes]
    ends = [axis + 1 for axis in axes if axis + 1 not in axes]
    first, last = max(zip(starts, ends), key=lambda run: math.prod(shape[slice(*run)]))
    return first, last, (math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:]))


def _are_inner(axes, ndim) -> bool:
    """Whether there are axes, all of them neighbours, and others behind them."""
    return bool(axes) and axes[-1] - axes[0] < len(axes) and axes[-1] < ndim - 1


def max_along(x, axes):
    """The first of the largest entries along neighbouring `axes`, and its place; not along the last ones."""
    if not _are_inner(axes, x.ndim):
        return NotImplemented
    *_, (n, rows, c) = _around(x.shape, axes)
    values, places, tiles = empty((n, c), np.float32), empty((n, c), np.int32), -(-c // TILE)
    share(_largest, n * tiles, as_input(x).reshape(n, rows, c), values, places)
    shape = x.shape[: axes[0]] + x.shape[axes[-1] + 1 :]
    return values.reshape(shape), places.reshape(shape)


def max_along_vjp(g, places, shape, axes):
    if not _are_inner(axes, len(shape)):
        return NotImplemented
    *_, (n, rows, c) = _around(shape, axes)
    gx = empty(shape, np.float32)
    each = rows_in_block(n * rows, gx.size)
    share(_spread, -(-n * rows // each), *(as_input(a).reshape(n, c) for a in (g, places)), gx.reshape(-1, c), each)
    return gx


@np.errstate(all="ignore")
def variance(x, axes):
    """The mean squared distance from the mean along `axes`, as normalisation finds it."""
    if not axes:
        return NotImplemented
    rest = [i for i in range(x.ndim) if i not in axes]
    shape = [x.shape[i] for i in rest]
    if axes[-1] - axes[0] >= len(axes):  # brought together, behind the others
        x, axes = x.transpose(*rest, *axes), range(len(rest), x.ndim)
    c = math.prod(x.shape[axes[-1] + 1 :])
    n = math.prod(shape)
    if c == 1 and n > 1 and x.size <= n * BLOCK:  # no two threads need to share a row
        found = norm.moments(x.reshape(n, -1), 1)  # (N, 2, 1)
    else:
        found = norm.moments(x.reshape(math.prod(x.shape[: axes[0]]), -1, c), c)  # (N, 2, C)
    return found[:, 1].astype(np.float32).reshape(shape)


def relu_vjp_sum(g, y):
    """g (..., C) where y is positive, else 0, and its sum over all axes but the last: relu's step back, and a bias'."""
    c = g.shape[-1]
    if y.dtype != np.float32:
        return NotImplemented
    masked = empty(g.shape, g.dtype)
    g, y, rows = (a.reshape(1, -1, c) for a in (as_input(g), as_input(y), masked))
    return masked, _of_rows(g, y, g.dtype, rows)[0]


def _of_rows(x, y, dtype, masked=None):
    """Sums of rows (N, C) for x (N, R, C): times y if there is one, or where y is positive, which goes to `masked`."""
    width, tile, each, (n, pieces, c) = _cut(x.shape)
    sums = np.empty((n, pieces, c), dtype if masked is None and pieces == 1 else np.float64)
    arrays = (None if a is None else a.reshape(n, -1, width) for a in (x, y, masked))
    share(_sum, n * pieces * -(-width // tile), *arrays, sums, tile, each)
    return joined(sums, dtype)


def _of_each_row(x, y, dtype):
    """Sums of each row (N, 1) for x (N, R, 1), times y if there is one."""
    n, rows, _ = x.shape
    pieces = max(1, -(-rows // BLOCK))
    sums, each = np.empty((n, pieces, 1), dtype if pieces == 1 else np.float64), rows_in_block(n * pieces, x.size)
    arrays = (None if a is None else a.reshape(n, rows) for a in (x, y))
    share(_sum_pieces, -(-n * pieces // each), *arrays, sums.reshape(-1), pieces, each)
    return joined(sums, dtype)


@lru_cache(1024)
def _cut(shape) -> tuple[int, int, int, tuple[int, int, int]]:
    """The width of a row of several joined, the columns of a tile, the rows of a piece, and (N, pieces, C)."""
    n, rows, c = shape
    together = rows_joined(rows, c)
    width, rows = together * c, rows // together
    tile = width if together > 1 else min(width, TILE)
    pieces = max(1, min(rows, -(-rows * width // BLOCK), PIECES // (n * -(-width // tile))))
    each = -(-rows // pieces)
    return width, tile, each, (n, -(-rows // each), c)


@kernel
def _sum(x, y, masked, sums, tile, each, start, stop):
    (_, rows, width), pieces = x.shape, sums.shape[1]
    tiles, few, wide = -(-width // tile), np.empty(tile, x.dtype), np.empty(tile, np.float64)
    for block in range(start, stop):
        i, piece, part = block // tiles // pieces, block // tiles % pieces, slice(block % tiles * tile, width)
        own, total = few[: width - part.start], wide[: width - part.start]
        total[:] = 0
        last = min((piece + 1) * each, rows)
        for top in range(piece * each, last, RUN):
            if y is None:
                sum_rows(x[i], top, min(top + RUN, last), part, own)
            elif masked is None:
                _sum_products(x[i], y[i], top, min(top + RUN, last), part, own)
            else:
                _mask_and_sum(x[i], y[i], masked[i], top, min(top + RUN, last), part, own)
            for j in range(len(own)):
                total[j] += own[j]
        to = sums[i, piece, part][: len(total)]
        add_up(total[len(to) :], total[: len(to)])  # of rows that are joined in one
        for j in range(len(to)):
            to[j] = total[j]


@piece
def _sum_products(x, y, first, last, part, few):
    """`sum_rows` of x · y."""
    few[:] = 0
    for r in range(first, last - 1, 2):
        a, b, p, q = x[r, part], x[r + 1, part], y[r, part], y[r + 1, part]
        for j in range(len(few)):
            few[j] += a[j] * p[j] + b[j] * q[j]
    if (last - first) % 2:
        a, p = x[last - 1, part], y[last - 1, part]
        for j in range(len(few)):
            few[j] += a[j] * p[j]


@piece
def _mask_and_sum(g, y, masked, first, last, part, few):
    """`sum_rows` of g where y is positive, which is written to `masked`."""
    few[:] = 0
    for r in range(first, last):
        gi, yi, row = g[r, part], y[r, part], masked[r, part]
        for j in range(len(few)):
            low = gi.dtype.type(0) if (yi[j] <= 0) | (gi[j] == 0) else yi[j]  # NaN at NaN, unless g is 0
            row[j] = gi[j] if yi[j] > 0 else low
            few[j] += row[j]


@kernel
def _sum_pieces(x, y, sums, pieces, each, start, stop):
    for k in range(start * each, min(stop * each, len(sums))):
        if pieces == 1:  # a division takes longer than a short row
            sums[k] = sum_row(x[k], None if y is None else y[k])
        else:
            i, part = k // pieces, slice(k % pieces * BLOCK, (k % pieces + 1) * BLOCK)
            sums[k] = sum_row(x[i, part], None if y is None else y[i, part])


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
