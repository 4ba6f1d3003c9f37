"""Layers that change the shape of each example and no entry: images to rows of features and back, channels
to pixels."""

import math

from tinygen.errors import arguments
from tinygen.nn.module import Module
from tinygen.ops import flatten, reshape, transpose
from tinygen.tensor import Tensor


class Flatten(Module):
    """All axes but the first merged: (N, H, W, C) to (N, H·W·C), in that order.

    >>> tg.nn.Flatten()(np.zeros((5, 7, 7, 8))).shape
    (5, 392)
    """

    def forward(self, x: Tensor) -> Tensor:
        return flatten(x)


class Reshape(Module):
    """Each example in another shape, given without the batch axis.

    Args:
        shape: the new shape of one example.

    A call raises ValueError for examples with another number of entries.

    >>> tg.nn.Reshape((7, 7, 8))(np.zeros((5, 392))).shape
    (5, 7, 7, 8)
    """

    def __init__(self, shape: tuple[int, ...]):
        self.shape = arguments.several("Reshape", "shape", shape)

    def forward(self, x: Tensor) -> Tensor:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            size = math.prod(self.shape)
            raise ValueError(f"Reshape: expected {size} entries per example for shape {self.shape}, got x {x.shape}")
        return reshape(x, shape=(len(x), *self.shape))

    def settings(self) -> str:
        return str(self.shape)


class PixelShuffle(Module):
    """Channels become pixels: (N, H, W, C·r²) to (N, r·H, r·W, C), r = `upscale_factor` (Shi et al. 2016).

    Channel c·r² + i·r + j becomes the pixel in row i and column j of a block of channel c, as in PyTorch.
    """

    def __init__(self, upscale_factor: int):
        self.upscale_factor = arguments.whole("PixelShuffle", "upscale_factor", upscale_factor, least=1)

    def forward(self, x: Tensor) -> Tensor:
        r = self.upscale_factor
        if x.ndim != 4 or x.shape[3] % (r * r):
            raise ValueError(f"PixelShuffle: expected x (N, H, W, C) with C a multiple of {r * r}, got {x.shape}")
        n, h, w, c = x.shape
        blocks = transpose(reshape(x, shape=(n, h, w, c // (r * r), r, r)), axes=(0, 1, 4, 2, 5, 3))
        return reshape(blocks, shape=(n, h * r, w * r, c // (r * r)))

    def settings(self) -> str:
        return str(self.upscale_factor)
