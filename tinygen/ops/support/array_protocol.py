"""What NumPy does with a Tensor: `array * tensor` is an op, and a function that would leave the graph is refused."""

import numpy as np
from numpy import ndarray

from tinygen.errors import hints
from tinygen.tensor import OPS, Tensor, array_of

OPERATORS = {
    np.add: "add",
    np.subtract: "sub",
    np.multiply: "mul",
    np.divide: "div",
    np.power: "pow",
    np.matmul: "matmul",
    np.negative: "neg",
    np.absolute: "abs",
}
COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}
SHAPES = {np.shape, np.ndim, np.size}


def as_ndarray(self: Tensor, dtype=None, copy=None) -> ndarray:
    """`np.asarray(tensor)`: the array of a constant. Raises TypeError for a variable, whose gradient would be lost."""
    if self.node is not None:
        hint = "pass tensor.numpy() where no gradient is needed"
        raise TypeError(f"expected an array, got a Tensor, whose gradient would be lost: {hint}")
    return np.array(self.data, dtype=dtype, copy=copy)


def call_ufunc(self: Tensor, ufunc, method: str, *inputs, **settings):
    """`array * tensor` calls this. Raises TypeError for `np.exp(tensor)`, with the op to call instead."""
    if method == "__call__" and not settings:
        if ufunc in COMPARISONS:
            return ufunc(*map(array_of, inputs))
        if ufunc in OPERATORS:
            return OPS[OPERATORS[ufunc]](*inputs)
    if any(isinstance(out, ndarray) and not out.flags.writeable for out in settings.get("out", ())):
        raise hints.in_place(f"np.{ufunc.__name__}")
    raise hints.leaves_the_graph(ufunc.__name__)


def call_function(self: Tensor, function, types, args, settings):
    """`np.shape(tensor)` calls this. Raises TypeError for `np.sum(tensor)`, with the op to call instead."""
    if function in SHAPES:
        return function(*map(array_of, args), **settings)
    raise hints.leaves_the_graph(function.__name__)


for name, method in {"": as_ndarray, "ufunc_": call_ufunc, "function_": call_function}.items():
    setattr(Tensor, f"__array_{name}_", method)
