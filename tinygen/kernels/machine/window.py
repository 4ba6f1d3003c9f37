"""Windows of an image: what a block of a convolution reads, copied to where it stays in the cache, zeros around it."""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.vectors import LANES, copy_few, load, nothing, store, stream


@kernel
def scratch(like, count):
    """`count` numbers of an array's type from the start of a cache line on: a vector across two takes two loads."""
    array = np.empty(count + 16, like.dtype)
    first = -array.ctypes.data % 64 // like.itemsize
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


@piece
def copy(source, at, target, to, count):
    """target[to : to + count] = source[at : at + count], flat arrays of floats."""
    whole = count // LANES * LANES
    for q in range(0, whole, LANES):
        store(target, to + q, load(source, at + q))
    if whole == 0:
        copy_few(source, at, target, to, count)
    elif whole < count:  # the last vector begins within the one before
        store(target, to + count - LANES, load(source, at + count - LANES))


@piece
def clear(target, to, count):
    """target[to : to + count] = 0"""
    fill(target, to, count, target.dtype.type(0))


@piece
def fill(target, to, count, number):
    """target[to : to + count] = number"""
    whole, vector = count // LANES * LANES, nothing(target) + number
    for q in range(0, whole, LANES):
        store(target, to + q, vector)
    if whole:
        store(target, to + count - LANES, vector)
    else:
        for q in range(count):
            target[to + q] = number


@piece
def write(source, at, target, to, count):
    """`copy` past the caches, to a target that begins at a cache line."""
    head = min(-to % LANES, count)
    whole = head + (count - head) // LANES * LANES
    for q in range(head):
        target[to + q] = source[at + q]
    for q in range(head, whole, LANES):
        stream(target, to + q, load(source, at + q))
    for q in range(whole, count):
        target[to + q] = source[at + q]
