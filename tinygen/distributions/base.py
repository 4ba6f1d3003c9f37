"""What distributions share: the shape of their parameters, and the check of the values whose density is computed."""

import numpy as np

from tinygen.op import as_tensors
from tinygen.tensor import Tensor, array_of

Values = Tensor | np.ndarray | float


def one_shape(who: str, **tensors: Tensor) -> tuple[int, ...]:
    """The shape of all tensors, some of which may be single numbers."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    kinds = set(shapes.values()) - {()}
    if len(kinds) > 1:
        raise ValueError(f"{who}: expected one shape, or single numbers, got {shapes}")
    return kinds.pop() if kinds else ()


def as_draws(who: str, x: Values, shape: tuple[int, ...]) -> Tensor:
    """x as a Tensor; ValueError unless its last axes are `shape`, because (N, 1) and (N,) would broadcast to (N, N)."""
    given = np.shape(array_of(x))
    if given[len(given) - len(shape) :] != shape:
        expected = ", ".join(["...", *map(str, shape)])
        raise ValueError(f"{who}.log_prob: expected x ({expected}), got {given}: reshape x")
    return as_tensors((x,))[0]
