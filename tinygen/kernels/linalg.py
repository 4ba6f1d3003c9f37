"""The matrix product in blocks that the shapes fix, so that its rounding does not depend on the number of threads.

A panel of B, as many columns as a tile has, is copied into one piece that stays in the cache while the rows of A pass
by it; a transpose is turned by squares of vectors on the way. For a few rows or columns, which don't fill a tile, the
numbers of the large matrix are read from where they are.
"""

import math
from functools import lru_cache

import numpy as np

from tinygen.kernels import reduce, reference
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, ROWS, multiply
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vectors import LANES, load, nothing, store, transpose
from tinygen.kernels.machine.views import memory
from tinygen.kernels.machine.window import clear, copy, scratch

LONGEST = 1 << 13  # products in a sum of float32, of which float64 adds several: so rounding does not grow with them
CHUNK = 256  # rows of a block
GROUP = 8  # most panels of a block
DEPTH = 384  # products that are added up, about, before all panels of a block have had theirs: K in pieces
FEW = 3  # rows or columns that don't fill a tile
STRIP = 256  # columns of which a row is added up together
RUN = 16  # rows that float32 adds up before float64 takes over

NO_SUMS = {np.dtype(kind): np.empty(0, kind) for kind in (np.float32, np.float64)}  # none are wanted


def matmul(a, b, bias=None):
    """(..., N, K) @ (..., K, M), batch axes and types equal, plus bias (M,)."""
    if not (a.size and b.size):
        return NotImplemented
    if a.dtype == np.float32 and a.shape[-1] > LONGEST:
        return _in_parts(a, b, bias)
    if a.ndim == b.ndim == 2 and len(a) <= FEW:
        return _of_few_rows(a, b, bias)
    if a.ndim == b.ndim == 2 and b.shape[1] <= FEW:
        return _of_few_columns(a, b, bias)
    return _tiled(a, b, np.zeros(b.shape[-1], b.dtype) if bias is None else bias)


def linear_weight(x, g):
    """Xᵀ G (K, M), and the sum (M,) of the rows of G, which pass by anyway, for X (N, K) and G (N, M)."""
    if not (x.size and g.size):
        return NotImplemented
    if (x.dtype == np.float32 and len(x) > LONGEST) or min(x.shape[1], g.shape[1]) <= FEW:
        return matmul(x.T, g), (reduce if g.shape[1] > 1 else reference).sum_along(g, (0,))
    zeros, sums = np.zeros(g.shape[1], g.dtype), np.empty(g.shape[1], g.dtype)
    return _tiled(x.T, g, zeros, sums), sums


@np.errstate(all="ignore")
def _in_parts(a, b, bias):
    """The product as a sum, in float64, of those of LONGEST columns of A and rows of B."""
    y = np.zeros((*a.shape[:-1], b.shape[-1])) if bias is None else np.tile(bias, (*a.shape[:-1], 1)).astype(np.float64)
    for k in range(0, a.shape[-1], LONGEST):
        y += matmul(a[..., k : k + LONGEST], b[..., k : k + LONGEST, :])
    return y.astype(np.float32)


@np.errstate(all="ignore")  # as a compiled loop, which gives no warning
def _of_few_columns(a, b, bias):
    y = _of_few_rows(b.T, a.T, None).T
    return np.ascontiguousarray(y if bias is None else y + bias)


def _of_few_rows(a, b, bias):
    """The product for a few rows of A: by rows of B, or by rows of Bᵀ if that is how they lie in memory."""
    y = np.zeros((len(a), b.shape[1]), a.dtype)
    if bias is not None:
        y += bias
    if not b.flags.c_contiguous and b.T.flags.c_contiguous:
        each = rows_in_block(b.shape[1], b.size)
        share(_products_of_rows, -(-b.shape[1] // each), as_input(a), as_input(b.T), y, each)
    else:
        share(_sums_of_rows, -(-b.shape[1] // STRIP), as_input(a), as_input(b), y)
    return y


@kernel
def _sums_of_rows(a, b, y, start, stop):
    """To each row of y, the rows of B times a row of A are added, by strips of columns."""
    k = len(b)
    for first in range(start * STRIP, min(stop * STRIP, b.shape[1]), STRIP):
        part = slice(first, first + STRIP)
        for i in range(len(a)):
            weights, row = a[i], y[i, part]
            for q in range(0, k - 3, 4):
                p, r, s, t = b[q, part], b[q + 1, part], b[q + 2, part], b[q + 3, part]
                for j in range(len(row)):
                    row[j] += (
                        weights[q] * p[j] + weights[q + 1] * r[j] + (weights[q + 2] * s[j] + weights[q + 3] * t[j])
                    )
            for q in range(k // 4 * 4, k):
                p = b[q, part]
                for j in range(len(row)):
                    row[j] += weights[q] * p[j]


@kernel
def _products_of_rows(a, b, y, each, start, stop):
    """To y[i, j], the product of row i of A and row j of B is added."""
    for j in range(start * each, min(stop * each, len(b))):
        for i in range(len(a)):
            total, left, right = y[i, j], a[i], b[j]
            for q in range(len(right)):
                total += left[q] * right[q]
            y[i, j] = total


def _tiled(a, b, bias, column_sums=None):
    """The product plus bias; the sums of B's columns go to `column_sums`, if it is given."""
    shape, blocks, sizes = _plan(a.shape, b.shape[-1])
    y, sums = empty(shape, a.dtype), NO_SUMS[a.dtype] if column_sums is None else column_sums
    share(_tiles, blocks, *_walk(a), *_walk(b), as_input(bias), y.ravel(), sums, sizes)
    return y


@lru_cache(1024)  # a training step asks for the same ones again and again
def _plan(shape_of_a: tuple[int, ...], m: int) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """The shape of the product, how many blocks it has, and what they are made of."""
    *batch, n, k = shape_of_a
    matrices, panels = math.prod(batch), -(-m // COLUMNS)
    splits = max(-(-n // CHUNK), min(4, -(-8 // (matrices * panels))))  # blocks enough to share evenly
    chunk = -(-n // (splits * ROWS)) * ROWS
    chunks = -(-n // chunk)
    group = GROUP if matrices * panels * chunks >= 8 * GROUP else 1
    depth = -(-k // max(1, round(k / DEPTH)))
    return (*batch, n, m), matrices * -(-panels // group) * chunks, (n, m, k, chunk, group, depth)


def _walk(matrices: np.ndarray) -> tuple[np.ndarray, int, int]:
    """All numbers of (..., N, K) in one piece, and the steps to the next row and column.

    A transpose is not copied, nor is a part of the rows or columns of one matrix.
    """
    if matrices.flags.c_contiguous:
        return as_input(matrices).reshape(-1), matrices.shape[-1], 1
    if (turned := matrices.swapaxes(-1, -2)).flags.c_contiguous:
        return as_input(turned).reshape(-1), 1, turned.shape[-1]
    size, (*batch, row, column) = matrices.itemsize, matrices.strides
    if not batch and min(row, column) == size and max(row, column) % size == 0:
        return memory(matrices)[0], row // size, column // size
    return as_input(matrices).reshape(-1), matrices.shape[-1], 1


@kernel
def _tiles(a, a_row, a_step, b, b_row, b_step, bias, y, column_sums, sizes, start, stop):
    """Each block is a chunk of rows by a group of panels. It adds up `depth` products at a time, in their order."""
    n, m, k, chunk, group, depth = sizes
    panels, chunks = (m + COLUMNS - 1) // COLUMNS, (n + chunk - 1) // chunk
    groups, pieces = (panels + group - 1) // group, (k + depth - 1) // depth
    panel, rest = scratch(y, depth * COLUMNS), scratch(y, chunk * COLUMNS)
    bring = a_step > 1 and group > 1  # a piece of a transpose, whose numbers are far apart, near to each other
    near = scratch(y, (chunk + LANES) * depth if bring else 0)
    shift, totals = np.zeros(COLUMNS, y.dtype), np.empty(group * COLUMNS)
    clear(panel, 0, len(panel))
    packed = -1
    for block in range(start, stop):
        matrix, first_panel = block // chunks // groups, block // chunks % groups * group
        first, last_panel = block % chunks * chunk, min(first_panel + group, panels)
        rows = min(chunk, n - first)
        if m == 1 and a_step == 1:  # all other columns of a tile would be padding
            for i in range(first, first + rows):
                at = matrix * n * k + i * a_row
                y[matrix * n + i] = bias[0] + _dot(a[at : at + k], b[matrix * k : (matrix + 1) * k])
            continue
        for piece_of_k in range(pieces):
            begin = piece_of_k * depth
            count = min(depth, k - begin)
            x, at, walk = a, matrix * n * k + first * a_row + begin * a_step, (a_row, 0, 0, a_step)
            if bring:
                for q in range(count):
                    copy(a, at + q * a_step, near, q * (chunk + LANES), rows)
                x, at, walk = near, 0, (1, 0, 0, chunk + LANES)
            for p in range(first_panel, last_panel):
                j, number = p * COLUMNS, (matrix * panels + p) * pieces + piece_of_k
                columns = min(COLUMNS, m - j)
                if packed != number:
                    packed = number
                    _pack(b, matrix * k * m + begin * b_row + j * b_step, b_row, b_step, panel, count, columns)
                    if len(column_sums) and first == 0:
                        total = totals[(p - first_panel) * COLUMNS : (p - first_panel + 1) * COLUMNS]
                        _sum(panel, count, shift, total, begin == 0)
                        for q in range(columns):
                            column_sums[j + q] = total[q]
                copy(bias, j, shift, 0, columns)
                # The last panel goes to a buffer, from which the columns that are no padding are copied.
                target, to, apart = (y, (matrix * n + first) * m + j, m) if columns == COLUMNS else (rest, 0, COLUMNS)
                before, before_at, before_row = (shift, 0, 0) if begin == 0 else (target, to, apart)
                wide = LANES if columns <= LANES else COLUMNS
                multiply(
                    *(x, at, walk, (1, 1, count), panel, 0, COLUMNS),
                    *(before, before_at, before_row, target, to, apart, rows, wide),
                )
                if columns < COLUMNS and piece_of_k == pieces - 1:
                    for i in range(rows):
                        copy(rest, i * COLUMNS, y, (matrix * n + first + i) * m + j, columns)


@piece
def _dot(x, y):
    total = x.dtype.type(0)
    for q in range(len(x)):
        total += x[q] * y[q]
    return total


@piece
def _pack(b, at, b_row, b_step, panel, k, columns):
    """Copy the columns of B that begin at entry `at` to panel (K, COLUMNS)."""
    if columns == COLUMNS and b_step == 1:
        for i in range(k):
            copy(b, at + i * b_row, panel, i * COLUMNS, COLUMNS)
        return
    whole = k // LANES * LANES if columns == COLUMNS and b_row == 1 else 0
    for i in range(0, whole, LANES):
        for q in range(0, COLUMNS, LANES):
            transpose(b, at + i + q * b_step, b_step, panel, i * COLUMNS + q, COLUMNS)
    for q in range(columns):
        for i in range(whole, k):
            panel[i * COLUMNS + q] = b[at + i * b_row + q * b_step]


@piece
def _sum(panel, k, few, totals, restart):
    """Add the rows of panel (K, COLUMNS) to `totals`, `few` of them by vectors; `restart` from 0."""
    if restart:
        totals[:] = 0
    for first in range(0, k, RUN):
        for q in range(0, COLUMNS, LANES):
            part = nothing(panel)
            for i in range(first, min(first + RUN, k)):
                part = part + load(panel, i * COLUMNS + q)
            store(few, q, part)
        for q in range(COLUMNS):
            totals[q] += few[q]
