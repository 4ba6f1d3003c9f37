"""Parts of arrays side by side, and parts cut out: each number is read once and written once, on all threads."""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.window import copy


def contiguous(x):
    """x, or a copy of it if it is a part of the channels of an array: each op that follows would make a copy."""
    if x.flags.c_contiguous or x.ndim < 2:
        return x
    apart = [s != x.strides[i + 1] * x.shape[i + 1] for i, s in enumerate(x.strides[:-2])]
    if any(apart) or x.strides[-1] != x.itemsize or x.strides[-2] < 0:
        return x
    y, step = empty(x.shape, x.dtype), x.strides[-2] // x.itemsize
    n, c = x.size // x.shape[-1], x.shape[-1]
    pixels, each = as_input(as_strided(x, ((n - 1) * step + c,), x.strides[-1:])), rows_in_block(n, x.size)
    share(_copy_rows, -(-n // each), pixels, step, y.reshape(-1), 0, c, (n, c, each))
    return y


def concat(arrays, axis):
    if any(a.dtype != np.float32 for a in arrays):
        return NotImplemented
    before = arrays[0].shape[:axis]
    y = empty((*before, sum(a.shape[axis] for a in arrays), *arrays[0].shape[axis + 1 :]), np.float32)
    n, at = math.prod(before), 0
    for a in arrays:
        width, each = a.size // n, rows_in_block(n, a.size)
        whole, sizes = y.reshape(-1), (n, width, each)
        share(_copy_rows, -(-n // each), as_input(a).reshape(-1), width, whole, at, y.size // n, sizes)
        at += width
    return y


@kernel
def _copy_rows(x, x_row, y, y_at, y_row, sizes, start, stop):
    """Rows whose first numbers are `x_row` and `y_row` apart; `sizes` are (rows, width, rows in a block)."""
    rows, width, each = sizes
    for row in range(start * each, min(stop * each, rows)):
        copy(x, row * x_row, y, y_at + row * y_row, width)
