"""Windows of an image: what a block of a convolution reads, copied to where it stays in the cache, zeros around it."""

import numpy as np
from numba import types
from numba.extending import overload

from tinygen.kernels.machine.jit import INNER, kernel, piece
from tinygen.kernels.machine.vectors import LANES, load, nothing, store


@kernel
def scratch(count):
    """`count` float32 that begin where a line of the cache begins: a vector across two lines takes two loads."""
    array = np.empty(count + 16, np.float32)
    first = -array.ctypes.data % 64 // 4
    return array[first : first + count]


@piece
def read(x, image, row, column, window, at, rows, columns):
    """Copy a window of x (N, H, W, C) to `window`, flat, from entry `at` on: (rows, columns, C), zeros outside x."""
    _, h, w, c = x.shape
    flat = x.reshape(-1)
    first = min(max(0, -column), columns)
    last = max(first, min(columns, w - column))
    for i in range(rows):
        to = at + i * columns * c
        if 0 <= row + i < h:
            clear(window, to, first * c)
            copy(flat, ((image * h + row + i) * w + column + first) * c, window, to + first * c, (last - first) * c)
            clear(window, to + last * c, (columns - last) * c)
        else:
            clear(window, to, columns * c)


def copy(source, at, target, to, count):
    """target[to : to + count] = source[at : at + count], flat arrays."""
    for q in range(count):
        target[to + q] = source[at + q]


def clear(target, to, count):
    """target[to : to + count] = 0"""
    for q in range(count):
        target[to + q] = 0


def _copy_lanes(source, at, target, to, count):
    whole = count // LANES * LANES
    for q in range(0, whole, LANES):
        store(target, to + q, load(source, at + q))
    for q in range(whole, count):
        target[to + q] = source[at + q]


def _clear_lanes(target, to, count):
    whole = count // LANES * LANES
    for q in range(0, whole, LANES):
        store(target, to + q, nothing())
    for q in range(whole, count):
        target[to + q] = 0


@overload(copy, inline="always", jit_options=INNER)
def _copy(source, at, target, to, count):
    return _copy_lanes if target.dtype == types.float32 else copy


@overload(clear, inline="always", jit_options=INNER)
def _clear(target, to, count):
    return _clear_lanes if target.dtype == types.float32 else clear
