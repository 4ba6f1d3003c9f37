"""Convolutions with fewer multiplications: Winograd's F(4x4, 3x3) for stride 1 and F(4x4, 2x2) for stride 2, float32.

A tile of 4x4 outputs of a 3x3 convolution is made by 36 products instead of 144, and over many channels and tiles each
of the 36 is one matrix product. With stride 2, the even and odd rows and columns of an image are four smaller images,
its phases. A kernel of 4x4 is one of 2x2 over all four at once, which does not stride (3x3 is 4x4 with zeros); so C
channels become 4C, and a tile takes 25 products instead of 64. The transpose makes the phases of its result in the same
way. `winograd_tiles.py` has the transforms, and docs/fast.md derives them.

Rows of tiles make blocks whose matrices stay in the second-level cache. Channels are multiples of LANES.
"""

import numpy as np

from tinygen.kernels.conv.winograd_tiles import (
    along_tile,
    from_products,
    restore_weights,
    scratch_size,
    to_gradients,
    to_products,
    transform_weights,
)
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, nothing, total
from tinygen.kernels.machine.window import clear, scratch

TILES = 56  # of a block with stride 1, four tall tiles: enough rows for fast products, few enough to stay cached
BUFFER = 1 << 17  # numbers in the 25 matrices of a block with stride 2: half a megabyte
WEIGHT_TILES = 128  # at most in a block of the weight gradient with stride 2


def fits(x: np.ndarray, kernel_size, channels: int, stride, dilation, *, transposed: bool = False) -> bool:
    """Whether a convolution of x (N, H, W, C) to `channels` channels is one for this file."""
    if x.dtype != np.float32 or tuple(dilation) != (1, 1) or x.shape[3] % LANES:  # `channels` that are made get padded
        return False
    narrow, small = min(x.shape[3], channels), min(x.shape[1:3])  # of small images most of a tile would be edge
    if tuple(stride) == (1, 1):
        return tuple(kernel_size) == (3, 3) and narrow >= 16 and small > 3
    return tuple(stride) == (2, 2) and {*kernel_size} <= {3, 4} and narrow >= 32 and small > (3 if transposed else 6)


def conv2d(x, w, bias, floor, stride, padding):
    """x (N, H, W, C) with w (KH, KW, C, O), plus bias (O,), none below `floor`: (N, GH, GW, O); `stride` is 1 or 2.

    None if a number is not finite: it would reach all pixels of its tiles.
    """
    (n, h, wide, c), (kh, kw, _, o), phases = x.shape, w.shape, (0,) * stride
    y = empty((n, (h + 2 * padding[0] - kh) // stride + 1, (wide + 2 * padding[1] - kw) // stride + 1, o), x.dtype)
    weights = _transformed(phases, w, turned=False)
    tiles = TILES if stride == 1 else max(8, BUFFER // (25 * (4 * c + o)))
    strips, blocks = _blocks(n, y.shape[1], y.shape[2], tiles)
    checks, form = np.zeros(blocks, x.dtype), (_short(phases, kh, kw), tuple(padding))
    share(_conv2d, blocks, phases, as_input(x), weights, as_input(bias), floor, y, checks, *form, strips)
    return y if np.isfinite(checks).all() else None


def conv_transpose2d(g, w, bias, floor, size, padding):
    """The transpose with stride 2: images (N, H, W, C) of `size` from g (N, GH, GW, O), plus bias (C,); or None."""
    (n, _, _, o), (kh, kw, c, _), phases = g.shape, w.shape, (0, 0)
    x = empty((n, *size, c), g.dtype)
    weights = _transformed(phases, w.transpose(0, 1, 3, 2), turned=True)
    # Rows of a phase: those before the image, which padding cuts off, are made as well.
    high, wide = ((extent + p + 1) // 2 for extent, p in zip(size, padding))
    strips, blocks = _blocks(n, high, wide, max(8, BUFFER // (25 * (4 * c + o))))
    checks, form = np.zeros(blocks, g.dtype), (_short(phases, kh, kw), tuple(padding))
    share(_conv_transpose2d, blocks, phases, as_input(g), weights, as_input(bias), floor, x, checks, *form, strips)
    return x if np.isfinite(checks).all() else None


def conv2d_weight(x, g, kernel_size, stride, padding):
    """The gradient (KH, KW, C, O) of `conv2d`'s w, for x (N, H, W, C) and the gradient g (N, GH, GW, O) of its output.

    With stride 1 each part of the batch has its own sums, which are then added in order: of eight blocks each, because
    the rounding errors of a longer sum would be too large, or of all blocks in four parts, for four threads. With
    stride 2 such sums would be too large for a cache: all threads transform a block, then share its 25 products.
    """
    (n, gh, gw, o), c, (kh, kw), phases = g.shape, x.shape[3], kernel_size, (0,) * stride
    strips, blocks = _blocks(n, gh, gw, TILES if stride == 1 else WEIGHT_TILES)
    products, w = (7 - stride) ** 2, np.zeros((kh, kw, c, o), x.dtype)
    if blocks == 0:
        return w
    x, g = as_input(x), as_input(g)
    if stride == 1:
        sums = empty((max(min(blocks, 4), blocks // 8), products * c * o), x.dtype)
        share(_sums_of_parts, len(sums), phases, x, g, sums, tuple(padding), strips)
    else:
        tall, wide = -(-gh // 4), -(-gw // 4)
        tiles = strips * wide
        made, gradients = empty(products * tiles * _pitch(c), x.dtype), empty(products * tiles * o, x.dtype)
        sums = empty((1, products * 4 * c * o), x.dtype)
        for first in range(0, n * tall, strips):
            count = min(strips, n * tall - first)
            share(_transform, count, phases, x, g, made, gradients, tuple(padding), first, tiles)
            form = _short(phases, kh, kw), (c, o, tiles, count * wide), first
            share(_multiply_transposed, products * -(-o // COLUMNS), phases, made, gradients, sums[0], *form)
    share(restore_weights, stride**2 * c, phases, sums, w)
    return w


def _transformed(phases, w: np.ndarray, *, turned: bool) -> np.ndarray:
    _, _, k, m = w.shape
    weights = empty((7 - len(phases)) ** 2 * len(phases) ** 2 * k * m, w.dtype)
    share(transform_weights, k, phases, as_input(w), weights, turned)
    return weights


def _short(phases, kh: int, kw: int) -> tuple[bool, bool]:
    """Along which axes the odd phase meets one weight only: the other is zero, and so is one of five products."""
    return len(phases) == 2 and kh == 3, len(phases) == 2 and kw == 3


def _blocks(n: int, high: int, wide: int, tiles: int) -> tuple[int, int]:
    """How many rows of 4x4 tiles of n images (high, wide) make a block of about `tiles`, and how many blocks."""
    strips = n * -(-high // 4)
    each = max(1, min(tiles // max(1, -(-wide // 4)), strips))
    return each, -(-strips // each)


# -- the kernels -------------------------------------------------------------------------------------------------------


@piece
def _met(phases, p, short, c):
    """Which channels of all phases plane p of the weights meets: (how many runs, 2C apart, how long each)."""
    if len(phases) == 1:
        return 1, c
    even_row, even_column = short[0] and p // 5 == 4, short[1] and p % 5 == 4
    if even_column:
        return (1 if even_row else 2), c
    return 1, (2 if even_row else 4) * c


@kernel
def _conv2d(phases, x, weights, bias, floor, y, checks, short, padding, strips, start, stop):
    (n, h, w, o), c, s, tile_products = y.shape, x.shape[3], len(phases), along_tile(phases) ** 2
    tall, wide, k = (h + 3) // 4, (w + 3) // 4, s * s * c
    window, rows = scratch(scratch_size(phases, s, wide, c)), scratch(scratch_size(phases, s, wide, c))
    # One tile more than needed, so that planes aren't a power of two apart and don't push each other from the cache.
    plane, out_plane = (strips * wide + 1) * k, (strips * wide + 1) * o
    products, outputs = scratch(tile_products * plane), scratch(tile_products * out_plane)
    zeros = np.zeros(COLUMNS, x.dtype)
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        to_products(phases, s, x, padding, tall, wide, window, rows, products, plane, k, first, last)
        for p in range(tile_products):
            runs, length = _met(phases, p, short, c)
            for j in range(0, o, COLUMNS):
                m, to = min(COLUMNS, o - j), p * out_plane + j
                for r in range(runs):
                    before, before_at, before_row = (outputs, to, o) if r else (zeros, 0, 0)
                    multiply(
                        *(products, p * plane + 2 * r * c, (k, 0, 0, 1), (1, 1, length)),
                        *(weights, (p * o + j) * k + 2 * r * c * m, before, before_at, before_row),
                        *(outputs, to, o, (last - first) * wide, m),
                    )
        check = nothing()
        for tile in range((last - first) * wide):
            strip, t = first + tile // wide, tile % wide
            place = strip // tall, 4 * (strip % tall), 4 * t, 1
            check += from_products(phases, outputs, out_plane, tile * o, o, bias, floor, y, place)
        checks[block] = total(check)


@kernel
def _conv_transpose2d(phases, g, weights, bias, floor, x, checks, short, padding, strips, start, stop):
    n, h, w, c = x.shape
    o, tall, wide = g.shape[3], ((h + padding[0] + 1) // 2 + 3) // 4, ((w + padding[1] + 1) // 2 + 3) // 4
    window, rows = scratch(scratch_size(phases, 1, wide, o)), scratch(scratch_size(phases, 1, wide, o))
    plane, out_plane = (strips * wide + 1) * o, (strips * wide + 1) * 4 * c
    products, outputs, zeros = scratch(25 * plane), scratch(25 * out_plane), np.zeros(COLUMNS, g.dtype)
    clear(outputs, 0, len(outputs))
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        to_products(phases, 1, g, (1, 1), tall, wide, window, rows, products, plane, o, first, last)
        for p in range(25):
            for j in range(0, 4 * c, COLUMNS):
                a, b = j // c // 2, j // c % 2
                if c % COLUMNS == 0 and ((short[0] and a and p // 5 == 0) or (short[1] and b and p % 5 == 0)):
                    continue  # the weights of this phase, turned round, begin with a zero: so do its products
                multiply(
                    *(products, p * plane, (o, 0, 0, 1), (1, 1, o), weights, (p * 4 * c + j) * o, zeros, 0, 0),
                    *(outputs, p * out_plane + j, 4 * c, (last - first) * wide, min(COLUMNS, 4 * c - j)),
                )
        check = nothing()
        for tile in range((last - first) * wide):
            strip, t = first + tile // wide, tile % wide
            for phase in range(4):
                row, column = 8 * (strip % tall) + phase // 2 - padding[0], 8 * t + phase % 2 - padding[1]
                at, place = (4 * tile + phase) * c, (strip // tall, row, column, 2)
                check += from_products(phases, outputs, out_plane, at, c, bias, floor, x, place)
        checks[block] = total(check)


@kernel
def _sums_of_parts(phases, x, g, sums, padding, strips, start, stop):
    """Both factors of the weight gradient with stride 1, block by block, and their products added to a part's sums."""
    (n, h, w, o), c, tile_products = g.shape, x.shape[3], along_tile(phases) ** 2
    tall, wide = (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(scratch_size(phases, 1, wide, c)), scratch(scratch_size(phases, 1, wide, c))
    out_window, tiles = scratch(16 * wide * o), strips * wide + 1
    products, gradients = scratch(tile_products * tiles * c), scratch(tile_products * tiles * o)
    zeros, parts, blocks = np.zeros(COLUMNS, np.float32), len(sums), (n * tall + strips - 1) // strips
    for part in range(start, stop):
        total, going = sums[part], False
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * strips, min((block + 1) * strips, n * tall)
            to_products(phases, 1, x, padding, tall, wide, window, rows, products, tiles * c, c, first, last)
            for strip in range(first, last):
                to_gradients(phases, g, tall, wide, out_window, gradients, tiles, (strip - first) * wide, strip)
            for p in range(tile_products):
                for j in range(0, o, COLUMNS):
                    to = p * c * o + j
                    before, before_at, before_row = (total, to, o) if going else (zeros, 0, 0)
                    multiply(
                        *(products, p * tiles * c, (1, 0, 0, c), (1, 1, (last - first) * wide)),
                        *(gradients, (p * o + j) * tiles, before, before_at, before_row, total, to, o, c),
                        min(COLUMNS, o - j),
                    )
            going = True


@piece
def _pitch(c):
    """The distance between rows of products, 4C numbers and some: their columns are read, and would share few sets of
    the cache if that were a power of two."""
    return 4 * c + 16


@kernel
def _transform(phases, x, g, products, gradients, padding, strip, tiles, start, stop):
    """Both factors of the weight gradient with stride 2 for the rows of tiles strip + start..strip + stop."""
    (_, h, w, o), c = g.shape, x.shape[3]
    tall, wide, pitch = (h + 3) // 4, (w + 3) // 4, _pitch(c)
    window, rows = scratch(scratch_size(phases, 2, wide, c)), scratch(scratch_size(phases, 2, wide, c))
    out_window = scratch(16 * wide * o)
    for s in range(start, stop):
        at, plane = products[s * wide * pitch :], tiles * pitch
        to_products(phases, 2, x, padding, tall, wide, window, rows, at, plane, pitch, strip + s, strip + s + 1)
        to_gradients(phases, g, tall, wide, out_window, gradients, tiles, s * wide, strip + s)


@kernel
def _multiply_transposed(phases, products, gradients, sums, short, sizes, going, start, stop):
    """The panels start..stop of the 25 products (4C, tiles) @ (tiles, O), added to the sums if any went before."""
    c, o, tiles, count = sizes
    panels, pitch, zeros = (o + COLUMNS - 1) // COLUMNS, _pitch(c), np.zeros(COLUMNS, np.float32)
    for unit in range(start, stop):
        p, j = unit // panels, unit % panels * COLUMNS
        runs, length = _met(phases, p, short, c)
        for r in range(runs):
            to = (p * 4 * c + 2 * r * c) * o + j
            before, before_at, before_row = (sums, to, o) if going else (zeros, 0, 0)
            multiply(
                *(products, p * tiles * pitch + 2 * r * c, (1, 0, 0, pitch), (1, 1, count)),
                *(gradients, (p * o + j) * tiles, before, before_at, before_row, sums, to, o, length),
                min(COLUMNS, o - j),
            )
