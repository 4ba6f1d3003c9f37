"""Winograd's transforms: images, gradients and weights on their way to the products of `winograd.py` and back.

A tile of 4x4 outputs is Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, for inputs d and weights w (Lavin & Gray 2016, section 4.3). With
3 weights along an axis d has 6 inputs; with 2 it has 5. docs/fast.md derives the matrices and their rounding errors.

`phases` is a tuple with one entry for each phase of an image along an axis: (0,) for stride 1, where a kernel of 3 is
one of 3 weights, and (0, 0) for stride 2, where a kernel of 4 is one of 2 weights for each phase. The compiler knows
its length, so it knows the matrices.
"""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.microkernel import COLUMNS
from tinygen.kernels.machine.transform import store_all, times
from tinygen.kernels.machine.vectors import LANES, larger, load, nothing, store
from tinygen.kernels.machine.window import read, scratch

# -- the matrices ------------------------------------------------------------------------------------------------------


def _matrices(points: tuple[float, ...], taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(Bᵀ, G, Aᵀ) for four outputs and `taps` weights, from the values of polynomials at `points` and at infinity."""

    def values(n):  # row p turns the n coefficients of a polynomial into its value at point p
        return np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1:]])

    divisors = np.array([*(np.prod([p - q for q in points if q != p]) for p in points), 1.0])[:, None]
    inputs = np.linalg.inv(values(taps + 3)).T * divisors
    return np.rint(inputs * 1024) / 1024, values(taps) / divisors, values(4).T  # whole multiples of 1/64 or less


# With the points ±1 and ±2 the matrices would hold whole numbers, as large as 8. The powers of these points are exact
# too, they take as long, and they leave a quarter of the rounding error.
MATRICES = {1: _matrices((0, 0.75, -0.75, 1.5, -1.5), 3), 2: _matrices((0, 0.75, -0.75, 1.5), 2)}
BT, G, AT = ({n: matrices[i] for n, matrices in MATRICES.items()} for i in range(3))

inputs_to_products = times(BT, axes=1)
products_to_outputs = times(AT, axes=2)
outputs_to_products = times({n: matrix.T for n, matrix in AT.items()}, axes=2)
weights_to_products = times(G, axes=2)
products_to_weights = times({n: matrix.T for n, matrix in G.items()}, axes=2)


@piece
def along_tile(phases):
    """How many products a tile has along an axis: 6 or 5."""
    return 7 - len(phases)


# -- from images to matrices and back ----------------------------------------------------------------------------------


@piece
def scratch_size(phases, stride, wide, c):
    """How many numbers `window` and `rows` of `to_products` need each."""
    return stride * along_tile(phases) * stride * (4 * wide + along_tile(phases) - 4) * c


@piece
def to_products(phases, stride, x, padding, tall, wide, window, rows, products, plane, pitch, first, last):
    """Bᵀ d B for the rows of tiles first..last of x: planes (tiles, stride² C), `plane` apart, with rows `pitch` apart.

    `stride` is 1 also for the transpose of a convolution with stride 2, which reads its whole input in each phase.
    """
    n, c = along_tile(phases), x.shape[3]
    columns = stride * (4 * wide + n - 4)
    size = columns * c
    for s in range(first, last):
        top = 4 * stride * (s % tall) - padding[0]
        read(x, s // tall, top, -padding[1], window, 0, stride * n, columns)
        for a in range(stride):  # down the columns, all of them at once
            for q in range(a * size, (a + 1) * size, LANES):
                store_all(rows, (n - 1) * a * size + q, size, inputs_to_products(phases, window, q, (stride * size,)))
        for t in range(wide):
            to = ((s - first) * wide + t) * pitch
            for a in range(stride):
                for i in range(n):
                    at, here = (n * a + i) * size + 4 * stride * t * c, n * i * plane + to + stride * a * c
                    for q in range(0, stride * c, LANES):  # the phases of a row lie side by side
                        store_all(products, here + q, plane, inputs_to_products(phases, rows, at + q, (stride * c,)))


@piece
def from_products(phases, products, plane, at, width, bias, floor, y, place):
    """Aᵀ m A of the products from `at` on, plus bias, at least `floor`, to those of 4x4 pixels that are inside y.

    `place` is the image, row and column of the first pixel, and the distance between pixels. Returns a vector of sums
    of the pixels, which is finite if they are.
    """
    (image, row, column, step), (_, h, w, o) = place, y.shape
    flat, begin, check = y.reshape(-1), ((image * h + row) * w + column) * o, nothing(y)
    down, n = step * w * o, along_tile(phases)
    for q in range(0, width, LANES):
        values, shift = products_to_outputs(phases, products, at + q, (n * plane, plane)), load(bias, q)
        for i in range(4):
            for j in range(4):
                if 0 <= row + i * step < h and 0 <= column + j * step < w:
                    store(flat, begin + q + i * down + j * step * o, larger(values[4 * i + j] + shift, floor))
            check += values[4 * i] + values[4 * i + 3]  # to which all products of the tile's row contribute
    return check


@piece
def to_gradients(phases, g, tall, wide, window, products, tiles, tile, strip, channel, count):
    """A g Aᵀ for one row of tiles and `count` channels from one on, the adjoint of `from_products`: planes of panels
    (tiles, COLUMNS)."""
    o = g.shape[3]
    size, plane = 4 * wide * o, tiles * count
    read(g, strip // tall, 4 * (strip % tall), 0, window, 0, 4, 4 * wide)
    for t in range(wide):
        for q in range(0, count, LANES):
            first = q // COLUMNS * COLUMNS
            to = first * tiles + (tile + t) * min(COLUMNS, count - first) + q - first
            store_all(products, to, plane, outputs_to_products(phases, window, 4 * t * o + channel + q, (size, o)))


# -- weights, there and back -------------------------------------------------------------------------------------------


@kernel
def transform_weights(phases, w, weights, turned, start, stop):
    """G w Gᵀ as matrices (K, M), each in panels (K, COLUMNS), for the rows start..stop of each w (KH, KW, A, B).

    Entry (s u + a, s v + b) of a kernel is entry (u, v) of the one for phase (a, b), with s phases along an axis. For a
    convolution K is the phases of A, and M is B. For a transpose the kernel is turned round, K is A, and M is the
    phases of B.
    """
    _, kw, rows, columns = w.shape
    s, taps = len(phases), 4 - len(phases)
    k, m = (rows, s * s * columns) if turned else (s * s * rows, columns)
    flat, entries = w.reshape(-1), scratch(weights, taps * taps * LANES)
    for row in range(start, stop):
        for phase in range(s * s):
            for q in range(0, columns, LANES):
                for i in range(taps):
                    for j in range(taps):
                        u, v = (taps - 1 - i, taps - 1 - j) if turned else (i, j)
                        u, v, to = s * u + phase // s, s * v + phase % s, (i * taps + j) * LANES
                        store(entries, to, load(flat, ((u * kw + v) * rows + row) * columns + q))
                i, j = (row, phase * columns + q) if turned else (phase * rows + row, q)
                panel = j // COLUMNS * COLUMNS
                to = panel * k + i * min(COLUMNS, m - panel) + j - panel
                store_all(weights, to, k * m, weights_to_products(phases, entries, 0, (taps * LANES, LANES)))


@kernel
def restore_weights(phases, sums, w, start, stop):
    """w (KH, KW, C, O) = Gᵀ u G for rows start..stop of the matrices u (s² C, O), the sum of the parts in `sums`."""
    _, kw, c, o = w.shape
    s, taps, n = len(phases), 4 - len(phases), along_tile(phases)
    flat, size = w.reshape(-1), s * s * c * o
    products, entries = scratch(w, n * n * LANES), scratch(w, taps * taps * LANES)
    for row in range(start, stop):
        phase = row // c
        for q in range(0, o, LANES):
            for p in range(n * n):
                total = load(sums[0], p * size + row * o + q)
                for part in range(1, len(sums)):
                    total = total + load(sums[part], p * size + row * o + q)
                store(products, p * LANES, total)
            store_all(entries, 0, LANES, products_to_weights(phases, products, 0, (n * LANES, LANES)))
            for i in range(taps):
                for j in range(taps):
                    u, v = s * i + phase // s, s * j + phase % s
                    to = ((u * kw + v) * c + row % c) * o + q
                    store(flat, to, load(entries, (i * taps + j) * LANES))
