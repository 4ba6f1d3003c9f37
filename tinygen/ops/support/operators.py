"""The operators of Tensors: + - * / ** @ are the ops themselves, and comparisons return NumPy masks."""

import operator
from collections.abc import Callable

import numpy as np

from tinygen.errors import hints
from tinygen.op import as_tensors
from tinygen.ops.elementwise import abs, add, div, mul, neg, pow, sub
from tinygen.ops.linalg import matmul
from tinygen.tensor import Operand, Tensor, array_of

BINARY = {
    "add": ("+=", add),
    "sub": ("-=", sub),
    "mul": ("*=", mul),
    "truediv": ("/=", div),
    "pow": ("**=", pow),
    "matmul": ("@=", matmul),
}
UNARY = {"neg": neg, "abs": abs, "pos": lambda x: as_tensors((x,))[0]}
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def _on_the_right(op: Callable) -> Callable:
    """The op for `2 - x` and `array * x`, where the Tensor comes second."""
    return lambda x, other: op(other, x)


def _in_place(symbol: str, op: Callable) -> Callable:
    """The op for `total += loss`, which makes a new Tensor.

    A variable raises TypeError: `w -= lr * g` would bind the name w to a new Tensor, and the Parameter in the model
    would stay as it was.
    """

    def apply(x: Tensor, other: Operand) -> Tensor:
        if x.node is not None and x.node.op is None:
            raise hints.in_place(symbol)
        return op(x, other)

    return apply


def _compared(compare: Callable) -> Callable[[Tensor, object], np.ndarray]:
    return lambda x, other: compare(x.data, array_of(other))


for name, (symbol, op) in BINARY.items():
    setattr(Tensor, f"__{name}__", op)
    setattr(Tensor, f"__r{name}__", _on_the_right(op))
    setattr(Tensor, f"__i{name}__", _in_place(symbol, op))
for name, op in UNARY.items():
    setattr(Tensor, f"__{name}__", op)
for compare in COMPARISONS:
    setattr(Tensor, f"__{compare.__name__}__", _compared(compare))
