"""Transposed convolutions to few channels: every pixel of g places its copy of the kernel.

With one channel to make, as in the last layer of a generator, a pixel of the result is a sum of a few numbers, too few
for a tile. So the tiles multiply a row of g by all entries of the kernel at once, and the products, turned so that
neighbours stand side by side, are added up where they belong, as vectors, while the nearest cache holds them.
"""

import math

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, load, store, transpose
from tinygen.kernels.machine.window import clear, scratch

# What is done beside the products, in products of a vector: for a pixel of the result in `direct.py`, and here for a
# vector of products, which is turned and added up.
EACH_PIXEL, EACH_VECTOR = 30, 12


def fits(g, w, size, stride) -> bool:
    """Whether this is faster than `direct.py`, where vectors of few channels are mostly padding."""
    kh, kw, c, o = w.shape
    here = math.prod(g.shape[1:3]) * -(-kh * kw * c // LANES) * (o + EACH_VECTOR)
    return c < LANES and here < math.prod(size) * (kh * kw * o / math.prod(stride) + EACH_PIXEL)


def conv_transpose2d(g, w, bias, size, stride, padding, dilation):
    """Images of `size` (H, W) and few channels from g (N, GH, GW, O) and w (KH, KW, C, O)."""
    kh, kw, c, o = w.shape
    entries = np.zeros((o, -(-kh * kw * c // LANES) * LANES), g.dtype)  # filled up with zeros to whole vectors
    entries[:, : kh * kw * c] = w.reshape(-1, o).T
    x = empty((len(g), *size, c), g.dtype)
    form = (kh, kw), tuple(stride), tuple(padding), tuple(dilation)
    share(_scatter, len(g), as_input(g), entries, as_input(bias), x, form)
    return x


@kernel
def _scatter(g, entries, bias, x, form, start, stop):
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = form
    _, gh, gw, o = g.shape
    _, h, w, c = x.shape
    m, flat, matrix, target = entries.shape[1], g.reshape(-1), entries.reshape(-1), x.reshape(-1)
    long, zeros = (gw + LANES - 1) // LANES * LANES, np.zeros(m, x.dtype)
    products, turned = scratch(x, long * m), scratch(x, m * long)  # of one row of g, (pixels, m) and (m, pixels)
    clear(products, 0, long * m)  # pixels beyond a row stay zero
    # Sums are kept apart by the pixel's place within a stride, so that neighbouring products meet neighbouring sums.
    # What would be left or right of the image has its place too, and is not looked at.
    shifts = np.empty(kw, np.int64)
    for v in range(kw):
        shifts[v] = (dw * v - pw) // sw
    left = max(0, -shifts[0])
    width = left + max(max(0, shifts[kw - 1]) + long, (w + sw - 1) // sw)  # some pixels may lie beyond all products
    sums = scratch(x, h * c * sw * width)
    for image in range(start, stop):
        clear(sums, 0, h * c * sw * width)
        for i in range(gh):
            at = (image * gh + i) * gw * o
            multiply(flat, at, (o, 0, 0, 1), (1, 1, o), matrix, 0, m, zeros, 0, 0, products, 0, m, gw, m)
            for j in range(0, long, LANES):
                for k in range(0, m, LANES):
                    transpose(products, j * m + k, m, turned, k * long + j, long)
            for u in range(kh):
                row = sh * i + dh * u - ph
                if not 0 <= row < h:
                    continue
                for v in range(kw):
                    within = dw * v - pw - sw * shifts[v]
                    for q in range(c):
                        to = ((row * c + q) * sw + within) * width + left + shifts[v]
                        _add(turned, ((u * kw + v) * c + q) * long, sums, to, long)
        for row in range(h * c):
            for within in range(sw):
                first, at = (image * h + row // c) * w * c + row % c, (row * sw + within) * width + left
                for j in range((w - within + sw - 1) // sw):
                    target[first + (within + sw * j) * c] = sums[at + j] + bias[row % c]


@piece
def _add(source, at, target, to, count):
    for j in range(0, count, LANES):
        store(target, to + j, load(target, to + j) + load(source, at + j))
