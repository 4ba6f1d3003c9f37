"""The convolution that fits every shape and type: each tile reads its windows in place.

A row of a window is one run of KW·C numbers, and neighbouring windows begin one stride apart, so a few images, or a few
rows of one, copied once with zeros around them, hold every window of a block. The pixels of an output row are the rows
of a matrix product that is never written out. A kernel has whole vectors of output channels, some of them padding;
what comes out of those is left in a buffer.

`form` is (kernel_size, stride, padding, dilation).
"""

import math
from functools import lru_cache
from itertools import chain

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, WIDEST, multiply, panel_width, panels_of
from tinygen.kernels.machine.sums import joined
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, transpose
from tinygen.kernels.machine.window import clear, copy, read, scratch

BUFFER = 1 << 16  # numbers in a block's windows: 256 kB, which leaves room in a second-level cache
SLICE = 1 << 13  # numbers in those of a weight gradient, which are read again for each few of its rows: 32 kB
PANEL = 256 * COLUMNS  # of the weights that all pixels of a block meet in turn: 32 kB, which a first-level cache holds
PLAIN, EXCHANGED, TURNED = range(3)  # weights as they are; inputs and outputs exchanged; and also turned round
PARTIAL_SUMS = 8  # of a sum over everything: each adds up its own blocks, then they are added in order
WORTH = 1 << 19  # multiplications of a block, at least, where an image is cut for several threads


def convolve(x, w, bias, floor, y, parts, entries=None):
    """Write conv2d(x, w) + bias, at least `floor`, to y, for each part (pixels, form).

    `pixels` are (corner, step, extent): `extent` = (height, width) pixels of y, `step` apart, from the one at `corner`
    on. `entries` are indices of the entries of w (KH·KW, C, O), by default all. Each part takes the next ones, as many
    as the kernel of its form has.
    """
    numbers, layout = _in_one_piece(w)
    table, starts, blocks = _plan(x.shape, w.shape, layout, parts, entries)
    panels, (c, m) = empty(len(starts) * w[0, 0].size, x.dtype), w.shape[2:]
    share(_pack, panels_of(m) * len(parts), numbers, panels, table, starts, c, m, layout != PLAIN)
    share(_convolve, blocks, as_input(x), panels, as_input(bias), floor, y, table)


def weight(x, g, form):
    """The gradient (KH, KW, C, O) of w, for the gradient g (N, GH, GW, O) of the output, with O in whole vectors."""
    (kh, kw), c, m = form[0], x.shape[3], -(-g.shape[3] // LANES) * LANES
    if form[:3] == ((1, 1), (1, 1), (0, 0)) and g.shape[:3] == x.shape[:3]:
        x, g = (a.reshape(len(a), 1, a.shape[1] * a.shape[2], a.shape[3]) for a in (x, g))
    cut, blocks = _cut(x.shape, g.shape[1:3], form, SLICE, m)
    sums = empty((min(blocks, PARTIAL_SUMS), kh * kw * c * m), x.dtype)
    share(_weight, len(sums), as_input(x), as_input(g), sums, form, cut, blocks)
    return joined(sums[None], x.dtype).reshape(kh, kw, c, m)


def _in_one_piece(w) -> tuple[np.ndarray, int]:
    """All numbers of w (KH, KW, C, O) in a row, and their order: PLAIN, or that of an array of which w is a view."""
    exchanged = w.transpose(0, 1, 3, 2)
    for layout, view in ((PLAIN, w), (EXCHANGED, exchanged), (TURNED, exchanged[::-1, ::-1])):
        if view.flags.c_contiguous:
            return as_input(view).reshape(-1), layout
    return as_input(w).reshape(-1), PLAIN


@lru_cache(1024)  # a training step asks for the same ones again and again
def _plan(shape, w_shape, layout, parts, entries) -> tuple[np.ndarray, np.ndarray, int]:
    """A table of the parts, where each entry of w begins, and how many blocks there are.

    A row of the table is a part's first block, its `cut`, its first entry, its pixels and form; the last is the end.
    """
    rows, blocks, taken, (kh, kw, c, o) = [], 0, 0, w_shape
    for pixels, form in parts:
        cut, more = _cut(shape, pixels[2], form, BUFFER, o)
        rows.append([blocks, *cut, taken, *chain(*pixels), *chain(*form)])
        blocks, taken = blocks + more, taken + math.prod(form[0])
    rows.append([blocks, 0, 0, taken] + [0] * (len(rows[0]) - 4))
    order = np.arange(kh * kw) if entries is None else np.array(entries)
    return as_input(np.array(rows)), as_input((kh * kw - 1 - order if layout == TURNED else order) * c * o), blocks


def _cut(shape, extent, form, most, m) -> tuple[tuple[int, int], int]:
    """How many images, or else output rows of one, make a block of at most `most` numbers, and how many blocks that is.

    A few images are cut too, unless that is not worth it.
    """
    (kh, kw), (gh, gw), (n, _, _, c) = form[0], extent, shape
    _, row, reach, size = _windows(c, gw, gh, form)
    pieces = min(-(-PARTIAL_SUMS // n), gh * gw * kh * kw * c * m // WORTH)
    if size <= most and pieces < 2:
        images = max(1, min(most // size, n // PARTIAL_SUMS))
        return (images, gh), -(-n // images)
    rows = max(1, min((most // row - reach) // form[1][0] + 1, -(-gh // max(1, pieces))))
    return (1, rows), n * -(-gh // rows)


@piece
def _windows(c, gw, rows, form):
    """For the windows of `rows` output rows of gw pixels: how many columns, numbers in a row of them, rows that one
    window reaches over, and numbers in all."""
    (kh, kw), (sh, sw), _, (dh, dw) = form
    columns, reach = (gw - 1) * sw + dw * (kw - 1) + 1, dh * (kh - 1) + 1
    return columns, columns * c, reach, ((rows - 1) * sh + reach) * columns * c


@kernel
def _pack(w, panels, table, starts, c, o, exchanged, start, stop):
    """The entries of each part, (K, O), as consecutive panels (K, COLUMNS); the last one may be narrower or wider.

    An entry is (C, O), or (O, C) if its channels are exchanged.
    """
    whole = c // LANES * LANES if exchanged else 0
    for number in range(start, stop):
        part, first = number // panels_of(o), number % panels_of(o) * COLUMNS
        begin, end, width = table[part, 3], table[part + 1, 3], panel_width(first, o)
        to = begin * c * o + (end - begin) * c * first
        for entry in range(begin, end):
            at = starts[entry] + (first * c if exchanged else first)
            for q in range(0, whole, LANES):
                for j in range(0, width, LANES):
                    transpose(w, at + j * c + q, c, panels, to + q * width + j, width)
            for q in range(whole, c if exchanged else 0):
                for j in range(width):
                    panels[to + q * width + j] = w[at + j * c + q]
            for q in range(0 if exchanged else c):
                copy(w, at + q * o, panels, to + q * width, width)
            to += c * width


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
def _convolve(x, panels, bias, floor, y, table, start, stop):
    c, shift = x.shape[3], scratch(x, len(bias))
    copy(bias, 0, shift, 0, len(bias))
    for part in range(len(table) - 1):
        row, first, last = table[part], max(start, table[part, 0]), min(stop, table[part + 1, 0])
        if first < last:
            cut, pixels = (row[1], row[2]), ((row[4], row[5]), (row[6], row[7]), (row[8], row[9]))
            form = (row[10], row[11]), (row[12], row[13]), (row[14], row[15]), (row[16], row[17])
            gw, own = row[9], panels[row[3] * c * len(bias) :]
            window = scratch(x, cut[0] * _windows(c, gw, cut[1], form)[3])
            rest = scratch(x, cut[0] * cut[1] * gw * WIDEST if len(bias) > y.shape[3] else 0)
            _convolve_part(x, own, shift, floor, y, window, rest, pixels, form, cut, first - row[0], last - row[0])


@piece
def _convolve_part(x, panels, shift, floor, y, window, rest, pixels, form, cut, start, stop):
    (corner, step, (gh, gw)), ((kh, kw), (sh, sw), _, (dh, dw)), (_, rows) = pixels, form, cut
    _, h, wide, o = y.shape
    c, flat = x.shape[3], y.reshape(-1)
    _, row, _, size = _windows(c, gw, rows, form)
    # Rows of the kernel at once, before the sums are stored.
    down = kh if kh * kw * c * COLUMNS <= PANEL else 1
    # The numbers of a window's row are next to each other, unless a dilation leaves out some.
    walk, sizes = (sw * c, 0, dh * row, 1), (1, down, kw * c)
    if dw > 1:
        walk, sizes = (sw * c, dh * row, dw * c, 1), (down, kw, c)
    for block in range(start, stop):
        begin, end, first, last = _read_block(x, window, block, gh, gw, form, cut)
        for j in range(0, panels_of(len(shift)) * COLUMNS, COLUMNS):
            m = panel_width(j, len(shift))
            padded = j + m > o  # some of the channels are padding: the others are copied from a buffer
            target, apart = (rest, m) if padded else (flat, step[1] * o)
            for u in range(0, kh, down):
                panel = (j * kh + u * m) * kw * c
                for i in range(begin, end):
                    for r in range(first, last):
                        at = (i - begin) * size + ((r - first) * sh + u * dh) * row
                        to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o + j
                        if padded:
                            to = ((i - begin) * rows + r - first) * gw * m
                        before, before_at, before_row = (target, to, apart) if u else (shift, j, 0)
                        multiply(
                            *(window, at, walk, sizes, panels, panel, m, before, before_at, before_row),
                            *(target, to, apart, gw, m),
                        )
            for i in range(begin, end if padded else begin):
                for r in range(first, last):
                    to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o + j
                    for q in range(gw):
                        at = (((i - begin) * rows + r - first) * gw + q) * m
                        copy(rest, at, flat, to + q * step[1] * o, o - j)
        if floor == 0:
            for i in range(begin, end):
                for r in range(first, last):
                    to = ((i * h + corner[0] + step[0] * r) * wide + corner[1]) * o
                    _raise(flat, to, gw, o, step[1] * o)


@piece
def _raise(a, at, pixels, count, apart):
    """To 0 whatever is below it in the pixels of a row."""
    for j in range(pixels):
        for q in range(at + j * apart, at + j * apart + count):
            a[q] = 0 if a[q] < 0 else a[q]


@kernel
def _weight(x, g, sums, form, cut, blocks, start, stop):
    """The sums of each part, (KH, KW, C, O) with O in whole vectors.

    Where they are not whole in g, the last vector of a pixel ends with the first channels of the next one, which come
    out in channels that are padding; only blocks near the end of g are copied first, with zeros after them.
    """
    ((kh, kw), (sh, sw), _, (dh, dw)), (images, rows) = form, cut
    _, gh, gw, o = g.shape
    c, parts, m = x.shape[3], len(sums), (o + LANES - 1) // LANES * LANES
    whole, (_, row, _, size) = g.reshape(-1), _windows(c, gw, rows, form)
    across, run = (1, kw * c) if dw == 1 else (kw, c)
    window, zeros = scratch(x, images * size), np.zeros(m, x.dtype)
    most = (images - 1) * gh * gw * o + rows * gw * o if m > o else 0  # numbers of g in a block
    ending = scratch(x, most + LANES)
    for part in range(start, stop):
        total, going = sums[part], False
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            begin, end, first, last = _read_block(x, window, block, gh, gw, form, cut)
            walk, sizes = (1, size, sh * row, sw * c), (end - begin, last - first, gw)
            flat, pixels = whole, (begin * gh + first) * gw * o
            count = ((end - begin - 1) * gh + last - first) * gw * o
            if m > o and pixels + count + LANES > len(whole):
                copy(whole, pixels, ending, 0, count)
                clear(ending, count, LANES)
                flat, pixels = ending, 0
            for u in range(kh):
                for v in range(across):  # a run of the kernel's numbers, each a sum over pixels
                    at, to = u * dh * row + v * dw * c, (u * across + v) * run
                    before, before_at, before_row = (total, to * m, m) if going else (zeros, 0, 0)
                    multiply(
                        *(window, at, walk, sizes, flat, pixels, o),
                        *(before, before_at, before_row, total, to * m, m, run, m),
                    )
            going = True
