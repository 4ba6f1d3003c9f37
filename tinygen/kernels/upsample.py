"""Nearest upsampling and its adjoint, an image row at a time: each number is read once and written once."""

import math

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.reference import FEW


def upsample_nearest(x, scale):
    n, h, w, c = x.shape
    y = empty((n, h * scale[0], w * scale[1], c), x.dtype)
    rows = as_input(x).reshape(n * h, w, c)
    each = rows_in_block(n * h, y.size)
    share(_upsample, -(-n * h // each), rows, y.reshape(n * h, scale[0], w, scale[1], c), each)
    return y


def sum_blocks(x, scale):
    if math.prod(scale) > FEW:
        return NotImplemented
    (n, h, w, c), (sh, sw) = x.shape, scale
    y = empty((n, h // sh, w // sw, c), x.dtype)
    rows = as_input(x).reshape(n * h // sh, sh, w // sw, sw, c)
    each = rows_in_block(len(rows), x.size)
    share(_sum_blocks, -(-len(rows) // each), rows, y.reshape(len(rows), w // sw, c), each)
    return y


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
