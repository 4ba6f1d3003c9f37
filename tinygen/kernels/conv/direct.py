"""Convolutions without a gather, for float32: each tile reads its windows in place.

A row of a window is one run of KW·C numbers, and neighbouring windows begin one stride apart, so a few images, or a few
rows of one, copied once with zeros around them, hold every window of a block. The pixels of an output row are the rows
of a matrix product that is never written out. The number of output channels is a multiple of LANES.
"""

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, any_array, larger, load, store
from tinygen.kernels.machine.window import copy, read, scratch

BUFFER = 1 << 16  # numbers in a block's windows: 256 kB, which leaves room in a second-level cache
SLICE = 1 << 13  # numbers in those of a weight gradient, which are read again for each few of its rows: 32 kB
PANEL = 256 * COLUMNS  # of the weights that all pixels of a block meet in turn: 32 kB, which a first-level cache holds
PARTS = 8  # of a sum over everything: each adds up its own blocks, then the parts are added in order


def fits(x: np.ndarray, channels: int, dilation) -> bool:
    """Whether a convolution of x to `channels` channels is one for this file."""
    return x.dtype == np.float32 and channels > 0 and channels % LANES == 0 and dilation[1] == 1 and x.shape[3] > 0


def convolve(x, w, bias, floor, y, pixels, form):
    """Write conv2d(x, w) + bias, at least `floor`, to some of y's `pixels`: (corner, step, extent), as in `gather.py`.

    `form` is (kernel_size, stride, padding, dilation).
    """
    panels, o = empty(w.size, x.dtype), w.shape[3]
    share(_pack, -(-o // COLUMNS), as_input(w).reshape(-1), panels, w.size // o, o)
    cut, blocks = _cut(x, pixels[2], form, BUFFER)
    share(_convolve, blocks, as_input(x), panels, as_input(bias), floor, y, pixels, form, cut)


def weight(x, g, form):
    """The gradient (KH, KW, C, O) of conv2d's w, for the gradient g (N, GH, GW, O) of its output."""
    (kh, kw), c, o = form[0], x.shape[3], g.shape[3]
    if form[:3] == ((1, 1), (1, 1), (0, 0)) and g.shape[:3] == x.shape[:3]:
        x, g = (a.reshape(len(a), 1, a.shape[1] * a.shape[2], a.shape[3]) for a in (x, g))
    cut, blocks = _cut(x, g.shape[1:3], form, SLICE)
    sums = empty((min(blocks, PARTS), kh * kw * c * o), x.dtype)
    share(_weight, len(sums), as_input(x), as_input(g), sums, form, cut, blocks)
    return sums.sum(axis=0).reshape(kh, kw, c, o)


def _cut(x, extent, form, most) -> tuple[tuple[int, int], int]:
    """How many images, or else output rows of one, make a block of `most` numbers, and how many blocks that gives."""
    kernel_size, stride, _, dilation = form
    row = ((extent[1] - 1) * stride[1] + kernel_size[1]) * x.shape[3]  # numbers in a row of the windows
    reach = dilation[0] * (kernel_size[0] - 1) + 1
    whole = ((extent[0] - 1) * stride[0] + reach) * row
    if whole <= most:
        images = max(1, min(most // whole, len(x) // PARTS))
        return (images, extent[0]), -(-len(x) // images)
    rows = max(1, (most // row - reach) // stride[0] + 1)
    return (1, rows), len(x) * -(-extent[0] // rows)


@kernel
def _pack(w, panels, k, o, start, stop):
    """w (K, O) as panels (K, COLUMNS), one behind the other; the last one may be narrower."""
    for panel in range(start, stop):
        first = panel * COLUMNS
        width = min(COLUMNS, o - first)
        for i in range(k):
            copy(w, i * o + first, panels, first * k + i * width, width)


@kernel
def _convolve(x, panels, bias, floor, y, pixels, form, cut, start, stop):
    (corner, step, (gh, gw)), ((kh, kw), (sh, sw), padding, dilation), (images, rows) = pixels, form, cut
    n, h, wide, o = y.shape
    c, columns, flat = x.shape[3], (gw - 1) * sw + kw, y.reshape(-1)
    run, pitch, reach = kw * c, dilation[0] * columns * c, dilation[0] * (kh - 1) + 1
    size, each = ((rows - 1) * sh + reach) * columns * c, (gh + rows - 1) // rows
    runs = kh if kh * run * COLUMNS <= PANEL else 1  # rows of the kernel at once, before the sums are stored
    window, shift = scratch(images * size), scratch(o)
    copy(any_array(bias), 0, shift, 0, o)
    for block in range(start, stop):
        begin, first = block // each * images, block % each * rows
        end, last = min(begin + images, n), min(first + rows, gh)
        for i in range(begin, end):
            top, tall = sh * first - padding[0], (last - first - 1) * sh + reach
            read(x, i, top, -padding[1], window, (i - begin) * size, tall, columns)
        for j in range(0, o, COLUMNS):
            m = min(COLUMNS, o - j)
            for u in range(0, kh, runs):
                panel = (j * kh + u * m) * run
                for i in range(begin, end):
                    for r in range(first, last):
                        at = (i - begin) * size + (r - first) * sh * columns * c + u * pitch
                        to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o + j
                        before, before_at, before_row = (flat, to, step[1] * o) if u else (shift, j, 0)
                        multiply(
                            *(window, at, (sw * c, 0, pitch, 1), (1, runs, run), panels, panel),
                            *(before, before_at, before_row, flat, to, step[1] * o, gw, m),
                        )
        if floor == 0:
            for i in range(begin, end):
                for r in range(first, last):
                    to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o
                    _raise(flat, to, gw, o, step[1] * o, floor)


@piece
def _raise(a, at, pixels, count, apart, floor):
    """To `floor` whatever is below it in the pixels of a row."""
    for j in range(pixels):
        for q in range(at + j * apart, at + j * apart + count, LANES):
            store(a, q, larger(load(a, q), floor))


@kernel
def _weight(x, g, sums, form, cut, blocks, start, stop):
    ((kh, kw), (sh, sw), padding, dilation), (images, rows) = form, cut
    n, gh, gw, o = g.shape
    c, columns, flat = x.shape[3], (gw - 1) * sw + kw, any_array(g.reshape(-1))
    run, reach, each = kw * c, dilation[0] * (kh - 1) + 1, (gh + rows - 1) // rows
    size, parts = ((rows - 1) * sh + reach) * columns * c, len(sums)
    window, zeros = scratch(images * size), np.zeros(o, np.float32)
    for part in range(start, stop):
        total, going = sums[part], False
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            begin, first = block // each * images, block % each * rows
            end, last = min(begin + images, n), min(first + rows, gh)
            for i in range(begin, end):
                top, tall = sh * first - padding[0], (last - first - 1) * sh + reach
                read(x, i, top, -padding[1], window, (i - begin) * size, tall, columns)
            for u in range(kh):  # rows of the product: the KW·C numbers of this row of the kernel; its sum: pixels
                at, to = u * dilation[0] * columns * c, u * run * o
                walk, sizes = (1, size, sh * columns * c, sw * c), (end - begin, last - first, gw)
                before, before_at, before_row = (total, to, o) if going else (zeros, 0, 0)
                multiply(
                    *(window, at, walk, sizes, flat, (begin * gh + first) * gw * o),
                    *(before, before_at, before_row, total, to, o, run, o),
                )
            going = True
