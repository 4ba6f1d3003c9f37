"""Convolutions without a gather, for float32: each tile reads its windows where they lie.

A row of a window is one run of KW·C numbers, and neighbouring windows begin one stride apart, so a few rows of the
image, copied once with zeros around them, hold every window of a block. The pixels of an output row are the rows of a
matrix product that is never written out. The number of output channels is a multiple of LANES.
"""

import numpy as np

from tinygen.kernels.jit import as_input, kernel
from tinygen.kernels.lanes import LANES
from tinygen.kernels.threads import run_blocks
from tinygen.kernels.tile import multiply
from tinygen.kernels.window import read

BUFFER = 1 << 16  # numbers in a block's rows: 256 kB, which leaves room in a second-level cache


def fits(x: np.ndarray, channels: int, dilation) -> bool:
    """Whether a convolution of x to `channels` channels is one for this file."""
    return x.dtype == np.float32 and channels % LANES == 0 and dilation[1] == 1 and x.shape[3] > 0


def convolve(x, w, bias, y, corner, step, extent, stride, padding, dilation):
    """Write conv2d(x, w) + bias to the `extent` pixels of y that lie `step` apart, from `corner` on."""
    kernel_size = w.shape[:2]
    if kernel_size == (1, 1) and y.shape[:3] == x.shape[:3] and stride == (1, 1) and padding == (0, 0):
        x, y = (a.reshape(len(a), 1, -1, a.shape[3]) for a in (x, y))  # an image may as well be one row of pixels
        extent = (1, x.shape[2])
    rows, blocks = _blocks(x, extent, kernel_size, stride, dilation)
    arrays = as_input(x), as_input(w).reshape(-1), as_input(bias), y
    work = len(x) * extent[0] * extent[1] * w.size
    run_blocks(_convolve, blocks, work, *arrays, corner, step, extent, kernel_size, stride, padding, dilation, rows)


def weight(x, g, kernel_size, stride, padding, dilation):
    """The gradient (KH, KW, C, O) of conv2d's w, for the gradient g (N, GH, GW, O) of its output."""
    (kh, kw), c, o = kernel_size, x.shape[3], g.shape[3]
    if kernel_size == (1, 1) and g.shape[:3] == x.shape[:3] and stride == (1, 1) and padding == (0, 0):
        x, g = (a.reshape(len(a), 1, -1, a.shape[3]) for a in (x, g))
    rows, blocks = _blocks(x, g.shape[1:3], kernel_size, stride, dilation)
    # A sum over everything: each of a fixed number of parts adds up its own blocks, then the parts are added in order.
    sums = np.zeros((min(blocks, 8), kh * kw * c * o), x.dtype)
    arrays = as_input(x), as_input(g), sums
    run_blocks(_weight, len(sums), g.size * kh * kw * c, *arrays, kernel_size, stride, padding, dilation, rows)
    return sums.sum(axis=0).reshape(kh, kw, c, o)


def _blocks(x, extent, kernel_size, stride, dilation) -> tuple[int, int]:
    """How many output rows of an image make a block, and how many blocks that gives."""
    columns = (extent[1] - 1) * stride[1] + kernel_size[1]
    most = BUFFER // (columns * x.shape[3]) - dilation[0] * (kernel_size[0] - 1) - 1
    rows = min(max(1, most // stride[0] + 1), extent[0])
    return rows, len(x) * -(-extent[0] // rows)


@kernel
def _convolve(x, w, bias, y, corner, step, extent, kernel_size, stride, padding, dilation, rows, start, stop):
    (gh, gw), (kh, kw), (sh, sw) = extent, kernel_size, stride
    _, h, wide, o = y.shape
    c, columns, flat = x.shape[3], (gw - 1) * sw + kw, y.reshape(-1)
    reach, each = dilation[0] * (kh - 1) + 1, (gh + rows - 1) // rows
    window = np.empty(((rows - 1) * sh + reach) * columns * c, x.dtype)
    for block in range(start, stop):
        image, first = block // each, block % each * rows
        last = min(first + rows, gh)
        read(x, image, sh * first - padding[0], -padding[1], window, (last - first - 1) * sh + reach, columns)
        for r in range(first, last):
            at, to = (r - first) * sh * columns * c, (image * h + corner[0] + step[0] * r) * wide + corner[1]
            multiply(
                *(window, at, sw * c, 1, dilation[0] * columns * c, w, 0, bias, 0, 0),
                *(flat, to * o, step[1] * o, gw, kw * c, kh, o),
            )


@kernel
def _weight(x, g, sums, kernel_size, stride, padding, dilation, rows, start, stop):
    (kh, kw), (sh, sw) = kernel_size, stride
    n, gh, gw, o = g.shape
    c, columns, flat = x.shape[3], (gw - 1) * sw + kw, g.reshape(-1)
    reach, each = dilation[0] * (kh - 1) + 1, (gh + rows - 1) // rows
    window = np.empty(((rows - 1) * sh + reach) * columns * c, x.dtype)
    parts, blocks = len(sums), n * each
    for part in range(start, stop):
        total = sums[part]
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            image, first = block // each, block % each * rows
            last = min(first + rows, gh)
            read(x, image, sh * first - padding[0], -padding[1], window, (last - first - 1) * sh + reach, columns)
            for u in range(kh):  # rows of the product: the KW·C numbers of this row of the kernel; its sum: pixels
                at, to = u * dilation[0] * columns * c, u * kw * c * o
                multiply(
                    *(window, at, 1, sw * c, sh * columns * c, flat, (image * gh + first) * gw * o, total, to, o),
                    *(total, to, o, kw * c, gw, last - first, o),
                )
