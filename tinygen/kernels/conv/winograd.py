"""3x3 convolutions with stride 1 at a quarter of the multiplications: Winograd's F(4x4, 3x3), for float32.

A tile of 4x4 outputs depends on 6x6 inputs d and 3x3 weights w. With the matrices of `_input`, `_weight` and `_output`
(Lavin & Gray 2016, section 4.3) it is  Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A:  36 products instead of 144, and over many channels
and tiles each of the 36 is one matrix product. docs/fast.md derives it, and why it costs a digit of precision.
Its transpose gives the weight gradient: dw = Gᵀ [(Bᵀ d B) ⊙ (A g Aᵀ)] G, summed over all tiles.

Rows of tiles make blocks whose 36 matrices stay in the second-level cache. Channels are multiples of LANES.
"""

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vectors import LANES, larger, load, nothing, store, total
from tinygen.kernels.machine.window import read, scratch

TILES = 56  # in a block, four tall tiles: enough rows for fast products, few enough that 36 such matrices stay cached


def fits(x: np.ndarray, kernel_size, channels: int, stride, dilation) -> bool:
    """Whether a convolution of x (N, H, W, C) to `channels` channels is one for this file."""
    return (
        x.dtype == np.float32
        and tuple(kernel_size) == (3, 3)
        and tuple(stride) == tuple(dilation) == (1, 1)
        and x.shape[3] >= 16
        and channels >= 16
        and x.shape[3] % LANES == 0  # `channels` that are made get filled up
        and min(x.shape[1:3]) > 3  # of smaller images most of a tile would be edge
    )


def conv2d(x, w, bias, floor, padding):
    """x (N, H, W, C) with w (3, 3, C, O), plus bias (O,), to (N, H + 2p - 2, W + 2q - 2, O), none below `floor`.

    None if a number is not finite: it would reach all pixels of its tiles.
    """
    (n, h, wide, c), o = x.shape, w.shape[3]
    y = empty((n, h + 2 * padding[0] - 2, wide + 2 * padding[1] - 2, o), x.dtype)
    strips, blocks = _blocks(y)
    weights = empty(36 * c * o, x.dtype)
    share(_transform_weights, c, as_input(w), weights)
    checks = np.zeros(blocks, x.dtype)
    share(_conv2d, blocks, as_input(x), weights, as_input(bias), floor, y, checks, tuple(padding), strips)
    return y if np.isfinite(checks).all() else None


def conv2d_weight(x, g, padding):
    """The gradient (3, 3, C, O) of `conv2d`'s w, for x (N, H, W, C) and the gradient g (N, GH, GW, O) of its output."""
    c, o = x.shape[3], g.shape[3]
    strips, blocks = _blocks(g)
    if blocks == 0:
        return np.zeros((3, 3, c, o), x.dtype)
    # Each part adds up its own blocks, then the parts are added in order: eight blocks each, for the rounding errors of
    # a longer sum would grow beyond the bound of this file, or all blocks in four parts, for four threads.
    sums = empty((max(min(blocks, 4), blocks // 8), 36 * c * o), x.dtype)
    w = empty((3, 3, c, o), x.dtype)
    share(_conv2d_weight, len(sums), as_input(x), as_input(g), sums, tuple(padding), strips)
    share(_restore_weights, c, sums, w)
    return w


def _blocks(y: np.ndarray) -> tuple[int, int]:
    """How many rows of tiles of the outputs (N, H, W, O) make a block, and how many blocks that gives."""
    n, h, w, _ = y.shape
    strips = n * -(-h // 4)
    each = max(1, min(TILES // max(1, -(-w // 4)), strips))
    return each, -(-strips // each)


# -- the three small matrices, each along one axis ---------------------------------------------------------------------

# Polynomials are evaluated at 0, ±P, ±Q and infinity. With 1 and 2 the matrices would hold whole numbers, but 8 among
# them: these two, whose powers are exact too, are as fast and leave a quarter of the rounding error.
P, Q = 0.75, 1.5
P2, P3, Q2, Q3 = P**2, P**3, Q**2, Q**3
NEAR, FAR = 2 * P2 * (Q2 - P2), 2 * Q2 * (Q2 - P2)  # what the weights at ±P and ±Q are divided by


@piece
def _input(d):
    """Bᵀ d: six inputs."""
    d0, d1, d2, d3, d4, d5 = d
    even, odd, far, near = d4 - Q2 * d2, P * d3 - P * Q2 * d1, d4 - P2 * d2, Q * d3 - Q * P2 * d1
    first, last = P2 * Q2 * d0 + d4 - (P2 + Q2) * d2, P2 * Q2 * d1 + d5 - (P2 + Q2) * d3
    return first, even + odd, even - odd, far + near, far - near, last


@piece
def _output(m):
    """Aᵀ m: six products become four outputs."""
    m0, m1, m2, m3, m4, m5 = m
    even, odd, far, near = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even + far, P * odd + Q * near, P2 * even + Q2 * far, P3 * odd + Q3 * near + m5


@piece
def _output_transposed(g):
    """A g: the gradients of four outputs become those of six products."""
    g0, g1, g2, g3 = g
    even, odd, far, near = g0 + P2 * g2, P * g1 + P3 * g3, g0 + Q2 * g2, Q * g1 + Q3 * g3
    return g0, even + odd, even - odd, far + near, far - near, g3


@piece
def _weight(w):
    """G w: three weights become six."""
    w0, w1, w2 = w
    even, odd = w0 * (1 / NEAR) + w2 * (P2 / NEAR), w1 * (P / NEAR)
    far, near = w0 * (1 / FAR) + w2 * (Q2 / FAR), w1 * (Q / FAR)
    return w0 * (1 / (P2 * Q2)), (even + odd) * -1.0, odd - even, far + near, far - near, w2


@piece
def _weight_transposed(u):
    """Gᵀ u: the gradients of six products become those of three weights."""
    u0, u1, u2, u3, u4, u5 = u
    even, odd, far, near = u1 + u2, u2 - u1, u3 + u4, u3 - u4
    return (
        u0 * (1 / (P2 * Q2)) - even * (1 / NEAR) + far * (1 / FAR),
        odd * (P / NEAR) + near * (Q / FAR),
        far * (Q2 / FAR) - even * (P2 / NEAR) + u5,
    )


# -- from images to 36 matrices and back -------------------------------------------------------------------------------


@piece
def _to_products(x, padding, tall, wide, window, rows, products, plane, first, last):
    """Bᵀ d B for the rows of tiles first..last, as 36 planes (tiles, C) that lie `plane` numbers apart."""
    c, columns = x.shape[3], 4 * wide + 2
    size = columns * c
    for s in range(first, last):
        read(x, s // tall, 4 * (s % tall) - padding[0], -padding[1], window, 0, 6, columns)
        for q in range(0, size, LANES):  # down the columns, all of them at once
            _put6(rows, q, size, _input(_take6(window, q, size)))
        for t in range(wide):
            to = ((s - first) * wide + t) * c
            for i in range(6):
                for q in range(0, c, LANES):
                    _put6(products, 6 * i * plane + to + q, plane, _input(_take6(rows, i * size + 4 * t * c + q, c)))


@piece
def _from_products(products, plane, bias, floor, y, tall, wide, first, last):
    """Aᵀ m A of 36 planes (tiles, O), plus bias, at least `floor`, to rows of tiles first..last of y, where inside.

    Returns a sum of them, which is finite if all are.
    """
    _, h, w, o = y.shape
    flat, check = y.reshape(-1), nothing()
    for s in range(first, last):
        image, row = s // tall, 4 * (s % tall)
        high = min(4, h - row)
        for t in range(wide):
            at, begin = ((s - first) * wide + t) * o, ((image * h + row) * w + 4 * t) * o
            broad = min(4, w - 4 * t)
            for q in range(at, at + o, LANES):
                a0, a1, a2, a3 = _output(_take6(products, q, 6 * plane))
                b0, b1, b2, b3 = _output(_take6(products, q + plane, 6 * plane))
                c0, c1, c2, c3 = _output(_take6(products, q + 2 * plane, 6 * plane))
                d0, d1, d2, d3 = _output(_take6(products, q + 3 * plane, 6 * plane))
                e0, e1, e2, e3 = _output(_take6(products, q + 4 * plane, 6 * plane))
                f0, f1, f2, f3 = _output(_take6(products, q + 5 * plane, 6 * plane))
                to, shift = begin + q - at, load(bias, q - at)
                check += _put(flat, to, o, broad, _output((a0, b0, c0, d0, e0, f0)), shift, floor)
                if high > 1:
                    check += _put(flat, to + w * o, o, broad, _output((a1, b1, c1, d1, e1, f1)), shift, floor)
                if high > 2:
                    check += _put(flat, to + 2 * w * o, o, broad, _output((a2, b2, c2, d2, e2, f2)), shift, floor)
                if high > 3:
                    check += _put(flat, to + 3 * w * o, o, broad, _output((a3, b3, c3, d3, e3, f3)), shift, floor)
    return total(check)


@piece
def _to_gradients(g, tall, wide, window, products, plane, first, last):
    """A g Aᵀ for the rows of tiles first..last, as 36 planes (tiles, O): the adjoint of `_from_products`."""
    o = g.shape[3]
    size = 4 * wide * o
    for s in range(first, last):
        read(g, s // tall, 4 * (s % tall), 0, window, 0, 4, 4 * wide)
        for t in range(wide):
            to = ((s - first) * wide + t) * o
            for q in range(0, o, LANES):
                at = 4 * t * o + q
                a0, a1, a2, a3, a4, a5 = _output_transposed(_take4(window, at, size))
                b0, b1, b2, b3, b4, b5 = _output_transposed(_take4(window, at + o, size))
                c0, c1, c2, c3, c4, c5 = _output_transposed(_take4(window, at + 2 * o, size))
                d0, d1, d2, d3, d4, d5 = _output_transposed(_take4(window, at + 3 * o, size))
                _put6(products, to + q, plane, _output_transposed((a0, b0, c0, d0)))
                _put6(products, to + q + 6 * plane, plane, _output_transposed((a1, b1, c1, d1)))
                _put6(products, to + q + 12 * plane, plane, _output_transposed((a2, b2, c2, d2)))
                _put6(products, to + q + 18 * plane, plane, _output_transposed((a3, b3, c3, d3)))
                _put6(products, to + q + 24 * plane, plane, _output_transposed((a4, b4, c4, d4)))
                _put6(products, to + q + 30 * plane, plane, _output_transposed((a5, b5, c5, d5)))


@piece
def _take4(a, at, step):
    return load(a, at), load(a, at + step), load(a, at + 2 * step), load(a, at + 3 * step)


@piece
def _take6(a, at, step):
    return (
        load(a, at),
        load(a, at + step),
        load(a, at + 2 * step),
        load(a, at + 3 * step),
        load(a, at + 4 * step),
        load(a, at + 5 * step),
    )


@piece
def _put6(a, at, step, values):
    store(a, at, values[0])
    store(a, at + step, values[1])
    store(a, at + 2 * step, values[2])
    store(a, at + 3 * step, values[3])
    store(a, at + 4 * step, values[4])
    store(a, at + 5 * step, values[5])


@piece
def _put(a, at, step, count, values, shift, floor):
    """The first `count` of four values, with `shift` added to each, but none below `floor`.

    Returns the sum of the outer two, to which all products of the tile's row contribute.
    """
    store(a, at, larger(values[0] + shift, floor))
    if count > 1:
        store(a, at + step, larger(values[1] + shift, floor))
    if count > 2:
        store(a, at + 2 * step, larger(values[2] + shift, floor))
    if count > 3:
        store(a, at + 3 * step, larger(values[3] + shift, floor))
    return values[0] + values[3]


# -- the kernels -------------------------------------------------------------------------------------------------------


@kernel
def _conv2d(x, weights, bias, floor, y, checks, padding, strips, start, stop):
    n, h, w, o = y.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(6 * (4 * wide + 2) * c), scratch(6 * (4 * wide + 2) * c)
    # One tile more than needed, so that planes don't lie a power of two apart and push each other from the cache.
    plane, out_plane = (strips * wide + 1) * c, (strips * wide + 1) * o
    products, outputs, zeros = scratch(36 * plane), scratch(36 * out_plane), np.zeros(o, x.dtype)
    for block in range(start, stop):
        first, last = block * strips, min((block + 1) * strips, n * tall)
        tiles = (last - first) * wide
        _to_products(x, padding, tall, wide, window, rows, products, plane, first, last)
        for k in range(36):
            multiply(
                *(products, k * plane, (c, 0, 0, 1), (1, 1, c), weights, k * c * o),
                *(zeros, 0, 0, outputs, k * out_plane, o, tiles, o),
            )
        checks[block] = _from_products(outputs, out_plane, bias, floor, y, tall, wide, first, last)


@kernel
def _conv2d_weight(x, g, sums, padding, strips, start, stop):
    n, h, w, o = g.shape
    c, tall, wide = x.shape[3], (h + 3) // 4, (w + 3) // 4
    window, rows = scratch(6 * (4 * wide + 2) * c), scratch(6 * (4 * wide + 2) * c)
    out_window = scratch(16 * wide * o)
    plane, out_plane = (strips * wide + 1) * c, (strips * wide + 1) * o
    products, gradients = scratch(36 * plane), scratch(36 * out_plane)
    zeros = np.zeros(o, np.float32)
    parts, blocks = len(sums), (n * tall + strips - 1) // strips
    for part in range(start, stop):
        total, going = sums[part], False
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * strips, min((block + 1) * strips, n * tall)
            tiles = (last - first) * wide
            _to_products(x, padding, tall, wide, window, rows, products, plane, first, last)
            _to_gradients(g, tall, wide, out_window, gradients, out_plane, first, last)
            for k in range(36):
                before, before_at, before_row = (total, k * c * o, o) if going else (zeros, 0, 0)
                multiply(
                    *(products, k * plane, (1, 0, 0, c), (1, 1, tiles), gradients, k * out_plane),
                    *(before, before_at, before_row, total, k * c * o, o, c, o),
                )
            going = True


@kernel
def _transform_weights(w, weights, start, stop):
    """weights[k, c, o] = (G w Gᵀ)ₖ for the channels start..stop of w (3, 3, C, O)."""
    _, _, c, o = w.shape
    flat, size = w.reshape(-1), c * o
    for at in range(start * o, stop * o, LANES):
        a0, a1, a2, a3, a4, a5 = _weight(_take3(flat, at, 3 * size))
        b0, b1, b2, b3, b4, b5 = _weight(_take3(flat, at + size, 3 * size))
        c0, c1, c2, c3, c4, c5 = _weight(_take3(flat, at + 2 * size, 3 * size))
        _put6(weights, at, size, _weight((a0, b0, c0)))
        _put6(weights, at + 6 * size, size, _weight((a1, b1, c1)))
        _put6(weights, at + 12 * size, size, _weight((a2, b2, c2)))
        _put6(weights, at + 18 * size, size, _weight((a3, b3, c3)))
        _put6(weights, at + 24 * size, size, _weight((a4, b4, c4)))
        _put6(weights, at + 30 * size, size, _weight((a5, b5, c5)))


@kernel
def _restore_weights(sums, w, start, stop):
    """w (3, 3, C, O) = Gᵀ u G for the channels start..stop, with u the sum of the parts, in their order."""
    _, _, c, o = w.shape
    flat, size = w.reshape(-1), c * o
    total = scratch(36 * LANES)
    for at in range(start * o, stop * o, LANES):
        for k in range(36):
            u = load(sums[0], k * size + at)
            for part in range(1, len(sums)):
                u = u + load(sums[part], k * size + at)
            store(total, k * LANES, u)
        a0, a1, a2 = _weight_transposed(_take6(total, 0, 6 * LANES))
        b0, b1, b2 = _weight_transposed(_take6(total, LANES, 6 * LANES))
        c0, c1, c2 = _weight_transposed(_take6(total, 2 * LANES, 6 * LANES))
        d0, d1, d2 = _weight_transposed(_take6(total, 3 * LANES, 6 * LANES))
        e0, e1, e2 = _weight_transposed(_take6(total, 4 * LANES, 6 * LANES))
        f0, f1, f2 = _weight_transposed(_take6(total, 5 * LANES, 6 * LANES))
        _put3(flat, at, size, _weight_transposed((a0, b0, c0, d0, e0, f0)))
        _put3(flat, at + 3 * size, size, _weight_transposed((a1, b1, c1, d1, e1, f1)))
        _put3(flat, at + 6 * size, size, _weight_transposed((a2, b2, c2, d2, e2, f2)))


@piece
def _take3(a, at, step):
    return load(a, at), load(a, at + step), load(a, at + 2 * step)


@piece
def _put3(a, at, step, values):
    store(a, at, values[0])
    store(a, at + step, values[1])
    store(a, at + 2 * step, values[2])
