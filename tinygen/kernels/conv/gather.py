"""The convolution that fits every shape and type: gather the windows of a block, then multiply matrices.

All windows of a batch would be nine times the batch, and would pass through memory twice. So a block of a few image
rows copies its windows to a buffer that stays in the cache, and multiplies it by the kernel as a matrix (KH·KW·C, O).
"""

import math

import numpy as np

from tinygen.kernels.conv.product import product, transposed_product
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.threads import one_blas_thread, share
from tinygen.kernels.machine.window import clear, copy

BUFFER = 1 << 16  # numbers in a block's buffer: 256 kB of float32, which leaves room in a second-level cache
PARTS = 8  # of the batch for a weight gradient: each has its own sums, which are then added in order


def convolve(x, w, bias, floor, y, pixels, form):
    """Write conv2d(x, w) + bias, at least `floor`, to some `pixels` of y: (corner, step, extent).

    These are `extent` = (height, width) of them, `step` apart, from the one at `corner` on. `form` is (kernel_size,
    stride, padding, dilation).
    """
    _, _, (high, wide) = pixels
    rows, blocks = _blocks(len(x) * high, wide * math.prod(w.shape[:3]))
    with one_blas_thread():
        share(_convolve, blocks, as_input(x), as_input(w), as_input(bias), floor, y, pixels, form, rows)


def weight(x, g, form):
    """The gradient (KH, KW, C, O) of conv2d's w, for the gradient g (N, GH, GW, O) of its output."""
    (n, gh, gw, o), (kh, kw), c = g.shape, form[0], x.shape[3]
    rows, blocks = _blocks(n * gh, gw * kh * kw * c)
    sums = np.zeros((min(blocks, PARTS), kh * kw * c * o), x.dtype)
    with one_blas_thread():
        share(_weight, len(sums), as_input(x), as_input(g), sums, form, rows)
    return sums.sum(axis=0).reshape(kh, kw, c, o)


def _blocks(rows: int, row_size: int) -> tuple[int, int]:
    """How many image rows make a block whose buffer stays near BUFFER, and how many blocks that gives."""
    each = max(1, min(rows, BUFFER // max(1, row_size)))
    return each, -(-rows // each)


@kernel
def _convolve(x, w, bias, floor, y, pixels, form, rows, start, stop):
    (corner, step, (gh, gw)), (n, h, wide, o) = pixels, y.shape
    k = form[0][0] * form[0][1] * x.shape[3]
    matrix, flat = w.reshape(-1), y.reshape(-1)
    buffer, made = np.empty(rows * gw * k, x.dtype), np.empty(rows * gw * o, x.dtype)
    for block in range(start, stop):
        first, last = block * rows, min((block + 1) * rows, n * gh)
        count = (last - first) * gw
        _gather(x, buffer, first, last, gh, gw, form)
        for i in range(count):
            copy(bias, 0, made, i * o, o)
        product(buffer, matrix, made, 0, count, k, o)
        if floor == 0:
            for i in range(count * o):
                made[i] = 0 if made[i] < 0 else made[i]
        for r in range(first, last):
            row = (r // gh * h + corner[0] + step[0] * (r % gh)) * wide + corner[1]
            for j in range(gw):
                copy(made, ((r - first) * gw + j) * o, flat, (row + step[1] * j) * o, o)


@kernel
def _weight(x, g, sums, form, rows, start, stop):
    n, gh, gw, o = g.shape
    k = form[0][0] * form[0][1] * x.shape[3]
    flat = g.reshape(-1)
    parts, blocks = len(sums), (n * gh + rows - 1) // rows
    buffer = np.empty(rows * gw * k, x.dtype)
    for part in range(start, stop):
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * rows, min((block + 1) * rows, n * gh)
            _gather(x, buffer, first, last, gh, gw, form)
            transposed_product(buffer, flat, first * gw * o, sums[part], (last - first) * gw, k, o)


@piece
def _gather(x, buffer, first, last, gh, gw, form):
    """The windows of output rows first..last as rows of the buffer, with zeros where they leave the image."""
    _, h, w, c = x.shape
    flat = x.reshape(-1)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = form
    k = kh * kw * c
    # Windows low..high are inside the image from left to right: each of their rows is one run of numbers.
    low, high = min(max(0, (pw + sw - 1) // sw), gw), min((w + pw - dw * (kw - 1) - 1) // sw + 1, gw)
    low, high = (low, high) if dw == 1 and low < high else (gw, gw)
    for r in range(first, last):
        for u in range(kh):
            y = sh * (r % gh) + dh * u - ph
            row, to = (r // gh * h + y) * w, (r - first) * gw * k + u * kw * c
            if not 0 <= y < h:
                for j in range(gw):
                    clear(buffer, to + j * k, kw * c)
                continue
            for j in range(low, high):
                copy(flat, (row + sw * j - pw) * c, buffer, to + j * k, kw * c)
            for edge in range(gw - max(0, high - low)):
                j = edge if edge < low else edge + high - low
                for v in range(kw):
                    z = sw * j + dw * v - pw
                    if 0 <= z < w:
                        copy(flat, (row + z) * c, buffer, to + j * k + v * c, c)
                    else:
                        clear(buffer, to + j * k + v * c, c)
