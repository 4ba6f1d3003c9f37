"""One step of each recurrent cell, and of its backward pass, in the arithmetic `of`: plain kernels, or ops of Tensors.

A state is a tuple: (h,), or (h, c) of an LSTM, each (N, H). `x` and `s` are what the input and the state add to the
gates, (N, gates · H), with the gates side by side. A backward pass takes the gradients `g` of the new state, and
returns those of x, of s, and of the state itself: None where all of it goes through s.
"""

from types import SimpleNamespace

from tinygen.kernels.reference_copy import concat
from tinygen.kernels.reference_elementwise import sigmoid, sigmoid_vjp, tanh, tanh_vjp

ARRAYS = SimpleNamespace(concat=concat, sigmoid=sigmoid, sigmoid_vjp=sigmoid_vjp, tanh=tanh, tanh_vjp=tanh_vjp)


def part(x, size, first, last):
    """The columns from first · size to last · size."""
    return x[:, first * size : last * size]


# -- RNN: h' = tanh(x + s) ---------------------------------------------------------------------------------------------


def rnn_of(of, x, s, state):
    return (of.tanh(x + s),)


def rnn_vjp_of(of, x, s, g, state, new):
    gate = of.tanh_vjp(g[0], new[0])
    return gate, gate, (None,)


# -- GRU: r, z = σ(x + s) and n = tanh(x + r s), each of its own columns; h' = n + z (h - n) ---------------------------


def _gru_gates(of, x, s, size):
    both, s_n = part(x, size, 0, 2) + part(s, size, 0, 2), part(s, size, 2, 3)
    r_z = of.sigmoid(both)
    r, z = part(r_z, size, 0, 1), part(r_z, size, 1, 2)
    return both, s_n, r, z, of.tanh(part(x, size, 2, 3) + r * s_n)


def gru_of(of, x, s, state):
    (h,) = state
    _, _, _, z, n = _gru_gates(of, x, s, h.shape[1])
    return (n + z * (h - n),)


def gru_vjp_of(of, x, s, g, state, new):
    both, s_n, r, z, n = _gru_gates(of, x, s, state[0].shape[1])
    of_h = g[0] * z
    of_n = of.tanh_vjp(g[0] - of_h, n)
    of_both = of.sigmoid_vjp(of.concat([of_n * s_n, g[0] * (state[0] - n)], 1), both)
    return of.concat([of_both, of_n], 1), of.concat([of_both, of_n * r], 1), (of_h,)


# -- LSTM: i, f, o = σ(x + s) and n = tanh(x + s), each of its own columns; c' = f c + i n, h' = o tanh(c') ------------


def _lstm_gates(of, x, s, size):
    gates = x + s
    i_f, n, o = of.sigmoid(part(gates, size, 0, 2)), of.tanh(part(gates, size, 2, 3)), part(gates, size, 3, 4)
    return gates, part(i_f, size, 0, 1), part(i_f, size, 1, 2), n, of.sigmoid(o)


def lstm_of(of, x, s, state):
    _, i, f, n, o = _lstm_gates(of, x, s, state[1].shape[1])
    c = f * state[1] + i * n
    return o * of.tanh(c), c


def lstm_vjp_of(of, x, s, g, state, new):
    size, top = state[1].shape[1], of.tanh(new[1])
    gates, i, f, n, o = _lstm_gates(of, x, s, size)
    of_c = g[1] + of.tanh_vjp(g[0] * o, top)
    of_i_f = of.sigmoid_vjp(of.concat([of_c * n, of_c * state[1]], 1), part(gates, size, 0, 2))
    of_o = of.sigmoid_vjp(g[0] * top, part(gates, size, 3, 4))
    of_gates = of.concat([of_i_f, of.tanh_vjp(of_c * i, n), of_o], 1)
    return of_gates, of_gates, (None, of_c * f)


# -- of arrays; `reference.py` has these functions too -----------------------------------------------------------------


def rnn(x, s, state):
    return rnn_of(ARRAYS, x, s, state)


def rnn_vjp(x, s, g, state, new):
    return rnn_vjp_of(ARRAYS, x, s, g, state, new)


def gru(x, s, state):
    return gru_of(ARRAYS, x, s, state)


def gru_vjp(x, s, g, state, new):
    return gru_vjp_of(ARRAYS, x, s, g, state, new)


def lstm(x, s, state):
    return lstm_of(ARRAYS, x, s, state)


def lstm_vjp(x, s, g, state, new):
    return lstm_vjp_of(ARRAYS, x, s, g, state, new)
