"""The loop of recurrent layers over time: each pass is written once, for arrays and for Tensors.

The argument `of` is the arithmetic: the module `kernels`, or `TENSORS`, ops of these names, which have derivatives.
`kernels/reference_cells.py` has the formulas of the cells, and says what a state is.
"""

from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.kernels import reference_cells
from tinygen.kernels.reference_cells import part
from tinygen.ops.activation import sigmoid
from tinygen.ops.backward import sigmoid_vjp, tanh_vjp
from tinygen.ops.elementwise import tanh
from tinygen.ops.reduce import sum
from tinygen.ops.shape import concat
from tinygen.ops.support.matrices import swapped

TENSORS = SimpleNamespace(
    sigmoid=sigmoid,
    tanh=tanh,
    sigmoid_vjp=sigmoid_vjp,
    tanh_vjp=tanh_vjp,
    concat=lambda xs, axis: concat(*xs, axis=axis),
    matmul=lambda a, b, *bias: a @ b + bias[0] if bias else a @ b,
    linear_weight=lambda h, g: (swapped(h) @ g, sum(g, axis=0)),
)
for _name in ("rnn", "rnn_vjp", "gru", "gru_vjp", "lstm", "lstm_vjp"):
    setattr(TENSORS, _name, partial(getattr(reference_cells, f"{_name}_of"), TENSORS))


class Cell(NamedTuple):
    """How wide a cell is; its step and the backward pass of it are `of.NAME` and `of.NAME_vjp`."""

    name: str
    gates: int
    parts: int  # of the state


CELLS = {name: Cell(name, *sizes) for name, sizes in {"rnn": (1, 1), "gru": (3, 1), "lstm": (4, 2)}.items()}

# -- all steps ---------------------------------------------------------------------------------------------------------


def forward(of, cell: Cell, x, first, w, b) -> tuple[list, list]:
    """The states before each of the T steps and after the last one, and what each state adds to the gates."""
    step, added = getattr(of, cell.name), []
    states = [tuple(part(first, w.shape[0], i, i + 1) for i in range(cell.parts))]
    for t in range(len(x)):
        added.append(of.matmul(states[-1][0], w, b))
        states.append(step(x[t], added[-1], states[-1]))
    return states, added


def joined(states: list) -> np.ndarray:
    """The arrays of the states after each step as one array (T, N, parts · H)."""
    rows = kernels.concat([state[0] if len(state) == 1 else kernels.concat(list(state), 1) for state in states[1:]], 0)
    return rows.reshape(len(states) - 1, len(states[0][0]), rows.shape[1])


def backward(of, cell: Cell, g, x, w, states: list, added: list) -> tuple:
    """The gradients of x, of the first state, and of w and b, for which all steps make one product."""
    step, of_x, of_s, later = getattr(of, f"{cell.name}_vjp"), [], [], (None,) * cell.parts
    for t in reversed(range(len(added))):
        own = (part(g[t], w.shape[0], i, i + 1) for i in range(cell.parts))
        here = [a if b is None else a + b for a, b in zip(own, later)]
        through_x, through_s, (direct, *rest) = step(x[t], added[t], here, states[t], states[t + 1])
        through = of.matmul(through_s, w.T)
        later = (through if direct is None else through + direct, *rest)
        of_x.append(through_x)
        of_s.append(through_s)
    of_w, of_b = of.linear_weight(of.concat([state[0] for state in states[-2::-1]], 0), of.concat(of_s, 0))
    of_first = later[0] if cell.parts == 1 else of.concat(list(later), 1)
    return of.concat(of_x[::-1], 0).reshape(len(of_x), *of_x[0].shape), of_first, of_w, of_b
