"""Nearest upsampling and its adjoint, and images side by side in their channels: an image row at a time, two threads.

There is nothing to compute here: what counts is that each number is read once and written once, along the channels.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import share
from tinygen.kernels.reference import FEW

ROWS = 1 << 12  # numbers that make a block of rows, at least


def upsample_nearest(x, scale):
    n, h, w, c = x.shape
    y = empty((n, h * scale[0], w * scale[1], c), x.dtype)
    rows = as_input(x).reshape(n * h, w, c)
    _run(_upsample, y.size, n * h, rows, y.reshape(n * h, scale[0], w, scale[1], c))
    return y


def sum_blocks(x, scale):
    if math.prod(scale) > FEW:
        return NotImplemented
    (n, h, w, c), (sh, sw) = x.shape, scale
    y = empty((n, h // sh, w // sw, c), x.dtype)
    rows = as_input(x).reshape(n * h // sh, sh, w // sw, sw, c)
    _run(_sum_blocks, x.size, n * h // sh, rows, y.reshape(n * h // sh, w // sw, c))
    return y


def contiguous(x):
    """x, or a copy of it if it is a part of the channels of an array: each op that follows would make a copy."""
    if x.flags.c_contiguous or x.ndim < 2:
        return x
    apart = [s != x.strides[i + 1] * x.shape[i + 1] for i, s in enumerate(x.strides[:-2])]
    if any(apart) or x.strides[-1] != x.itemsize or x.strides[-2] < 0:
        return x
    y, step = empty(x.shape, x.dtype), x.strides[-2] // x.itemsize
    n, c = x.size // x.shape[-1], x.shape[-1]
    _run(_pick, x.size, n, as_input(as_strided(x, ((n - 1) * step + c,), x.strides[-1:])), step, y.reshape(n, c))
    return y


def concat(arrays, axis):
    if any(a.dtype != np.float32 for a in arrays):
        return NotImplemented
    before = arrays[0].shape[:axis]
    y = empty((*before, sum(a.shape[axis] for a in arrays), *arrays[0].shape[axis + 1 :]), np.float32)
    n, at = math.prod(before), 0
    whole = y.reshape(n, y.size // n)
    for a in arrays:
        part = as_input(a).reshape(n, a.size // n)
        _run(_place, a.size, n, part, whole, at)
        at += part.shape[1]
    return y


def _run(kernel, size, rows, *args):
    """All rows, a block of which has at least ROWS of the `size` numbers that are moved."""
    each = max(1, ROWS * rows // max(size, 1))
    share(kernel, -(-rows // each), *args, each)


@kernel
def _upsample(x, y, each, start, stop):
    _, sh, w, sw, c = y.shape
    for row in range(start * each, min(stop * each, len(x))):
        for a in range(sh):
            for j in range(w):
                for b in range(sw):
                    for q in range(c):
                        y[row, a, j, b, q] = x[row, j, q]


@kernel
def _sum_blocks(x, y, each, start, stop):
    _, sh, w, sw, c = x.shape
    for row in range(start * each, min(stop * each, len(x))):
        for j in range(w):
            for q in range(c):
                y[row, j, q] = x[row, 0, j, 0, q]
            for a in range(sh):
                for b in range(sw):
                    if a or b:
                        for q in range(c):
                            y[row, j, q] += x[row, a, j, b, q]


@kernel
def _pick(x, step, y, each, start, stop):
    width = y.shape[1]
    for row in range(start * each, min(stop * each, len(y))):
        for q in range(width):
            y[row, q] = x[row * step + q]


@kernel
def _place(x, y, at, each, start, stop):
    width = x.shape[1]
    for row in range(start * each, min(stop * each, len(x))):
        for q in range(width):
            y[row, at + q] = x[row, q]
