"""Sums whose rounding errors don't grow with their length: an array's own type adds a few numbers, float64 the rest."""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share

RUN = 32  # rows that x's own type adds up one by one: in float32 with an error of 1e-6 at most
SHORT = 256  # numbers along a row that it adds up: vectors of them, so few in each lane


@piece
def sum_row(x, y=None):
    """Σ x along a row, or Σ x · y."""
    total = np.float64(0)
    for first in range(0, len(x), SHORT):
        few, a = x.dtype.type(0), x[first : first + SHORT]
        b = a if y is None else y[first : first + SHORT]
        for j in range(len(a)):
            few += a[j] if y is None else a[j] * b[j]
        total += few
    return total


@piece
def sum_rows(x, first, last, part, few):
    """few = the sum of rows first..last of x in these columns, in its own type."""
    few[:] = 0
    for r in range(first, last - 3, 4):  # four rows at a time, or `few` would be read and written for each
        a, b, c, d = x[r, part], x[r + 1, part], x[r + 2, part], x[r + 3, part]
        for j in range(len(few)):
            few[j] += (a[j] + b[j]) + (c[j] + d[j])
    for r in range(last - (last - first) % 4, last):
        a = x[r, part]
        for j in range(len(few)):
            few[j] += a[j]


@piece
def add_up(rows, total):
    """Add rows that lie one after the other to the numbers of `total`."""
    for start in range(0, len(rows), len(total)):
        for q in range(len(total)):
            total[q] += rows[start + q]


def joined(parts, dtype):
    """Σ over the parts (N, P, C) of a sum, in their order, as this type; the first part may be written to."""
    n, count, c = parts.shape
    if count == 1:
        return parts[:, 0].astype(dtype, copy=False)
    total, each = empty((n, c), dtype), rows_in_block(c, parts.size)
    share(_join, -(-c // each), parts, total, each)
    return total


@kernel
def _join(parts, total, each, start, stop):
    columns = slice(start * each, min(stop * each, total.shape[1]))
    for i in range(len(total)):
        first, to = parts[i, 0, columns], total[i, columns]
        for part in range(1, parts.shape[1]):
            other = parts[i, part, columns]
            for c in range(len(first)):
                first[c] += other[c]
        for c in range(len(to)):
            to[c] = first[c]
