"""Broadcasting: the inputs of an elementwise op are brought to one shape, so that its rule need not think of shapes."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ParamSpec

import numpy as np

from tinygen.op import as_tensors, mode, op
from tinygen.ops.shape import broadcast_to
from tinygen.tensor import Tensor

P = ParamSpec("P")


def elementwise(definition: Callable[P, Any]) -> Callable[P, Tensor]:
    """`op` for inputs of one shape: inputs of other shapes are broadcast first, as in NumPy."""
    return op(definition, prepare=broadcast)


def broadcast(args: tuple, shape: tuple[int, ...] = ()) -> tuple[Tensor, ...]:
    """The inputs as Tensors of one shape (and of `shape`).

    Constants keep their shape, because NumPy broadcasts them for free. Raises ValueError for shapes that don't fit.
    """
    if len(args) == 2 and not shape:  # nearly always both are alike, so that check is short
        a, b = args
        if type(a) is type(b) is Tensor and a.data.shape == b.data.shape and a.data.dtype is b.data.dtype:
            return args
    tensors = as_tensors(args)
    if len(tensors) == 1:
        return tensors
    if len(tensors) == 2 and not shape:
        a, b = tensors
        if a.data.shape == b.data.shape or (b.node is None and not b.data.ndim):  # a constant number
            return tensors
    wanted = common_shape(*[x.data.shape for x in tensors], *([shape] if shape else ()))
    if not mode.recording:
        return tensors
    return tuple([x if x.node is None or x.data.shape == wanted else broadcast_to(x, shape=wanted) for x in tensors])


@lru_cache  # a training step asks for the same ones again and again
def common_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ValueError(
            f"shapes {' and '.join(map(str, shapes))} don't broadcast to one: "
            "aligned from the right, sizes must be equal or 1; reshape or transpose one of them"
        ) from error
