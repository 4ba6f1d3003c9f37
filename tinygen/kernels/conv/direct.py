"""The convolution that fits every shape and type: each tile reads its windows in place.

A row of a window is one run of KW·C numbers, and neighbouring windows begin one stride apart, so a few images, or a few
rows of one, copied once with zeros around them, hold every window of a block. The pixels of an output row are the rows
of a matrix product that is never written out. The number of output channels is a multiple of LANES, or vectors run
along the input channels: of fewer output channels than lanes, a vector would be mostly padding.

`form` is (kernel_size, stride, padding, dilation).
"""

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.transform import store_all
from tinygen.kernels.machine.vectors import LANES, load, nothing
from tinygen.kernels.machine.window import copy, read, scratch

BUFFER = 1 << 16  # numbers in a block's windows: 256 kB, which leaves room in a second-level cache
SLICE = 1 << 13  # numbers in those of a weight gradient, which are read again for each few of its rows: 32 kB
PANEL = 256 * COLUMNS  # of the weights that all pixels of a block meet in turn: 32 kB, which a first-level cache holds
FEW = LANES // 4  # output channels: the lanes of a vector along the input have to be added up for each
PARTIAL_SUMS = 8  # of a sum over everything: each adds up its own blocks, then they are added in order


def runs_along_input(x, channels: int, limit: int) -> bool:
    """Whether vectors run along the channels of x, since there are fewer than `limit` output channels."""
    return channels < limit and x.shape[3] % LANES == 0


def convolve(x, w, bias, floor, y, pixels, form):
    """Write conv2d(x, w) + bias, at least `floor`, to some `pixels` of y: (corner, step, extent).

    These are `extent` = (height, width) of them, `step` apart, from the one at `corner` on.
    """
    panels, o = empty(w.size, x.dtype), w.shape[3]
    if runs_along_input(x, o, FEW):
        panels.reshape(o, -1)[:] = w.reshape(-1, o).T
    else:
        share(_pack, -(-o // COLUMNS), as_input(w).reshape(-1), panels, w.size // o, o)
    cut, blocks = _cut(x, pixels[2], form, BUFFER)
    share(_convolve, blocks, as_input(x), panels, as_input(bias), floor, y, pixels, form, cut)


def weight(x, g, form):
    """The gradient (KH, KW, C, O) of conv2d's w, for the gradient g (N, GH, GW, O) of its output."""
    (kh, kw), c, o = form[0], x.shape[3], g.shape[3]
    if form[:3] == ((1, 1), (1, 1), (0, 0)) and g.shape[:3] == x.shape[:3]:
        x, g = (a.reshape(len(a), 1, a.shape[1] * a.shape[2], a.shape[3]) for a in (x, g))
    cut, blocks = _cut(x, g.shape[1:3], form, SLICE)
    sums = empty((min(blocks, PARTIAL_SUMS), kh * kw * c * o), x.dtype)
    share(_weight, len(sums), as_input(x), as_input(g), sums, form, cut, blocks)
    total = sums.sum(axis=0)
    if runs_along_input(x, o, LANES):
        return total.reshape(o, kh, kw, c).transpose(1, 2, 3, 0)
    return total.reshape(kh, kw, c, o)


def _cut(x, extent, form, most) -> tuple[tuple[int, int], int]:
    """How many images, or else output rows of one, make a block of `most` numbers, and how many blocks that gives."""
    _, row, reach, size = _windows(x.shape[3], extent[1], extent[0], form)
    if size <= most:
        images = max(1, min(most // size, len(x) // PARTIAL_SUMS))
        return (images, extent[0]), -(-len(x) // images)
    rows = max(1, (most // row - reach) // form[1][0] + 1)
    return (1, rows), len(x) * -(-extent[0] // rows)


@piece
def _windows(c, gw, rows, form):
    """For the windows of `rows` output rows of gw pixels: how many columns, numbers in a row of them, rows that one
    window reaches over, and numbers in all."""
    (kh, kw), (sh, sw), _, (dh, dw) = form
    columns, reach = (gw - 1) * sw + dw * (kw - 1) + 1, dh * (kh - 1) + 1
    return columns, columns * c, reach, ((rows - 1) * sh + reach) * columns * c


@kernel
def _pack(w, panels, k, o, start, stop):
    """w (K, O) as consecutive panels (K, COLUMNS); the last one may be narrower."""
    for panel in range(start, stop):
        first = panel * COLUMNS
        width = min(COLUMNS, o - first)
        for i in range(k):
            copy(w, i * o + first, panels, first * k + i * width, width)


@piece
def _read_block(x, window, block, gh, gw, form, cut):
    """Copy the windows of a block; returns which images and output rows these are: from, to, and from, to."""
    (images, rows), (_, (sh, _), (ph, pw), _) = cut, form
    columns, _, reach, size = _windows(x.shape[3], gw, rows, form)
    each = (gh + rows - 1) // rows
    begin, first = block // each * images, block % each * rows
    end, last = min(begin + images, len(x)), min(first + rows, gh)
    for i in range(begin, end):
        read(x, i, sh * first - ph, -pw, window, (i - begin) * size, (last - first - 1) * sh + reach, columns)
    return begin, end, first, last


@kernel
def _convolve(x, panels, bias, floor, y, pixels, form, cut, start, stop):
    (corner, step, (gh, gw)), ((kh, kw), (sh, sw), _, (dh, dw)), (images, rows) = pixels, form, cut
    _, h, wide, o = y.shape
    c, flat = x.shape[3], y.reshape(-1)
    _, row, _, size = _windows(c, gw, rows, form)
    # Rows of the kernel at once, before the sums are stored.
    down = kh if o < LANES or kh * kw * c * COLUMNS <= PANEL else 1
    # The numbers of a window's row are next to each other, unless a dilation leaves out some.
    walk, sizes = (sw * c, 0, dh * row, 1), (1, down, kw * c)
    if dw > 1:
        walk, sizes = (sw * c, dh * row, dw * c, 1), (down, kw, c)
    window, shift, sums = scratch(x, images * size), scratch(x, o), scratch(x, 4 * LANES)
    copy(bias, 0, shift, 0, o)
    for block in range(start, stop):
        begin, end, first, last = _read_block(x, window, block, gh, gw, form, cut)
        for j in range(0, o, COLUMNS):
            m = min(COLUMNS, o - j)
            for u in range(0, kh, down):
                panel = (j * kh + u * m) * kw * c
                for i in range(begin, end):
                    for r in range(first, last):
                        at = (i - begin) * size + ((r - first) * sh + u * dh) * row
                        to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o + j
                        if o < LANES:
                            _dots(window, at, walk, sizes, panels, shift, sums, flat, to, step[1] * o, gw, o)
                            continue
                        before, before_at, before_row = (flat, to, step[1] * o) if u else (shift, j, 0)
                        multiply(
                            *(window, at, walk, sizes, panels, panel, m),
                            *(before, before_at, before_row, flat, to, step[1] * o, gw, m),
                        )
        if floor == 0:
            for i in range(begin, end):
                for r in range(first, last):
                    to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o
                    _raise(flat, to, gw, o, step[1] * o)


@piece
def _dots(x, x_at, walk, sizes, w, start, four, y, y_at, y_row, n, m):
    """`multiply` by the transpose of w (M, K), for so few columns that vectors had better run along the sums.

    The numbers of a run are next to each other, and LANES divides their count. `four` has room for four vectors.
    """
    groups, runs, count = sizes
    for i in range(0, n, 4):  # rows at a time, which share what is loaded of w; the last one perhaps more than once
        p, q = x_at + i * walk[0], x_at + min(i + 1, n - 1) * walk[0]
        r, s = x_at + min(i + 2, n - 1) * walk[0], x_at + min(i + 3, n - 1) * walk[0]
        for column in range(m):
            a, b, c, d = nothing(x), nothing(x), nothing(x), nothing(x)
            k = column * groups * runs * count
            for group in range(groups):
                for run in range(runs):
                    at = group * walk[1] + run * walk[2]
                    for j in range(at, at + count, LANES):
                        weights = load(w, k)
                        a, b = a + load(x, p + j) * weights, b + load(x, q + j) * weights
                        c, d = c + load(x, r + j) * weights, d + load(x, s + j) * weights
                        k += LANES
            store_all(four, 0, LANES, (a, b, c, d))
            for row in range(min(4, n - i)):
                total = start[column]
                for j in range(row * LANES, (row + 1) * LANES):
                    total += four[j]
                y[y_at + (i + row) * y_row + column] = total


@piece
def _raise(a, at, pixels, count, apart):
    """To 0 whatever is below it in the pixels of a row."""
    for j in range(pixels):
        for q in range(at + j * apart, at + j * apart + count):
            a[q] = 0 if a[q] < 0 else a[q]


@kernel
def _weight(x, g, sums, form, cut, blocks, start, stop):
    """The sums of each part: (KH, KW, C, O), or (O, KH, KW, C) if vectors run along the input channels."""
    ((kh, kw), (sh, sw), _, (dh, dw)), (images, rows) = form, cut
    _, gh, gw, o = g.shape
    c, flat, parts = x.shape[3], g.reshape(-1), len(sums)
    _, row, _, size = _windows(c, gw, rows, form)
    (across, run), k = (1, kw * c) if dw == 1 else (kw, c), kh * kw * c
    window, zeros = scratch(x, images * size), np.zeros(max(o, run), x.dtype)
    for part in range(start, stop):
        total, going = sums[part], False
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            begin, end, first, last = _read_block(x, window, block, gh, gw, form, cut)
            walk, sizes = (1, size, sh * row, sw * c), (end - begin, last - first, gw)
            for u in range(kh):
                for v in range(across):  # a run of the kernel's numbers, each a sum over pixels
                    at, to = u * dh * row + v * dw * c, (u * across + v) * run
                    if o >= LANES:
                        before, before_at, before_row = (total, to * o, o) if going else (zeros, 0, 0)
                        multiply(
                            *(window, at, walk, sizes, flat, (begin * gh + first) * gw * o, o),
                            *(before, before_at, before_row, total, to * o, o, run, o),
                        )
                        continue
                    for i in range(begin, end):
                        for r in range(first, last):
                            here, pixels = at + (i - begin) * size + (r - first) * sh * row, (i * gh + r) * gw * o
                            new = not going and i == begin and r == first
                            before, before_at, before_row = (zeros, 0, 0) if new else (total, to, k)
                            multiply(
                                *(flat, pixels, (1, 0, 0, o), (1, 1, gw), window, here, sw * c),
                                *(before, before_at, before_row, total, to, k, o, run),
                            )
            going = True
