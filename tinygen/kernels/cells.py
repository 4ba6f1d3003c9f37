"""One step of each recurrent cell, forward and backward, in one pass over its gates."""

import numpy as np

from tinygen.kernels.machine.jit import as_input
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vector_math import exact_kernel, f32, sigmoids, tanh


def rnn(x, s, state):
    return tuple(_each_row(_rnn, [x, s], [state[0].shape]))


def rnn_vjp(x, s, g, state, new):
    (gate,) = _each_row(_rnn_vjp, [g[0], new[0]], [x.shape])
    return gate, gate, (None,)


def gru(x, s, state):
    return tuple(_each_row(_gru, [x, s, *state], [state[0].shape]))


def gru_vjp(x, s, g, state, new):
    of_x, of_s, of_h = _each_row(_gru_vjp, [x, s, g[0], state[0]], [x.shape, x.shape, state[0].shape])
    return of_x, of_s, (of_h,)


def lstm(x, s, state):
    return tuple(_each_row(_lstm, [x, s, state[1]], [state[1].shape] * 2))


def lstm_vjp(x, s, g, state, new):
    of_gates, of_c = _each_row(_lstm_vjp, [x, s, *g, state[1], new[1]], [x.shape, state[1].shape])
    return of_gates, of_gates, (None, of_c)


def _each_row(kernel, arrays, shapes) -> list[np.ndarray]:
    """New arrays of these shapes, filled by `kernel(*arrays, *new, each, start, stop)`."""
    new = [np.empty(shape, f32) for shape in shapes]
    each = rows_in_block(len(new[0]), arrays[0].size)
    share(kernel, -(-len(new[0]) // each), *map(as_input, arrays), *new, each)
    return new


@exact_kernel
def _rnn(x, s, new, each, start, stop):
    for i in range(start * each, min(stop * each, len(x))):
        xi, si, to = x[i], s[i], new[i]
        for j in range(len(to)):
            to[j] = tanh(xi[j] + si[j])


@exact_kernel
def _rnn_vjp(g, new, gate, each, start, stop):
    for i in range(start * each, min(stop * each, len(g))):
        gi, y, to = g[i], new[i], gate[i]
        for j in range(len(to)):
            to[j] = gi[j] * (f32(1) - y[j] * y[j])


@exact_kernel
def _gru(x, s, h, new, each, start, stop):
    size = h.shape[1]
    for i in range(start * each, min(stop * each, len(x))):
        xi, si, hi, to = x[i], s[i], h[i], new[i]
        for j in range(size):
            r, _ = sigmoids(xi[j] + si[j])
            z, _ = sigmoids(xi[size + j] + si[size + j])
            n = tanh(xi[2 * size + j] + r * si[2 * size + j])
            to[j] = n + z * (hi[j] - n)


@exact_kernel
def _gru_vjp(x, s, g, h, of_x, of_s, of_h, each, start, stop):
    size = h.shape[1]
    for i in range(start * each, min(stop * each, len(x))):
        xi, si, gi, hi, to_x, to_s, to_h = x[i], s[i], g[i], h[i], of_x[i], of_s[i], of_h[i]
        for j in range(size):
            r, not_r = sigmoids(xi[j] + si[j])
            z, not_z = sigmoids(xi[size + j] + si[size + j])
            s_n = si[2 * size + j]
            n = tanh(xi[2 * size + j] + r * s_n)
            to_h[j] = gi[j] * z
            of_n = (gi[j] - gi[j] * z) * (f32(1) - n * n)
            of_r, of_z = of_n * s_n * (r * not_r), gi[j] * (hi[j] - n) * (z * not_z)
            to_x[j], to_x[size + j], to_x[2 * size + j] = of_r, of_z, of_n
            to_s[j], to_s[size + j], to_s[2 * size + j] = of_r, of_z, of_n * r


@exact_kernel
def _lstm(x, s, c, new_h, new_c, each, start, stop):
    size = c.shape[1]
    for row in range(start * each, min(stop * each, len(x))):
        xi, si, ci, to_h, to_c = x[row], s[row], c[row], new_h[row], new_c[row]
        for j in range(size):
            i, _ = sigmoids(xi[j] + si[j])
            f, _ = sigmoids(xi[size + j] + si[size + j])
            n = tanh(xi[2 * size + j] + si[2 * size + j])
            o, _ = sigmoids(xi[3 * size + j] + si[3 * size + j])
            next_c = f * ci[j] + i * n
            to_c[j], to_h[j] = next_c, o * tanh(next_c)


@exact_kernel
def _lstm_vjp(x, s, g_h, g_c, c, new_c, of_gates, of_c, each, start, stop):
    size = c.shape[1]
    for row in range(start * each, min(stop * each, len(x))):
        xi, si, gh, gc, ci, di = x[row], s[row], g_h[row], g_c[row], c[row], new_c[row]
        gates, to_c = of_gates[row], of_c[row]
        for j in range(size):
            i, not_i = sigmoids(xi[j] + si[j])
            f, not_f = sigmoids(xi[size + j] + si[size + j])
            n = tanh(xi[2 * size + j] + si[2 * size + j])
            o, not_o = sigmoids(xi[3 * size + j] + si[3 * size + j])
            top = tanh(di[j])
            of_next = gc[j] + gh[j] * o * (f32(1) - top * top)
            gates[j], gates[size + j] = of_next * n * (i * not_i), of_next * ci[j] * (f * not_f)
            gates[2 * size + j] = of_next * i * (f32(1) - n * n)
            gates[3 * size + j] = gh[j] * top * (o * not_o)
            to_c[j] = of_next * f
