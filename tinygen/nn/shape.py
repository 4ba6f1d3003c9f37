"""Layers that change the shape of each example and no entry: from images to rows of features and back."""

import math

from tinygen.errors import arguments
from tinygen.nn.module import Module
from tinygen.ops import flatten, reshape
from tinygen.tensor import Tensor


class Flatten(Module):
    """All axes but the first merged: (N, H, W, C) to (N, H·W·C), in that order."""

    def forward(self, x: Tensor) -> Tensor:
        return flatten(x)


class Reshape(Module):
    """Each example in another shape, given without the batch axis: `Reshape((7, 7, 64))`."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = arguments.sizes("Reshape", **{f"shape[{i}]": size for i, size in enumerate(shape)})

    def forward(self, x: Tensor) -> Tensor:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            size = math.prod(self.shape)
            raise ValueError(f"Reshape: expected {size} entries per example for shape {self.shape}, got x {x.shape}")
        return reshape(x, shape=(len(x), *self.shape))

    def settings(self) -> str:
        return str(self.shape)
