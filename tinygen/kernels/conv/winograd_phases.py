"""The small matrices of `winograd_strided.py`: images, gradients and weights on their way through them.

Each of Bᵀ, Aᵀ, G and their transposes is applied along one axis, then along the other, to whole vectors of channels.
"""

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.microkernel import COLUMNS
from tinygen.kernels.machine.vectors import LANES, larger, load, nothing, store
from tinygen.kernels.machine.window import read

# -- the three small matrices, each along one axis ---------------------------------------------------------------------

# Polynomials are evaluated at 0, ±P, Q and infinity: numbers whose powers are exact, and small, as in `winograd.py`.
P, Q = 0.75, 1.5
P2, P3, Q2, Q3 = P**2, P**3, Q**2, Q**3
ZERO, PLUS, MINUS, FAR = P2 * Q, 2 * P2 * (P - Q), -2 * P2 * (P + Q), Q * (Q2 - P2)  # what weights are divided by


@piece
def _input(d):
    """Bᵀ d: five inputs."""
    d0, d1, d2, d3, d4 = d
    odd = d3 - P2 * d1
    plus, minus = d3 - P * Q * d1 - (Q - P) * d2, d3 + P * Q * d1 - (Q + P) * d2
    return Q * (P2 * d0 - d2) + odd, plus, minus, odd, d4 - P2 * d2 - Q * odd


@piece
def _output(m):
    """Aᵀ m: five products become four outputs."""
    m0, m1, m2, m3, m4 = m
    even, odd = m1 + m2, m1 - m2
    return m0 + even + m3, P * odd + Q * m3, P2 * even + Q2 * m3, P3 * odd + Q3 * m3 + m4


@piece
def _output_transposed(g):
    """A g: the gradients of four outputs become those of five products."""
    g0, g1, g2, g3 = g
    even, odd = g0 + P2 * g2, P * g1 + P3 * g3
    return g0, even + odd, even - odd, g0 + Q * g1 + Q2 * g2 + Q3 * g3, g3


@piece
def _weight(w):
    """G w: two weights become five."""
    w0, w1 = w
    plus, minus = w0 * (1 / PLUS) + w1 * (P / PLUS), w0 * (1 / MINUS) - w1 * (P / MINUS)
    return w0 * (1 / ZERO), plus, minus, w0 * (1 / FAR) + w1 * (Q / FAR), w1


@piece
def _weight_transposed(u):
    """Gᵀ u: the gradients of five products become those of two weights."""
    u0, u1, u2, u3, u4 = u
    first = u0 * (1 / ZERO) + u1 * (1 / PLUS) + u2 * (1 / MINUS) + u3 * (1 / FAR)
    return first, u1 * (P / PLUS) - u2 * (P / MINUS) + u3 * (Q / FAR) + u4


# -- from images to 25 matrices and back -------------------------------------------------------------------------------


@piece
def phases_to_products(x, padding, tall, wide, window, rows, products, plane, pitch, first, last):
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
def to_products(g, tall, wide, window, rows, products, plane, first, last):
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
def from_products(products, plane, at, width, bias, floor, y, place):
    """Aᵀ m A of the 25 numbers from `at` on, plus bias, at least `floor`, to those of 4x4 pixels that lie in y.

    `place` is the image, row and column of the first, and how far they lie apart. Returns a vector of sums of the
    pixels, which is finite if they are.
    """
    (image, row, column, step), (_, h, w, o) = place, y.shape
    flat, begin, check = y.reshape(-1), ((image * h + row) * w + column) * o, nothing()
    for q in range(0, width, LANES):
        a0, a1, a2, a3 = _output(_take5(products, at + q, 5 * plane))
        b0, b1, b2, b3 = _output(_take5(products, at + q + plane, 5 * plane))
        c0, c1, c2, c3 = _output(_take5(products, at + q + 2 * plane, 5 * plane))
        d0, d1, d2, d3 = _output(_take5(products, at + q + 3 * plane, 5 * plane))
        e0, e1, e2, e3 = _output(_take5(products, at + q + 4 * plane, 5 * plane))
        to, down, shift = begin + q, step * w * o, load(bias, q)
        if 0 <= row < h:
            check += _put4(flat, to, step * o, _output((a0, b0, c0, d0, e0)), shift, floor, column, step, w)
        if 0 <= row + step < h:
            check += _put4(flat, to + down, step * o, _output((a1, b1, c1, d1, e1)), shift, floor, column, step, w)
        if 0 <= row + 2 * step < h:
            check += _put4(flat, to + 2 * down, step * o, _output((a2, b2, c2, d2, e2)), shift, floor, column, step, w)
        if 0 <= row + 3 * step < h:
            check += _put4(flat, to + 3 * down, step * o, _output((a3, b3, c3, d3, e3)), shift, floor, column, step, w)
    return check


@piece
def to_gradients(g, tall, wide, window, products, tiles, tile, strip):
    """A g Aᵀ for one row of tiles, the adjoint of `from_products`: 25 planes of panels (tiles, COLUMNS)."""
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
def _put4(a, at, apart, values, shift, floor, column, step, w):
    """Four pixels, with `shift` added but none below `floor`, where their columns lie inside a row of w.

    Returns the sum of the outer two, to which all products of the tile's row contribute.
    """
    if 0 <= column < w:
        store(a, at, larger(values[0] + shift, floor))
    if 0 <= column + step < w:
        store(a, at + apart, larger(values[1] + shift, floor))
    if 0 <= column + 2 * step < w:
        store(a, at + 2 * apart, larger(values[2] + shift, floor))
    if 0 <= column + 3 * step < w:
        store(a, at + 3 * apart, larger(values[3] + shift, floor))
    return values[0] + values[3]


# -- weights, there and back -------------------------------------------------------------------------------------------


@kernel
def transform_weights(w, weights, turned, start, stop):
    """G w Gᵀ as 25 matrices (K, M), each in panels (K, COLUMNS), for the rows start..stop of each w (KH, KW, A, B).

    Entry (2u + a, 2v + b) of a kernel is entry (u, v) of the one for phase (a, b). For a convolution K is the phases of
    A, and M is B. For a transpose the kernel is turned round, K is A, and M is the phases of B.
    """
    kh, kw, rows, columns = w.shape
    k, m = (rows, 4 * columns) if turned else (4 * rows, columns)
    flat, size = w.reshape(-1), k * m
    first, second = (1, 0) if turned else (0, 1)
    for row in range(start, stop):
        for phase in range(4):
            a, b = phase // 2, phase % 2
            for q in range(0, columns, LANES):
                w0 = _entry(flat, kh, kw, 2 * first + a, 2 * first + b, row, rows, q, columns)
                w1 = _entry(flat, kh, kw, 2 * second + a, 2 * first + b, row, rows, q, columns)
                a0, a1, a2, a3, a4 = _weight((w0, w1))
                w0 = _entry(flat, kh, kw, 2 * first + a, 2 * second + b, row, rows, q, columns)
                w1 = _entry(flat, kh, kw, 2 * second + a, 2 * second + b, row, rows, q, columns)
                b0, b1, b2, b3, b4 = _weight((w0, w1))
                i, j = (row, phase * columns + q) if turned else (phase * rows + row, q)
                panel = j // COLUMNS * COLUMNS
                to = panel * k + i * min(COLUMNS, m - panel) + j - panel
                _put5(weights, to, size, _weight((a0, b0)))
                _put5(weights, to + 5 * size, size, _weight((a1, b1)))
                _put5(weights, to + 10 * size, size, _weight((a2, b2)))
                _put5(weights, to + 15 * size, size, _weight((a3, b3)))
                _put5(weights, to + 20 * size, size, _weight((a4, b4)))


@piece
def _entry(w, kh, kw, u, v, row, rows, q, columns):
    """Numbers q.. of row `row` of kernel entry (u, v), or zeros where a kernel of 3 has none."""
    if u < kh and v < kw:
        return load(w, ((u * kw + v) * rows + row) * columns + q)
    return nothing()


@kernel
def restore_weights(sums, w, start, stop):
    """w (KH, KW, C, O) = Gᵀ u G, for the rows start..stop of the 25 matrices u (4C, O)."""
    kh, kw, c, o = w.shape
    flat, size = w.reshape(-1), 4 * c * o
    for row in range(start, stop):
        a, b = row // c // 2, row // c % 2
        for q in range(0, o, LANES):
            at, to = row * o + q, ((a * kw + b) * c + row % c) * o + q
            a0, a1 = _weight_transposed(_take5(sums, at, 5 * size))
            b0, b1 = _weight_transposed(_take5(sums, at + size, 5 * size))
            c0, c1 = _weight_transposed(_take5(sums, at + 2 * size, 5 * size))
            d0, d1 = _weight_transposed(_take5(sums, at + 3 * size, 5 * size))
            e0, e1 = _weight_transposed(_take5(sums, at + 4 * size, 5 * size))
            w0, w1 = _weight_transposed((a0, b0, c0, d0, e0))
            store(flat, to, w0)
            if b + 2 < kw:
                store(flat, to + 2 * c * o, w1)
            if a + 2 < kh:
                w0, w1 = _weight_transposed((a1, b1, c1, d1, e1))
                store(flat, to + 2 * kw * c * o, w0)
                if b + 2 < kw:
                    store(flat, to + 2 * (kw + 1) * c * o, w1)
