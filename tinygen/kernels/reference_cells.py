"""Recurrent cells, their steps over time and back, in the arithmetic `of`: plain kernels, or ops of Tensors.

A state is a tuple: (h,), or (h, c) of an LSTM, each (N, H). `x` and `s` are what the input and the state add to the
gates, (N, gates · H), with the gates side by side. A backward pass takes the gradients `g` of the new state, and
returns those of x, of s, and of the state itself: None where all of it goes through s.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

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


# -- all steps ---------------------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """How wide a cell is: the gates beside each other, and the parts of its state."""

    gates: int
    parts: int


CELLS = {"rnn": Cell(1, 1), "gru": Cell(3, 1), "lstm": Cell(4, 2)}


def forward(of, cell: str, x, first, w, b) -> tuple[list, list]:
    """The states before each of the T steps and after the last one, and what each state adds to the gates."""
    step, added = getattr(of, cell), []
    states = [tuple(part(first, w.shape[0], i, i + 1) for i in range(CELLS[cell].parts))]
    for t in range(len(x)):
        added.append(of.matmul(states[-1][0], w, b))
        states.append(step(x[t], added[-1], states[-1]))
    return states, added


def backward(of, cell: str, g, x, states, added, w) -> tuple[list, list, tuple]:
    """The gradients of x and of what the states add, for each step, and of the first state."""
    step, of_x, of_s, parts = getattr(of, f"{cell}_vjp"), [], [], CELLS[cell].parts
    later = (None,) * parts
    for t in reversed(range(len(added))):
        own = (part(g[t], w.shape[0], i, i + 1) for i in range(parts))
        here = [a if b is None else a + b for a, b in zip(own, later)]
        through_x, through_s, (direct, *rest) = step(x[t], added[t], here, states[t], states[t + 1])
        through = of.matmul(through_s, w.T)
        later = (through if direct is None else through + direct, *rest)
        of_x.append(through_x)
        of_s.append(through_s)
    return of_x[::-1], of_s[::-1], later


# -- of arrays; `reference.py` has these functions too -----------------------------------------------------------------


def recurrence(x, first, w, b, cell):
    """The states (T + 1, N, parts · H) and what they add to the gates (T, N, gates · H), for x (T, N, gates · H)."""
    return run(np.matmul, x, first, w, b, cell)


def recurrence_vjp(g, x, states, added, w, cell):
    """The gradients of x and of `added`, of their shape, and of the first state, from that of the new states."""
    return run_back(np.matmul, g, x, states, added, w, cell)


def run(matmul, x, first, w, b, cell):
    """`recurrence` with the products that `matmul` makes."""
    states, added = forward(_arrays(matmul), cell, x, first, w, b)
    return np.array([np.concatenate(state, axis=1) for state in states]), np.array(added, x.dtype).reshape(x.shape)


def run_back(matmul, g, x, states, added, w, cell):
    """`recurrence_vjp` with the products that `matmul` makes."""
    if not len(x):
        return x, x, np.zeros_like(states[0])
    parts = [np.split(state, CELLS[cell].parts, axis=1) for state in states]
    of_x, of_s, of_first = backward(_arrays(matmul), cell, g, x, parts, added, w)
    return *(np.array(each, x.dtype).reshape(x.shape) for each in (of_x, of_s)), np.concatenate(of_first, axis=1)


def _arrays(matmul) -> SimpleNamespace:
    steps = {f"{cell}{end}": globals()[f"{cell}{end}_of"] for cell in CELLS for end in ("", "_vjp")}
    return SimpleNamespace(
        matmul=lambda a, b, bias=0: matmul(a, b) + bias,
        **{name: lambda *given, step=step: step(ARRAYS, *given) for name, step in steps.items()},
    )
