"""Sums over all axes but the last, as the gradient of a bias is one: one pass, a partial sum for each block of rows.

A block adds its rows into one that stays in the cache, and the sums of the blocks are added in their order. Short rows
are taken several at a time, so that the inner loop is long enough for vectors.
"""

import numpy as np

from tinygen.kernels import elementwise, reference
from tinygen.kernels.jit import as_input, kernel, whole_registers
from tinygen.kernels.memory import empty
from tinygen.kernels.threads import rows_joined, share

BLOCK = 1 << 14  # numbers in a block
LEAST = 1 << 15  # numbers below which NumPy is as fast


def sum_leading(x):
    """(..., C) to (C,)"""
    c = x.shape[-1]
    if x.dtype != np.float32 or x.size < LEAST:
        return reference.sum_leading(x)
    rows = x.size // c
    joined = rows_joined(rows, c)
    return _sums(x, joined * c, max(16, BLOCK // (joined * c))).reshape(-1, c).sum(axis=0)


def sum_middle(x):
    """(N, ..., C) to (N, C): the rows of an image are a block."""
    n, c = x.shape[0], x.shape[-1]
    if x.dtype != np.float32 or x.size < LEAST:
        return reference.sum_middle(x)
    rows = x.size // n // c
    joined = rows_joined(rows, c)
    return _sums(x, joined * c, rows // joined).reshape(n, joined, c).sum(axis=1)


def relu_vjp_sum(g, y):
    """g (..., C) where y is positive, else 0, and its sum over all axes but the last: relu's step back, and a bias'."""
    c = g.shape[-1]
    if not g.dtype == y.dtype == np.float32 or g.size < LEAST:
        masked = elementwise.relu_vjp(g, y, 0.0)
        return masked, reference.sum_leading(masked)
    joined = rows_joined(g.size // c, c)
    width = joined * c
    each, masked = max(16, BLOCK // width), empty(g.shape, g.dtype)
    g, y, rows = (a.reshape(-1, width) for a in (as_input(g), as_input(y), masked))
    sums = np.zeros((-(-len(g) // each), width), np.float32)
    share(_mask_and_sum_rows, len(sums), g, y, rows, sums, each)
    return masked, sums.reshape(-1, c).sum(axis=0)


def _sums(x, width, each):
    """The sums of each `each` rows of `width` numbers."""
    wide = as_input(x).reshape(-1, width)
    sums = np.zeros((-(-len(wide) // each), width), np.float32)
    share(_sum_rows, len(sums), wide, sums, each)
    return sums


@kernel
def _sum_rows(x, sums, each, start, stop):
    whole_registers()
    n, width = x.shape
    for block in range(start, stop):
        total = sums[block]
        first, last = block * each, min((block + 1) * each, n)
        for i in range(first, last - 3, 4):  # four rows at a time, or the total would be read and written for each
            a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
            for j in range(width):
                total[j] += (a[j] + b[j]) + (c[j] + d[j])
        for i in range(last - (last - first) % 4, last):
            a = x[i]
            for j in range(width):
                total[j] += a[j]


@kernel
def _mask_and_sum_rows(g, y, masked, sums, each, start, stop):
    whole_registers()
    n, width = g.shape
    for block in range(start, stop):
        total = sums[block]
        for i in range(block * each, min((block + 1) * each, n)):
            gi, yi, row = g[i], y[i], masked[i]
            for j in range(width):
                row[j] = gi[j] if yi[j] > 0 else np.float32(0)
                total[j] += row[j]
