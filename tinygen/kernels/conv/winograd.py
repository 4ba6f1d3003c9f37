"""Convolutions with fewer multiplications: Winograd's F(4x4, 3x3) for stride 1 and F(4x4, 2x2) for stride 2, float32.

A tile of 4x4 outputs of a 3x3 convolution is made by 36 products instead of 144, and over many channels and tiles each
of the 36 is one matrix product. With stride 2, the even and odd rows and columns of an image are four smaller images,
its phases. A kernel of 4x4 is one of 2x2 over all four at once, which does not stride; so C channels become 4C, and a
tile takes 25 products instead of 64. The transpose makes the phases of its result in the same way.
`winograd_tiles.py` has the transforms, and docs/fast.md derives them.

Rows of tiles make blocks whose matrices stay in the second-level cache. Channels are multiples of LANES; the caller
fills them up with zeros.
"""

import math

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
from tinygen.kernels.copy import in_order
from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, nothing, store
from tinygen.kernels.machine.window import scratch

PIXELS = 750  # of all images together, at least: the weights are transformed once for all of them
PRODUCTS = 50_000  # pixels times channels, at least: few channels win less by it
FILLED = 32  # channels, from which it is worth while to fill up the last vector by at most a third of them all
WEIGHTS = 1 << 14  # numbers C · O of weights with stride 2, at most: transformed, 6.5 MB
TILES = 56  # of a block with stride 1, four tall tiles: enough rows for fast products, few enough to stay cached
BUFFER = 1 << 17  # numbers in the 25 matrices of a block with stride 2: half a megabyte
GROUP = 128  # output channels of a weight gradient with stride 2 that one thread takes: more sums would leave the cache


def fits(x: np.ndarray, kernel_size, channels: int, stride, dilation) -> bool:
    """Whether a convolution of x (N, H, W, C) to `channels` channels is one for this file."""
    small = min(x.shape[1:3])  # of small images most of a tile would be edge
    if tuple(stride) == (1, 1):
        return tuple(kernel_size) == (3, 3) and small > 3 and _has_enough(x, channels, 16, dilation)
    return tuple(stride) == (2, 2) and small > 6 and _is_strided(x, kernel_size, channels, dilation, 4)


def fits_transposed(g: np.ndarray, kernel_size, channels: int, stride, dilation, size, padding) -> bool:
    """Whether a transpose with stride 2 from g (N, GH, GW, O) to images of `size` with `channels` channels is."""
    tall, wide = (4 * -(-(extent + p) // 8) for extent, p in zip(size, padding))  # pixels of the tiles of a phase
    filled = 6 * tall * wide < 9 * (size[0] // 2) * (size[1] // 2)  # else a third of each tile would be edge
    return tuple(stride) == (2, 2) and filled and _is_strided(g, kernel_size, channels, dilation)


def _is_strided(x, kernel_size, channels, dilation, each=1) -> bool:
    return tuple(kernel_size) == (4, 4) and _has_enough(x, channels, 32, dilation, each)


def _has_enough(x, channels, least, dilation, each=1) -> bool:
    """Enough float32 channels, and enough pixels (one out of `each` counts) to be worth transforming the weights.

    Channels that fill no vector get zeros beside them, if that is worth it.
    """
    c, pixels = x.shape[3], math.prod(x.shape[:3]) // each
    if pixels < max(PIXELS, PRODUCTS // min(c, channels)):
        return False
    whole = c % LANES == 0 or (c >= FILLED and 3 * -(-c // LANES) * LANES <= 4 * c)
    return x.dtype == np.float32 and tuple(dilation) == (1, 1) and whole and min(c, channels) >= least


def weights_fit(w, stride) -> bool:
    """Whether the cache holds the transformed weights, which each block reads: with stride 2 they are 100 · C · O."""
    return stride[0] == 1 or w.shape[2] * w.shape[3] <= WEIGHTS


def conv2d(x, w, bias, floor, stride, padding):
    """x (N, H, W, C) with w (KH, KW, C, O), plus bias (O,), none below `floor`: (N, GH, GW, O); `stride` is 1 or 2.

    None if a number is not finite: it would reach all pixels of its tiles.
    """
    size = [(extent + 2 * p - k) // stride + 1 for extent, p, k in zip(x.shape[1:3], padding, w.shape)]
    return _made(x, w, bias, floor, size, (stride, 1), tuple(padding), (0, 0))


def conv_transpose2d(g, w, bias, floor, size, padding):
    """The transpose with stride 2: images (N, H, W, C) of `size` from g (N, GH, GW, O), plus bias (C,); or None."""
    return _made(g, w.transpose(0, 1, 3, 2), bias, floor, size, (1, 2), (1, 1), tuple(padding))


def conv2d_weight(x, g, kernel_size, stride, padding):
    """The gradient (KH, KW, C, O) of `conv2d`'s w, for x (N, H, W, C) and the gradient g (N, GH, GW, O) of its output.

    Each part of the batch has its own sums, which are then added in order. With stride 1 a part is eight blocks, since
    a longer sum would have too large a rounding error, or there are four parts, for four threads. With stride 2 the
    sums would be too many for a cache and four parts: there threads share the output channels first.
    """
    (n, gh, gw, o), c, phases = g.shape, x.shape[3], (0,) * stride
    strips, blocks = _blocks(n, gh, gw, stride * TILES)
    group = o if stride == 1 else GROUP
    groups = -(-o // group)
    parts = max(min(blocks, 4), blocks // 8) if stride == 1 else min(blocks, -(-4 // groups))
    sums, w = empty((parts, (7 - stride) ** 2 * stride**2 * c * o), x.dtype), np.empty((*kernel_size, c, o), x.dtype)
    form = stride, tuple(padding), group
    share(_weight, parts * groups, phases, as_input(x), as_input(g), sums, form, strips)
    share(restore_weights, stride**2 * c, phases, sums, w)
    return w


def _made(x, w, bias, floor, size, strides, padding, cut):
    """The images of `size` that x and w (KH, KW, C, O) make; `strides` are those between pixels of x and between pixels
    of y, `cut` what is cut off from y."""
    (n, _, _, c), o, (stride, step) = x.shape, w.shape[3], strides
    y, phases, turned = empty((n, *size, o), x.dtype), (0,) * max(strides), step == 2
    weights = empty((7 - len(phases)) ** 2 * max(strides) ** 2 * c * o, w.dtype)
    share(transform_weights, c, phases, as_input(in_order(w)), weights, turned)
    tiles = TILES if len(phases) == 1 else max(8, BUFFER // (25 * (stride**2 * c + step**2 * o)))
    high, wide = (-(-(extent + p) // step) for extent, p in zip(size, cut))
    strips, blocks = _blocks(n, high, wide, tiles, least=8)
    checks, form = np.zeros(blocks * LANES, x.dtype), (strides, padding, cut)
    share(_convolve, blocks, phases, as_input(x), weights, as_input(bias), floor, y, checks, form, strips)
    return y if np.isfinite(checks).all() else None


def _blocks(n: int, high: int, wide: int, tiles: int, least: int | None = None) -> tuple[int, int]:
    """How many rows of 4x4 tiles of n images (high, wide) make a block of about `tiles`, and how many blocks.

    With `least`, there are at least four blocks, unless these would have fewer tiles.
    """
    strips, along = n * -(-high // 4), max(1, -(-wide // 4))
    fair = strips if least is None else max(-(-strips // 4), -(-least // along))
    each = max(1, min(tiles // along, fair))
    return each, -(-strips // each)


# -- the kernels -------------------------------------------------------------------------------------------------------


@kernel
def _convolve(phases, x, weights, bias, floor, y, checks, form, strips, start, stop):
    (n, h, w, o), c, tile_products = y.shape, x.shape[3], along_tile(phases) ** 2
    (stride, step), padding, cut = form
    tall, wide = (h + cut[0] + 4 * step - 1) // (4 * step), (w + cut[1] + 4 * step - 1) // (4 * step)
    k, m = stride * stride * c, step * step * o
    size = scratch_size(phases, stride, wide, c)
    window, rows = scratch(x, size), scratch(x, size)
    # One tile more than needed, so that planes aren't a power of two apart and don't push each other from the cache.
    plane, out_plane = (strips * wide + 1) * k, (strips * wide + 1) * m
    products, outputs = scratch(x, tile_products * plane), scratch(x, tile_products * out_plane)
    zeros = np.zeros(COLUMNS, x.dtype)
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        to_products(phases, stride, x, padding, tall, wide, window, rows, products, plane, k, first, last)
        for p in range(tile_products):
            for j in range(0, m, COLUMNS):
                columns, to = min(COLUMNS, m - j), p * out_plane + j
                multiply(
                    *(products, p * plane, (k, 0, 0, 1), (1, 1, k), weights, (p * m + j) * k, columns, zeros, 0, 0),
                    *(outputs, to, m, (last - first) * wide, columns),
                )
        check = nothing(y)
        for tile in range((last - first) * wide):
            strip, t = first + tile // wide, tile % wide
            for phase in range(step * step):
                row, column = 4 * step * (strip % tall) + phase // step, 4 * step * t + phase % step
                place = strip // tall, row - cut[0], column - cut[1], step
                at = (step * step * tile + phase) * o
                check += from_products(phases, outputs, out_plane, at, o, bias, floor, y, place)
        store(checks, block * LANES, check)


@kernel
def _weight(phases, x, g, sums, form, strips, start, stop):
    """Both factors of the weight gradient, block by block, and their products added to a part's sums."""
    (n, h, w, o), c, tile_products = g.shape, x.shape[3], along_tile(phases) ** 2
    stride, padding, group = form
    tall, wide, k = (h + 3) // 4, (w + 3) // 4, stride * stride * c
    # The columns of the products are read, and would share few sets of the cache if rows were a power of two apart.
    tiles, pitch, size = strips * wide + 1, k + 16 * (stride - 1), scratch_size(phases, stride, wide, c)
    window, rows, out_window = scratch(x, size), scratch(x, size), scratch(x, 16 * wide * o)
    products, gradients = scratch(x, tile_products * tiles * pitch), scratch(x, tile_products * tiles * group)
    zeros, parts, blocks = np.zeros(COLUMNS, x.dtype), len(sums), (n * tall + strips - 1) // strips
    groups = (o + group - 1) // group
    for unit in range(start, stop):
        part, channel, going = unit // groups, unit % groups * group, False
        total, count = sums[part], min(group, o - channel)
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * strips, min((block + 1) * strips, n * tall)
            plane = tiles * pitch
            to_products(phases, stride, x, padding, tall, wide, window, rows, products, plane, pitch, first, last)
            for strip in range(first, last):
                tile = (strip - first) * wide
                to_gradients(phases, g, tall, wide, out_window, gradients, tiles, tile, strip, channel, count)
            for p in range(tile_products):
                for j in range(0, count, COLUMNS):
                    columns, to = min(COLUMNS, count - j), p * k * o + channel + j
                    before, before_at, before_row = (total, to, o) if going else (zeros, 0, 0)
                    multiply(
                        *(products, p * plane, (1, 0, 0, pitch), (1, 1, (last - first) * wide)),
                        *(gradients, (p * count + j) * tiles, columns, before, before_at, before_row),
                        *(total, to, o, k, columns),
                    )
            going = True
