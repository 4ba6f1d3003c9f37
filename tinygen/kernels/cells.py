"""All steps of a recurrent layer in one call, and all steps back.

The rows of a batch never meet, so a block is a few rows, which one thread takes through all steps: no thread waits for
another between two of them. What is added to the gates in a step is a product with the weights, by the tiles of
machine/microkernel.py, whose panels are laid out once.
"""

import numpy as np

from tinygen.kernels import linalg, reference_cells
from tinygen.kernels.copy import filled
from tinygen.kernels.machine.jit import as_input
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.microkernel import COLUMNS, multiply
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vector_math import exact, exact_kernel, f32, sigmoids, tanh
from tinygen.kernels.machine.window import copy, scratch

LARGE = 1 << 14  # numbers of weights that are not laid out by NumPy
ROWS = 16  # of a block, at most; a batch of fewer than 64 makes four blocks


def recurrence(x, first, w, b, cell):
    if not _is_for_tiles(x):
        return reference_cells.run(linalg.matmul, x, first, w, b, cell)
    states, added, n = empty((len(x) + 1, *first.shape), f32), empty(x.shape, f32), x.shape[1]
    states[0], each = first, _rows_of_block(n)
    arrays = as_input(x), states, added, _panels(w), _panels(b[None]).reshape(-1)
    share(FORWARD[cell], -(-n // each), *arrays, len(w), each)
    return states, added


def recurrence_vjp(g, x, states, added, w, cell):
    if not _is_for_tiles(x):
        return reference_cells.run_back(linalg.matmul, g, x, states, added, w, cell)
    of_x, of_first, n = empty(x.shape, f32), np.zeros(states.shape[1:], f32), x.shape[1]
    of_s, each = empty(x.shape, f32) if cell == "gru" else None, _rows_of_block(n)  # in the others, that of x
    arrays = *map(as_input, (g, x, states, added)), _panels(w.T), of_x, of_s, of_first
    share(BACKWARD[cell], -(-n // each), *arrays, len(w), each)
    return of_x, of_x if of_s is None else of_s, of_first


def _is_for_tiles(x) -> bool:
    """Whether the numbers are float32, and no more are added up than float32 may."""
    return x.dtype == f32 and 0 not in x.shape and x.shape[2] <= linalg.LONGEST


def _rows_of_block(n) -> int:
    return min(ROWS, -(-n // 4))


def _panels(w) -> np.ndarray:
    """W (K, M) as panels (., K, COLUMNS), with zeros behind the last column."""
    k, m = w.shape
    whole, rest = divmod(m, COLUMNS)
    panels = empty((whole + (rest > 0), k, COLUMNS), f32)
    parts = [(slice(whole), w[:, : m - rest].reshape(k, whole, COLUMNS).transpose(1, 0, 2))]
    if rest:
        parts += [((whole, ..., slice(rest)), w[:, m - rest :]), ((whole, ..., slice(rest, None)), f32(0))]
    for index, part in parts:
        if part.size < LARGE:
            panels[index] = part
        else:
            filled(panels, [(index, part)])
    return as_input(panels)


# -- the steps of one row, and back: `to` is the gradient of the new state, and becomes that of the state itself -------


@exact
def _rnn(x, s, state, new, size):
    for j in range(size):
        new[j] = tanh(x[j] + s[j])


@exact
def _rnn_back(x, s, state, new, to, to_x, to_s, size):
    for j in range(size):
        to_x[j] = to[j] * (f32(1) - new[j] * new[j])
        to[j] = f32(0)


@exact
def _gru(x, s, h, new, size):
    for j in range(size):
        r, _ = sigmoids(x[j] + s[j])
        z, _ = sigmoids(x[size + j] + s[size + j])
        n = tanh(x[2 * size + j] + r * s[2 * size + j])
        new[j] = n + z * (h[j] - n)


@exact
def _gru_back(x, s, h, new, to, to_x, to_s, size):
    for j in range(size):
        r, not_r = sigmoids(x[j] + s[j])
        z, not_z = sigmoids(x[size + j] + s[size + j])
        s_n, g = s[2 * size + j], to[j]
        n = tanh(x[2 * size + j] + r * s_n)
        of_n = (g - g * z) * (f32(1) - n * n)
        of_r, of_z = of_n * s_n * (r * not_r), g * (h[j] - n) * (z * not_z)
        to[j] = g * z
        to_x[j], to_x[size + j], to_x[2 * size + j] = of_r, of_z, of_n
        to_s[j], to_s[size + j], to_s[2 * size + j] = of_r, of_z, of_n * r


@exact
def _lstm(x, s, state, new, size):
    """h is before c in a state."""
    for j in range(size):
        i, _ = sigmoids(x[j] + s[j])
        f, _ = sigmoids(x[size + j] + s[size + j])
        n = tanh(x[2 * size + j] + s[2 * size + j])
        o, _ = sigmoids(x[3 * size + j] + s[3 * size + j])
        c = f * state[size + j] + i * n
        new[j], new[size + j] = o * tanh(c), c


@exact
def _lstm_back(x, s, state, new, to, to_x, to_s, size):
    for j in range(size):
        i, not_i = sigmoids(x[j] + s[j])
        f, not_f = sigmoids(x[size + j] + s[size + j])
        n = tanh(x[2 * size + j] + s[2 * size + j])
        o, not_o = sigmoids(x[3 * size + j] + s[3 * size + j])
        top, g = tanh(new[size + j]), to[j]
        of_c = to[size + j] + g * o * (f32(1) - top * top)
        to_x[j], to_x[size + j] = of_c * n * (i * not_i), of_c * state[size + j] * (f * not_f)
        to_x[2 * size + j] = of_c * i * (f32(1) - n * n)
        to_x[3 * size + j] = g * top * (o * not_o)
        to[j], to[size + j] = f32(0), of_c * f


# -- all steps ---------------------------------------------------------------------------------------------------------


def _forward(cell, step):
    def loop(x, states, added, panels, bias, size, each, start, stop):
        (steps, n, width), count, parts = x.shape, len(panels), states.shape[2]
        h, weights, wide = states.reshape(-1), panels.reshape(-1), count * COLUMNS
        sums = scratch(x, each * wide)
        for block in range(start, stop):
            first, rows = block * each, min(each, n - block * each)
            for t in range(steps):
                at, walk = (t * n + first) * parts, (parts, 0, 0, 1)
                for p in range(count):
                    w_at, to = p * size * COLUMNS, p * COLUMNS
                    multiply(
                        *(h, at, walk, (1, 1, size), weights, w_at, COLUMNS),
                        *(bias, to, 0, sums, to, wide, rows, COLUMNS),
                    )
                for i in range(rows):
                    q = first + i
                    copy(sums, i * wide, added[t, q], 0, width)
                    step(x[t, q], added[t, q], states[t, q], states[t + 1, q], size)

    return _named(f"{cell}_forward", loop)


def _backward(cell, step):
    def loop(g, x, states, added, panels, of_x, of_s, of_first, size, each, start, stop):
        """`of_first` is the gradient of the state that is reached, from the last one to the first."""
        (steps, n, width), count, parts = x.shape, len(panels), states.shape[2]
        through = of_x if of_s is None else of_s
        of_gates, weights, wide = through.reshape(-1), panels.reshape(-1), count * COLUMNS
        sums, zeros = scratch(x, each * wide), np.zeros(COLUMNS, x.dtype)
        for block in range(start, stop):
            first, rows = block * each, min(each, n - block * each)
            for t in range(steps - 1, -1, -1):
                for q in range(first, first + rows):
                    to, own = of_first[q], g[t, q]
                    for j in range(parts):
                        to[j] += own[j]
                    step(x[t, q], added[t, q], states[t, q], states[t + 1, q], to, of_x[t, q], through[t, q], size)
                at, walk = (t * n + first) * width, (width, 0, 0, 1)
                for p in range(count):
                    w_at, to = p * width * COLUMNS, p * COLUMNS
                    multiply(
                        *(of_gates, at, walk, (1, 1, width), weights, w_at, COLUMNS),
                        *(zeros, 0, 0, sums, to, wide, rows, COLUMNS),
                    )
                for i in range(rows):
                    to, of_h = of_first[first + i], sums[i * wide : (i + 1) * wide]
                    for j in range(size):
                        to[j] += of_h[j]

    return _named(f"{cell}_backward", loop)


def _named(name, loop):
    """The compiled loop, with a name by which it is found on disk."""
    loop.__name__ = loop.__qualname__ = name
    return exact_kernel(loop)


STEPS = {"rnn": (_rnn, _rnn_back), "gru": (_gru, _gru_back), "lstm": (_lstm, _lstm_back)}
FORWARD = {cell: _forward(cell, step) for cell, (step, _) in STEPS.items()}
BACKWARD = {cell: _backward(cell, back) for cell, (_, back) in STEPS.items()}
