"""Transposed convolutions to few channels, for float32: every pixel of g places its copy of the kernel.

With one channel to make, as in the last layer of a generator, a pixel of the result is a sum of a few numbers, too few
for a tile. So the tiles multiply the pixels of g by all entries of the kernel at once, and the products of an image,
still in the cache, are added up where they belong.
"""

import numpy as np

from tinygen.kernels.jit import as_input, kernel, piece
from tinygen.kernels.lanes import LANES, any_array
from tinygen.kernels.memory import empty
from tinygen.kernels.threads import share
from tinygen.kernels.tile import COLUMNS, multiply
from tinygen.kernels.window import scratch


def fits(g: np.ndarray, w: np.ndarray) -> bool:
    """Whether the transpose of a convolution with w (KH, KW, C, O), for g (N, GH, GW, O), is one for this file."""
    kh, kw, c, _ = w.shape
    return g.dtype == np.float32 and c < LANES and 0 < kh * kw * c <= COLUMNS and g.size > 0


def conv_transpose2d(g, w, bias, size, stride, padding, dilation):
    """Images of `size` (H, W) and few channels from g (N, GH, GW, O) and w (KH, KW, C, O)."""
    kh, kw, c, o = w.shape
    entries = np.zeros((o, -(-kh * kw * c // LANES) * LANES), g.dtype)  # filled up with zeros to whole vectors
    entries[:, : kh * kw * c] = w.reshape(-1, o).T
    x = empty((len(g), *size, c), g.dtype)
    window = (kh, kw), tuple(stride), tuple(padding), tuple(dilation)
    share(_scatter, len(g), as_input(g), entries, as_input(bias), x, *window)
    return x


@kernel
def _scatter(g, entries, bias, x, kernel_size, stride, padding, dilation, start, stop):
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    _, gh, gw, o = g.shape
    _, h, w, c = x.shape
    m, flat, matrix, target = entries.shape[1], any_array(g.reshape(-1)), entries.reshape(-1), x.reshape(-1)
    products, zeros = scratch(gh * gw * m), np.zeros(m, np.float32)
    for image in range(start, stop):
        at = image * gh * gw * o
        multiply(flat, at, (o, 0, 0, 1), (1, 1, o), matrix, 0, zeros, 0, 0, products, 0, m, gh * gw, m)
        for q in range(c):
            for i in range(image * h * w, (image + 1) * h * w):
                target[i * c + q] = bias[q]
        for u in range(kh):
            for i in range(gh):
                row = sh * i + dh * u - ph
                if not 0 <= row < h:
                    continue
                for v in range(kw):
                    # Only columns j with 0 <= sw j + dw v - pw < w.
                    first = max(0, -((dw * v - pw) // sw))
                    last = min(gw, (w - 1 - dw * v + pw) // sw + 1)
                    to = ((image * h + row) * w + sw * first + dw * v - pw) * c
                    entry = (i * gw + first) * m + (u * kw + v) * c
                    for q in range(c):
                        _add(products, entry + q, m, target, to + q, sw * c, max(0, last - first))


@piece
def _add(source, at, step, target, to, target_step, count):
    for j in range(count):
        target[to + j * target_step] += source[at + j * step]
