"""Convolutions with stride 2 and kernels of 3x3 or 4x4 with fewer multiplications: Winograd's F(4x4, 2x2), for float32.

The even and odd rows and columns of an image are four smaller images, its phases. A kernel of 4x4 that strides by 2 is
one of 2x2 over all four at once, which does not stride (3x3 is 4x4 with zeros); so C channels become 4C. Then, as in
`winograd.py`, 4x4 outputs depend on 5x5 inputs, and  Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A  takes 25 products instead of 64. The
transpose makes the phases of its result in the same way. docs/fast.md derives the matrices and their errors.
"""

import numpy as np

from tinygen.kernels.jit import as_input, kernel, piece
from tinygen.kernels.lanes import LANES, load, store
from tinygen.kernels.memory import empty
from tinygen.kernels.threads import share
from tinygen.kernels.tile import COLUMNS, multiply
from tinygen.kernels.window import clear, read, scratch

BUFFER = 1 << 17  # numbers in the 25 matrices of a block: half a megabyte, for a second-level cache
TILES = 256  # at most in a block of the weight gradient


def fits(x: np.ndarray, kernel_size, channels: int, stride, dilation) -> bool:
    """Whether a convolution of x (N, H, W, C) to `channels` channels is one for this file."""
    return (
        x.dtype == np.float32
        and all(k in (3, 4) for k in kernel_size)
        and tuple(stride) == (2, 2)
        and tuple(dilation) == (1, 1)
        and x.shape[3] >= 32
        and channels >= 32
        and x.shape[3] % LANES == channels % LANES == 0
    )


def conv2d(x, w, bias, padding):
    """x (N, H, W, C) with w (KH, KW, C, O), stride 2, plus bias (O,), to (N, (H + 2p - KH) // 2 + 1, ..., O)."""
    (n, h, wide, c), (kh, kw, _, o) = x.shape, w.shape
    y = empty((n, (h + 2 * padding[0] - kh) // 2 + 1, (wide + 2 * padding[1] - kw) // 2 + 1, o), x.dtype)
    weights = _transformed(_phases_of_weights(w))
    strips, blocks = _blocks(n, *y.shape[1:3], BUFFER // (25 * (4 * c + o)))
    share(_conv2d, blocks, as_input(x), weights, as_input(bias), y, _short(kh, kw), tuple(padding), strips)
    return y


def conv_transpose2d(g, w, bias, size, padding):
    """Images (N, H, W, C) of `size` from g (N, GH, GW, O) and w (KH, KW, C, O): the transpose of `conv2d`, plus bias."""
    n, (kh, kw, c, o) = len(g), w.shape
    x = empty((n, *size, c), g.dtype)
    turned = _phases_of_weights(w)[::-1, ::-1].transpose(0, 1, 3, 2)  # (2, 2, O, 4C)
    # Rows of a phase: those before the image, which padding cuts off, are made as well.
    high, wide = ((extent + p + 1) // 2 for extent, p in zip(size, padding))
    strips, blocks = _blocks(n, high, wide, BUFFER // (25 * (4 * c + o)))
    weights, short = _transformed(turned), _short(kh, kw)
    share(_conv_transpose2d, blocks, as_input(g), weights, as_input(bias), x, short, tuple(padding), strips)
    return x


def conv2d_weight(x, g, kernel_size, padding):
    """The gradient (KH, KW, C, O) of `conv2d`'s w, for x (N, H, W, C) and the gradient g (N, GH, GW, O) of its output."""
    (n, gh, gw, o), c, (kh, kw) = g.shape, x.shape[3], kernel_size
    tall, wide = -(-gh // 4), -(-gw // 4)
    strips = max(1, min(TILES // max(1, wide), n * tall))
    tiles = strips * wide
    # The sums of a product go over all tiles. So first all threads transform a block, then they share its 25 products.
    products, gradients = empty(25 * tiles * _pitch(c), x.dtype), empty(25 * tiles * o, x.dtype)
    sums, w = empty(25 * 4 * c * o, x.dtype), np.zeros((2, 2, 4 * c, o), x.dtype)
    for first in range(0, n * tall, strips):
        count = min(strips, n * tall - first)
        share(_transform, count, as_input(x), as_input(g), products, gradients, tuple(padding), first, tiles)
        sizes = c, o, tiles, count * wide
        share(_multiply_transposed, 25 * -(-o // COLUMNS), products, gradients, sums, _short(kh, kw), sizes, first)
    if n * tall * wide:
        share(_restore_weights, 4 * c, sums, w)
    whole = w.reshape(2, 2, 2, 2, c, o).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, c, o)
    return np.ascontiguousarray(whole[:kh, :kw])


def _short(kh: int, kw: int) -> tuple[bool, bool]:
    """Along which axes the odd phase meets one weight only: the other is zero, and so is one of five products."""
    return kh == 3, kw == 3


def _phases_of_weights(w):
    """(KH, KW, C, O) as (2, 2, 4C, O): entry (2u + a, 2v + b) becomes entry (u, v) for the channels of phase (a, b)."""
    kh, kw, c, o = w.shape
    whole = np.zeros((4, 4, c, o), w.dtype)
    whole[:kh, :kw] = w
    return whole.reshape(2, 2, 2, 2, c, o).transpose(0, 2, 1, 3, 4, 5).reshape(2, 2, 4 * c, o)


def _transformed(w):
    """G w Gᵀ of w (2, 2, K, M): 25 matrices, flat, each as panels (K, COLUMNS)."""
    weights = empty(25 * w.shape[2] * w.shape[3], w.dtype)
    share(_transform_weights, w.shape[2], as_input(w), weights)
    return weights


def _blocks(n: int, high: int, wide: int, tiles: int) -> tuple[int, int]:
    """How many rows of 4x4 tiles of n images (high, wide) make a block of about `tiles`, and how many blocks."""
    strips = n * -(-high // 4)
    each = max(1, min(max(tiles, 8) // max(1, -(-wide // 4)), strips))
    return each, -(-strips // each)


# -- the three small matrices, each along one axis ---------------------------------------------------------------------


@piece
def _input(d):
    """Bᵀ d: five inputs."""
    d0, d1, d2, d3, d4 = d
    odd = d3 - d1
    return 2 * (d0 - d2) + odd, d1 + d2 - odd, 3 * d2 - 2 * d1 - d3, odd, d4 - d2 - 2 * odd


@piece
def _output(m):
    """Aᵀ m: five products become four outputs."""
    m0, m1, m2, m3, m4 = m
    even, odd = m1 + m2, m1 - m2
    return m0 + even + m3, odd + 2 * m3, even + 4 * m3, odd + 8 * m3 + m4


@piece
def _output_transposed(g):
    """A g: the gradients of four outputs become those of five products."""
    g0, g1, g2, g3 = g
    even, odd = g0 + g2, g1 + g3
    return g0, even + odd, even - odd, g0 + 2 * g1 + 4 * g2 + 8 * g3, g3


@piece
def _weight(w0, w1):
    """G w: two weights become five."""
    return w0 * 0.5, (w0 + w1) * 0.5, (w0 - w1) * (1 / 6), w0 * (1 / 6) + w1 * (1 / 3), w1


@piece
def _weight_transposed(u):
    """Gᵀ u: the gradients of five products become those of two weights."""
    u0, u1, u2, u3, u4 = u
    return (u0 + u1) * 0.5 + (u2 + u3) * (1 / 6), u1 * 0.5 - u2 * (1 / 6) + u3 * (1 / 3) + u4


# -- from images to 25 matrices and back -------------------------------------------------------------------------------


@piece
def _phases_to_products(x, padding, tall, wide, window, rows, products, plane, pitch, first, last):
    """Bᵀ d B for the rows of tiles first..last and the four phases of x: 25 planes (tiles, 4C), rows `pitch` apart."""
    c, columns = x.shape[3], 8 * wide + 2
    size = columns * c
    for s in range(first, last):
        read(x, s // tall, 8 * (s % tall) - padding[0], -padding[1], window, 0, 10, columns)
        for a in range(2):
            for q in range(a * size, a * size + size, LANES):
                _put5(rows, 4 * a * size + q, size, _input(_take5(window, q, 2 * size)))
        for t in range(wide):
            to = ((s - first) * wide + t) * pitch
            for a in range(2):
                for i in range(5):
                    at = (5 * a + i) * size + 8 * t * c
                    for q in range(0, 2 * c, LANES):  # the phases b = 0 and b = 1, which lie side by side
                        _put5(products, 5 * i * plane + to + 2 * a * c + q, plane, _input(_take5(rows, at + q, 2 * c)))


@piece
def _to_products(g, tall, wide, window, rows, products, plane, first, last):
    """Bᵀ d B for the rows of tiles first..last, whose inputs begin a pixel before them, as 25 planes (tiles, O)."""
    o, columns = g.shape[3], 4 * wide + 1
    size = columns * o
    for s in range(first, last):
        read(g, s // tall, 4 * (s % tall) - 1, -1, window, 0, 5, columns)
        for q in range(0, size, LANES):
            _put5(rows, q, size, _input(_take5(window, q, size)))
        for t in range(wide):
            to = ((s - first) * wide + t) * o
            for i in range(5):
                for q in range(0, o, LANES):
                    _put5(products, 5 * i * plane + to + q, plane, _input(_take5(rows, i * size + 4 * t * o + q, o)))


@piece
def _from_products(products, plane, at, width, bias, y, row, column, step, image):
    """Aᵀ m A of the 25 numbers from `at` on, plus bias, to 4x4 pixels of y that lie `step` apart; those inside only."""
    _, h, w, o = y.shape
    flat, begin = y.reshape(-1), ((image * h + row) * w + column) * o
    for q in range(0, width, LANES):
        a0, a1, a2, a3 = _output(_take5(products, at + q, 5 * plane))
        b0, b1, b2, b3 = _output(_take5(products, at + q + plane, 5 * plane))
        c0, c1, c2, c3 = _output(_take5(products, at + q + 2 * plane, 5 * plane))
        d0, d1, d2, d3 = _output(_take5(products, at + q + 3 * plane, 5 * plane))
        e0, e1, e2, e3 = _output(_take5(products, at + q + 4 * plane, 5 * plane))
        to, down, shift = begin + q, step * w * o, load(bias, q)
        if 0 <= row < h:
            _put4(flat, to, step * o, _output((a0, b0, c0, d0, e0)), shift, column, step, w)
        if 0 <= row + step < h:
            _put4(flat, to + down, step * o, _output((a1, b1, c1, d1, e1)), shift, column, step, w)
        if 0 <= row + 2 * step < h:
            _put4(flat, to + 2 * down, step * o, _output((a2, b2, c2, d2, e2)), shift, column, step, w)
        if 0 <= row + 3 * step < h:
            _put4(flat, to + 3 * down, step * o, _output((a3, b3, c3, d3, e3)), shift, column, step, w)


@piece
def _to_gradients(g, tall, wide, window, products, tiles, tile, strip):
    """A g Aᵀ for one row of tiles, the adjoint of `_from_products`: 25 planes of panels (tiles, COLUMNS), from `tile` on."""
    o = g.shape[3]
    size, plane = 4 * wide * o, tiles * o
    read(g, strip // tall, 4 * (strip % tall), 0, window, 0, 4, 4 * wide)
    for t in range(wide):
        for q in range(0, o, LANES):
            at, first = 4 * t * o + q, q // COLUMNS * COLUMNS
            to = first * tiles + (tile + t) * min(COLUMNS, o - first) + q - first
            a0, a1, a2, a3, a4 = _output_transposed(_take4(window, at, size))
            b0, b1, b2, b3, b4 = _output_transposed(_take4(window, at + o, size))
            c0, c1, c2, c3, c4 = _output_transposed(_take4(window, at + 2 * o, size))
            d0, d1, d2, d3, d4 = _output_transposed(_take4(window, at + 3 * o, size))
            _put5(products, to, plane, _output_transposed((a0, b0, c0, d0)))
            _put5(products, to + 5 * plane, plane, _output_transposed((a1, b1, c1, d1)))
            _put5(products, to + 10 * plane, plane, _output_transposed((a2, b2, c2, d2)))
            _put5(products, to + 15 * plane, plane, _output_transposed((a3, b3, c3, d3)))
            _put5(products, to + 20 * plane, plane, _output_transposed((a4, b4, c4, d4)))


@piece
def _take4(a, at, step):
    return load(a, at), load(a, at + step), load(a, at + 2 * step), load(a, at + 3 * step)


@piece
def _take5(a, at, step):
    return load(a, at), load(a, at + step), load(a, at + 2 * step), load(a, at + 3 * step), load(a, at + 4 * step)


@piece
def _put5(a, at, step, values):
    store(a, at, values[0])
    store(a, at + step, values[1])
    store(a, at + 2 * step, values[2])
    store(a, at + 3 * step, values[3])
    store(a, at + 4 * step, values[4])


@piece
def _put4(a, at, apart, values, shift, column, step, w):
    """Four pixels, with `shift` added to each, where their columns lie inside a row of w."""
    if 0 <= column < w:
        store(a, at, values[0] + shift)
    if 0 <= column + step < w:
        store(a, at + apart, values[1] + shift)
    if 0 <= column + 2 * step < w:
        store(a, at + 2 * apart, values[2] + shift)
    if 0 <= column + 3 * step < w:
        store(a, at + 3 * apart, values[3] + shift)


# -- the kernels -------------------------------------------------------------------------------------------------------


@piece
def _met(p, short, c):
    """Which of the 4C channels of all phases plane p of the weights meets: (how many runs, 2C apart, how long each)."""
    even_row, even_column = short[0] and p // 5 == 4, short[1] and p % 5 == 4
    if even_column:
        return (1 if even_row else 2), c
    return 1, (2 if even_row else 4) * c


@kernel
def _conv2d(x, weights, bias, y, short, padding, strips, start, stop):
    n, h, w, o = y.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(10 * (8 * wide + 2) * c), scratch(10 * (8 * wide + 2) * c)
    # One tile more than needed, so that planes don't lie a power of two apart and push each other from the cache.
    plane, out_plane = (strips * wide + 1) * 4 * c, (strips * wide + 1) * o
    products, outputs, zeros = scratch(25 * plane), scratch(25 * out_plane), np.zeros(COLUMNS, x.dtype)
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        _phases_to_products(x, padding, tall, wide, window, rows, products, plane, 4 * c, first, last)
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
        for tile in range((last - first) * wide):
            s, t = first + tile // wide, tile % wide
            _from_products(outputs, out_plane, tile * o, o, bias, y, 4 * (s % tall), 4 * t, 1, s // tall)


@kernel
def _conv_transpose2d(g, weights, bias, x, short, padding, strips, start, stop):
    n, h, w, c = x.shape
    o, tall, wide = g.shape[3], ((h + padding[0] + 1) // 2 + 3) // 4, ((w + padding[1] + 1) // 2 + 3) // 4
    window, rows = scratch(5 * (4 * wide + 1) * o), scratch(5 * (4 * wide + 1) * o)
    plane, out_plane = (strips * wide + 1) * o, (strips * wide + 1) * 4 * c
    products, outputs, zeros = scratch(25 * plane), scratch(25 * out_plane), np.zeros(COLUMNS, g.dtype)
    clear(outputs, 0, len(outputs))
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        _to_products(g, tall, wide, window, rows, products, plane, first, last)
        for p in range(25):
            for j in range(0, 4 * c, COLUMNS):
                a, b = j // c // 2, j // c % 2
                if c % COLUMNS == 0 and ((short[0] and a and p // 5 == 0) or (short[1] and b and p % 5 == 0)):
                    continue  # the weights of this phase, turned round, begin with a zero: so do its products
                multiply(
                    *(products, p * plane, (o, 0, 0, 1), (1, 1, o), weights, (p * 4 * c + j) * o, zeros, 0, 0),
                    *(outputs, p * out_plane + j, 4 * c, (last - first) * wide, min(COLUMNS, 4 * c - j)),
                )
        for tile in range((last - first) * wide):
            s, t = first + tile // wide, tile % wide
            for phase in range(4):
                row, column = 8 * (s % tall) + phase // 2 - padding[0], 8 * t + phase % 2 - padding[1]
                _from_products(outputs, out_plane, (4 * tile + phase) * c, c, bias, x, row, column, 2, s // tall)


@piece
def _pitch(c):
    """How far rows of products lie apart, 4C numbers and some: their columns are read, and would share few sets of the
    cache if that were a power of two."""
    return 4 * c + 16


@kernel
def _transform(x, g, products, gradients, padding, strip, tiles, start, stop):
    """Both factors of the weight gradient for the rows of tiles strip + start..strip + stop."""
    n, h, w, o = g.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(10 * (8 * wide + 2) * c), scratch(10 * (8 * wide + 2) * c)
    out_window, pitch = scratch(16 * wide * o), _pitch(c)
    for s in range(start, stop):
        at = products[s * wide * pitch :]
        _phases_to_products(x, padding, tall, wide, window, rows, at, tiles * pitch, pitch, strip + s, strip + s + 1)
        _to_gradients(g, tall, wide, out_window, gradients, tiles, s * wide, strip + s)


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


@kernel
def _transform_weights(w, weights, start, stop):
    """(G w Gᵀ)ₖ for the rows start..stop of w (2, 2, K, M), into panels."""
    _, _, k, m = w.shape
    flat, size = w.reshape(-1), k * m
    for row in range(start, stop):
        for q in range(0, m, LANES):
            at, first = row * m + q, q // COLUMNS * COLUMNS
            to = first * k + row * min(COLUMNS, m - first) + q - first
            a0, a1, a2, a3, a4 = _weight(load(flat, at), load(flat, at + 2 * size))
            b0, b1, b2, b3, b4 = _weight(load(flat, at + size), load(flat, at + 3 * size))
            _put5(weights, to, size, _weight(a0, b0))
            _put5(weights, to + 5 * size, size, _weight(a1, b1))
            _put5(weights, to + 10 * size, size, _weight(a2, b2))
            _put5(weights, to + 15 * size, size, _weight(a3, b3))
            _put5(weights, to + 20 * size, size, _weight(a4, b4))


@kernel
def _restore_weights(sums, w, start, stop):
    """w (2, 2, K, M) = Gᵀ u G for its rows start..stop."""
    _, _, k, m = w.shape
    flat, size = w.reshape(-1), k * m
    for at in range(start * m, stop * m, LANES):
        a0, a1 = _weight_transposed(_take5(sums, at, 5 * size))
        b0, b1 = _weight_transposed(_take5(sums, at + size, 5 * size))
        c0, c1 = _weight_transposed(_take5(sums, at + 2 * size, 5 * size))
        d0, d1 = _weight_transposed(_take5(sums, at + 3 * size, 5 * size))
        e0, e1 = _weight_transposed(_take5(sums, at + 4 * size, 5 * size))
        w0, w1 = _weight_transposed((a0, b0, c0, d0, e0))
        store(flat, at, w0)
        store(flat, at + size, w1)
        w0, w1 = _weight_transposed((a1, b1, c1, d1, e1))
        store(flat, at + 2 * size, w0)
        store(flat, at + 3 * size, w1)
