"""The gradients of recurrent layers in ops of Tensors, by the loops of `kernels/reference_cells.py`."""

from functools import partial
from types import SimpleNamespace

from tinygen.kernels import reference_cells
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
)
for _name in (f"{cell}{end}" for cell in reference_cells.CELLS for end in ("", "_vjp")):
    setattr(TENSORS, _name, partial(getattr(reference_cells, f"{_name}_of"), TENSORS))


def gradients(cell: str, g, x, first, w, b) -> tuple:
    """Those of x, of the first state, and of w and b, for which all steps make one product; rows as in `recurrence`."""
    rows = [slice(at, at + len(first)) for at in range(0, max(len(x), 1), max(len(first), 1))]
    g, steps = [g[each] for each in rows], [x[each] for each in rows]
    states, added = reference_cells.forward(TENSORS, cell, steps, first, w, b)
    of_x, of_s, of_first = reference_cells.backward(TENSORS, cell, g, steps, states, added, w)
    before, all_steps = concat(*[state[0] for state in states[:-1]], axis=0), concat(*of_s, axis=0)
    return concat(*of_x, axis=0), concat(*of_first, axis=1), swapped(before) @ all_steps, sum(all_steps, axis=0)
