"""The cells of recurrent layers, and the loop over time: each pass is written once, for arrays and for Tensors.

The argument `of` is the arithmetic: the module `kernels`, or `TENSORS`, ops of these names, which have derivatives.
A state is a tuple: (h,), or (h, c) of an LSTM, each (N, H). `x` and `s` are what the input and the state add to the
gates, (N, gates · H), with the gates side by side.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.ops.activation import sigmoid
from tinygen.ops.backward import sigmoid_vjp, tanh_vjp
from tinygen.ops.elementwise import tanh
from tinygen.ops.reduce import sum
from tinygen.ops.shape import concat, getitem
from tinygen.ops.support.matrices import swapped
from tinygen.tensor import Tensor

TENSORS = SimpleNamespace(
    sigmoid=sigmoid,
    tanh=tanh,
    sigmoid_vjp=sigmoid_vjp,
    tanh_vjp=tanh_vjp,
    concat=lambda xs, axis: concat(*xs, axis=axis),
    matmul=lambda a, b, *bias: a @ b + bias[0] if bias else a @ b,
    linear_weight=lambda h, g: (swapped(h) @ g, sum(g, axis=0)),
)


class Cell(NamedTuple):
    """One step forward and backward."""

    gates: int
    parts: int  # of the state
    forward: Callable  # (of, x, s, state) -> the new state, and what the backward pass needs
    backward: Callable  # (of, gradients of the new state, state, needed) -> those of x, of s, and of the state directly


def columns(x: Any, size: int, first: int, last: int) -> Any:
    """The columns from first · size to last · size of an array or a Tensor (N, ...)."""
    index = (slice(None), slice(first * size, last * size))
    return getitem(x, index=index) if isinstance(x, Tensor) else x[index]


# -- RNN: h' = tanh(x + s) ---------------------------------------------------------------------------------------------


def _rnn(of, x, s, state):
    h = of.tanh(x + s)
    return (h,), h


def _rnn_backward(of, g, state, h):
    gate = of.tanh_vjp(g[0], h)
    return gate, gate, (None,)


# -- GRU: r, z = σ(x + s) and n = tanh(x + r s), each of its own columns; h' = n + z (h - n) ---------------------------


def _gru(of, x, s, state):
    (h,), size = state, state[0].shape[1]
    both, s_n = columns(x, size, 0, 2) + columns(s, size, 0, 2), columns(s, size, 2, 3)
    r_z = of.sigmoid(both)
    r, z = columns(r_z, size, 0, 1), columns(r_z, size, 1, 2)
    n = of.tanh(columns(x, size, 2, 3) + r * s_n)
    return (n + z * (h - n),), (both, s_n, r, z, n)


def _gru_backward(of, g, state, needed):
    both, s_n, r, z, n = needed
    of_h = g[0] * z
    of_n = of.tanh_vjp(g[0] - of_h, n)
    of_both = of.sigmoid_vjp(of.concat([of_n * s_n, g[0] * (state[0] - n)], 1), both)
    return of.concat([of_both, of_n], 1), of.concat([of_both, of_n * r], 1), (of_h,)


# -- LSTM: i, f, o = σ(x + s) and g = tanh(x + s), each of its own columns; c' = f c + i g, h' = o tanh(c') ------------


def _lstm(of, x, s, state):
    c, size, gates = state[1], state[1].shape[1], x + s
    i_f, o = of.sigmoid(columns(gates, size, 0, 2)), of.sigmoid(columns(gates, size, 3, 4))
    i, f, new = columns(i_f, size, 0, 1), columns(i_f, size, 1, 2), of.tanh(columns(gates, size, 2, 3))
    next_c = f * c + i * new
    top = of.tanh(next_c)
    return (o * top, next_c), (gates, i, f, new, o, top)


def _lstm_backward(of, g, state, needed):
    (of_h, of_c), (gates, i, f, new, o, top), size = g, needed, needed[1].shape[1]
    of_c = of_c + of.tanh_vjp(of_h * o, top)
    of_i_f = of.sigmoid_vjp(of.concat([of_c * new, of_c * state[1]], 1), columns(gates, size, 0, 2))
    of_o = of.sigmoid_vjp(of_h * top, columns(gates, size, 3, 4))
    of_gates = of.concat([of_i_f, of.tanh_vjp(of_c * i, new), of_o], 1)
    return of_gates, of_gates, (None, of_c * f)


CELLS = {
    "rnn": Cell(1, 1, _rnn, _rnn_backward),
    "gru": Cell(3, 1, _gru, _gru_backward),
    "lstm": Cell(4, 2, _lstm, _lstm_backward),
}

# -- all steps ---------------------------------------------------------------------------------------------------------


def forward(of, cell: Cell, x, first, w, b) -> tuple[list, list]:
    """The states before each of the T steps and after the last one, and what the backward pass of each step needs."""
    size, needed = w.shape[0], []
    states = [tuple(columns(first, size, i, i + 1) for i in range(cell.parts))]
    for t in range(len(x)):
        state, kept = cell.forward(of, x[t], of.matmul(states[-1][0], w, b), states[-1])
        states.append(state)
        needed.append(kept)
    return states, needed


def joined(states: list) -> np.ndarray:
    """The arrays of the states after each step as one array (T, N, parts · H)."""
    rows = kernels.concat([state[0] if len(state) == 1 else kernels.concat(list(state), 1) for state in states[1:]], 0)
    return rows.reshape(len(states) - 1, len(states[0][0]), rows.shape[1])


def backward(of, cell: Cell, g, w, states: list, needed: list) -> tuple:
    """The gradients of x, of the first state, and of w and b, for which all steps make one product."""
    size, of_x, of_s, later = w.shape[0], [], [], (None,) * cell.parts
    for t in reversed(range(len(needed))):
        own = (columns(g[t], size, i, i + 1) for i in range(cell.parts))
        here = [a if b is None else a + b for a, b in zip(own, later)]
        x, s, (direct, *rest) = cell.backward(of, here, states[t], needed[t])
        through = of.matmul(s, w.T)
        later = (through if direct is None else through + direct, *rest)
        of_x.append(x)
        of_s.append(s)
    of_w, of_b = of.linear_weight(of.concat([state[0] for state in states[-2::-1]], 0), of.concat(of_s, 0))
    of_first = later[0] if cell.parts == 1 else of.concat(list(later), 1)
    return of.concat(of_x[::-1], 0).reshape(len(of_x), *of_x[0].shape), of_first, of_w, of_b
