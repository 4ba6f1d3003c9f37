"""Convolutions with stride 2 and kernels of 3x3 or 4x4 with fewer multiplications: Winograd's F(4x4, 2x2), for float32.

The even and odd rows and columns of an image are four smaller images, its phases. A kernel of 4x4 that strides by 2 is
one of 2x2 over all four at once, which does not stride (3x3 is 4x4 with zeros); so C channels become 4C. Then, as in
`winograd.py`, 4x4 outputs depend on 5x5 inputs, and  Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A  takes 25 products instead of 64. The
transpose makes the phases of its result in the same way. docs/fast.md derives the matrices and their errors.
"""

import numpy as np

from tinygen.kernels.conv.winograd_phases import (
    from_products,
    phases_to_products,
    restore_weights,
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

BUFFER = 1 << 17  # numbers in the 25 matrices of a block: half a megabyte, for a second-level cache
TILES = 128  # at most in a block of the weight gradient


def fits(x: np.ndarray, kernel_size, channels: int, stride, dilation, *, transposed: bool = False) -> bool:
    """Whether a convolution of x (N, H, W, C) to `channels` channels is one for this file."""
    return (
        x.dtype == np.float32
        and all(k in (3, 4) for k in kernel_size)
        and tuple(stride) == (2, 2)
        and tuple(dilation) == (1, 1)
        and x.shape[3] >= 32
        and channels >= 32
        and x.shape[3] % LANES == 0  # `channels` that are made get filled up
        and min(x.shape[1:3]) > (3 if transposed else 6)  # of smaller images most of a tile would be edge
    )


def conv2d(x, w, bias, floor, padding):
    """x (N, H, W, C) with w (KH, KW, C, O), stride 2, plus bias (O,), none below `floor`: (N, GH, GW, O).

    None if a number is not finite: it would reach all pixels of its tiles.
    """
    (n, h, wide, c), (kh, kw, _, o) = x.shape, w.shape
    y = empty((n, (h + 2 * padding[0] - kh) // 2 + 1, (wide + 2 * padding[1] - kw) // 2 + 1, o), x.dtype)
    weights = empty(25 * 4 * c * o, w.dtype)
    share(transform_weights, c, as_input(w), weights, False)
    strips, blocks = _blocks(n, *y.shape[1:3], BUFFER // (25 * (4 * c + o)))
    checks, form = np.zeros(blocks, x.dtype), (_short(kh, kw), tuple(padding))
    share(_conv2d, blocks, as_input(x), weights, as_input(bias), floor, y, checks, *form, strips)
    return y if np.isfinite(checks).all() else None


def conv_transpose2d(g, w, bias, floor, size, padding):
    """The transpose: images (N, H, W, C) of `size` from g (N, GH, GW, O), plus bias (C,); None as in `conv2d`."""
    n, (kh, kw, c, o) = len(g), w.shape
    x = empty((n, *size, c), g.dtype)
    weights = empty(25 * 4 * c * o, w.dtype)
    share(transform_weights, o, as_input(w.transpose(0, 1, 3, 2)), weights, True)
    # Rows of a phase: those before the image, which padding cuts off, are made as well.
    high, wide = ((extent + p + 1) // 2 for extent, p in zip(size, padding))
    strips, blocks = _blocks(n, high, wide, BUFFER // (25 * (4 * c + o)))
    checks, form = np.zeros(blocks, g.dtype), (_short(kh, kw), tuple(padding))
    share(_conv_transpose2d, blocks, as_input(g), weights, as_input(bias), floor, x, checks, *form, strips)
    return x if np.isfinite(checks).all() else None


def conv2d_weight(x, g, kernel_size, padding):
    """The gradient (KH, KW, C, O) of `conv2d`'s w, for x (N, H, W, C) and the gradient g (N, GH, GW, O) of its y."""
    (n, gh, gw, o), c, (kh, kw) = g.shape, x.shape[3], kernel_size
    tall, wide = -(-gh // 4), -(-gw // 4)
    strips = max(1, min(TILES // max(1, wide), n * tall))
    tiles = strips * wide
    # The sums of a product go over all tiles. So first all threads transform a block, then they share its 25 products.
    products, gradients = empty(25 * tiles * _pitch(c), x.dtype), empty(25 * tiles * o, x.dtype)
    sums, w = empty(25 * 4 * c * o, x.dtype), np.zeros((kh, kw, c, o), x.dtype)
    for first in range(0, n * tall, strips):
        count = min(strips, n * tall - first)
        share(_transform, count, as_input(x), as_input(g), products, gradients, tuple(padding), first, tiles)
        sizes = c, o, tiles, count * wide
        share(_multiply_transposed, 25 * -(-o // COLUMNS), products, gradients, sums, _short(kh, kw), sizes, first)
    if n * tall * wide:
        share(restore_weights, 4 * c, sums, w)
    return w


def _short(kh: int, kw: int) -> tuple[bool, bool]:
    """Along which axes the odd phase meets one weight only: the other is zero, and so is one of five products."""
    return kh == 3, kw == 3


def _blocks(n: int, high: int, wide: int, tiles: int) -> tuple[int, int]:
    """How many rows of 4x4 tiles of n images (high, wide) make a block of about `tiles`, and how many blocks."""
    strips = n * -(-high // 4)
    each = max(1, min(max(tiles, 8) // max(1, -(-wide // 4)), strips))
    return each, -(-strips // each)


# -- the kernels -------------------------------------------------------------------------------------------------------


@piece
def _met(p, short, c):
    """Which of the 4C channels of all phases plane p of the weights meets: (how many runs, 2C apart, how long each)."""
    even_row, even_column = short[0] and p // 5 == 4, short[1] and p % 5 == 4
    if even_column:
        return (1 if even_row else 2), c
    return 1, (2 if even_row else 4) * c


@kernel
def _conv2d(x, weights, bias, floor, y, checks, short, padding, strips, start, stop):
    n, h, w, o = y.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(10 * (8 * wide + 2) * c), scratch(10 * (8 * wide + 2) * c)
    # One tile more than needed, so that planes don't lie a power of two apart and push each other from the cache.
    plane, out_plane = (strips * wide + 1) * 4 * c, (strips * wide + 1) * o
    products, outputs, zeros = scratch(25 * plane), scratch(25 * out_plane), np.zeros(COLUMNS, x.dtype)
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        phases_to_products(x, padding, tall, wide, window, rows, products, plane, 4 * c, first, last)
        for p in range(25):
            runs, length = _met(p, short, c)
            for j in range(0, o, COLUMNS):
                m, to = min(COLUMNS, o - j), p * out_plane + j
                for r in range(runs):
                    before, before_at, before_row = (outputs, to, o) if r else (zeros, 0, 0)
                    multiply(
                        *(products, p * plane + 2 * r * c, (4 * c, 0, 0, 1), (1, 1, length)),
                        *(weights, (p * o + j) * 4 * c + 2 * r * c * m, before, before_at, before_row),
                        *(outputs, to, o, (last - first) * wide, m),
                    )
        check = nothing()
        for tile in range((last - first) * wide):
            s, t = first + tile // wide, tile % wide
            place = s // tall, 4 * (s % tall), 4 * t, 1
            check += from_products(outputs, out_plane, tile * o, o, bias, floor, y, place)
        checks[block] = total(check)


@kernel
def _conv_transpose2d(g, weights, bias, floor, x, checks, short, padding, strips, start, stop):
    n, h, w, c = x.shape
    o, tall, wide = g.shape[3], ((h + padding[0] + 1) // 2 + 3) // 4, ((w + padding[1] + 1) // 2 + 3) // 4
    window, rows = scratch(5 * (4 * wide + 1) * o), scratch(5 * (4 * wide + 1) * o)
    plane, out_plane = (strips * wide + 1) * o, (strips * wide + 1) * 4 * c
    products, outputs, zeros = scratch(25 * plane), scratch(25 * out_plane), np.zeros(COLUMNS, g.dtype)
    clear(outputs, 0, len(outputs))
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        to_products(g, tall, wide, window, rows, products, plane, first, last)
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
            s, t = first + tile // wide, tile % wide
            for phase in range(4):
                place = s // tall, 8 * (s % tall) + phase // 2 - padding[0], 8 * t + phase % 2 - padding[1], 2
                check += from_products(outputs, out_plane, (4 * tile + phase) * c, c, bias, floor, x, place)
        checks[block] = total(check)


@piece
def _pitch(c):
    """How far rows of products lie apart, 4C numbers and some: their columns are read, and would share few sets of the
    cache if that were a power of two."""
    return 4 * c + 16


@kernel
def _transform(x, g, products, gradients, padding, strip, tiles, start, stop):
    """Both factors of the weight gradient for the rows of tiles strip + start..strip + stop."""
    _, h, w, o = g.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(10 * (8 * wide + 2) * c), scratch(10 * (8 * wide + 2) * c)
    out_window, pitch = scratch(16 * wide * o), _pitch(c)
    for s in range(start, stop):
        at = products[s * wide * pitch :]
        phases_to_products(x, padding, tall, wide, window, rows, at, tiles * pitch, pitch, strip + s, strip + s + 1)
        to_gradients(g, tall, wide, out_window, gradients, tiles, s * wide, strip + s)


@kernel
def _multiply_transposed(products, gradients, sums, short, sizes, going, start, stop):
    """The panels start..stop of the 25 products (4C, tiles) @ (tiles, O), added to the sums if any went before."""
    c, o, tiles, count = sizes
    panels, pitch, zeros = (o + COLUMNS - 1) // COLUMNS, _pitch(c), np.zeros(COLUMNS, np.float32)
    for unit in range(start, stop):
        p, j = unit // panels, unit % panels * COLUMNS
        runs, length = _met(p, short, c)
        for r in range(runs):
            to = (p * 4 * c + 2 * r * c) * o + j
            before, before_at, before_row = (sums, to, o) if going else (zeros, 0, 0)
            multiply(
                *(products, p * tiles * pitch + 2 * r * c, (1, 0, 0, pitch), (1, 1, count)),
                *(gradients, (p * o + j) * tiles, before, before_at, before_row, sums, to, o, length),
                min(COLUMNS, o - j),
            )
