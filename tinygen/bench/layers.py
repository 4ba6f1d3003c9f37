"""Single convolutions, those of the workloads and similar ones, in the three directions that training needs.

A layer and its transpose compute the same three ops; forward pass and input gradient are swapped (docs/convolution.md).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.ops import conv2d, conv2d_weight, conv_transpose2d
from tinygen.tensor import Tensor

DIRECTIONS = ("forward", "input gradient", "weight gradient")


class Layer(NamedTuple):
    """A convolution (N, size, size, inputs) to (N, small, small, outputs); if transposed, in the other direction."""

    n: int
    size: int  # of the larger image
    inputs: int  # channels of the larger image
    outputs: int
    kernel: int
    stride: int
    padding: int
    transposed: bool = False

    @property
    def small(self) -> int:
        """Height and width of the smaller image."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def flops(self) -> float:
        """Multiplications and additions in each direction, including those with the zeros of the padding."""
        return 2.0 * self.n * self.small**2 * self.kernel**2 * self.inputs * self.outputs

    def __str__(self) -> str:
        sizes, channels = (self.size, self.small), (self.inputs, self.outputs)
        step = -1 if self.transposed else 1
        (a, b), (c, d) = sizes[::step], channels[::step]
        return (
            f"{'ConvT' if self.transposed else 'Conv'} {self.kernel}x{self.kernel} /{self.stride}  "
            f"{a}x{a}x{c} to {b}x{b}x{d}  N {self.n}"
        )


LAYERS = (
    # stride 1: those of the U-Net, and one with more channels
    Layer(64, 28, 1, 32, 3, 1, 1),
    Layer(64, 28, 32, 32, 3, 1, 1),
    Layer(64, 28, 64, 64, 3, 1, 1),
    Layer(64, 14, 64, 64, 3, 1, 1),
    Layer(64, 7, 128, 128, 3, 1, 1),
    Layer(64, 14, 128, 64, 1, 1, 0),
    # the convolutional autoencoder
    Layer(128, 28, 1, 32, 3, 2, 1),
    Layer(128, 14, 32, 64, 3, 2, 1),
    Layer(128, 14, 64, 64, 3, 2, 1, transposed=True),
    Layer(128, 28, 32, 64, 3, 2, 1, transposed=True),
    Layer(128, 28, 1, 32, 3, 1, 1, transposed=True),
    # the DCGAN
    Layer(64, 28, 1, 64, 4, 2, 1),
    Layer(64, 14, 64, 128, 4, 2, 1),
    Layer(64, 14, 64, 128, 4, 2, 1, transposed=True),
    Layer(64, 28, 1, 64, 4, 2, 1, transposed=True),
)


def arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The larger images x, the kernel w and the smaller images g, channels last; the same in every process."""
    rng = np.random.default_rng(0)
    return (
        rng.standard_normal((layer.n, layer.size, layer.size, layer.inputs), dtype=np.float32),
        rng.standard_normal((layer.kernel, layer.kernel, layer.inputs, layer.outputs), dtype=np.float32),
        rng.standard_normal((layer.n, layer.small, layer.small, layer.outputs), dtype=np.float32),
    )


def build(layer: Layer, direction: str) -> tuple[Callable[[], Tensor], float]:
    """The call to time, and the Euclidean norm of its result."""
    x, w, g = map(Tensor, arrays(layer))
    geometry = dict(stride=layer.stride, padding=layer.padding)
    calls = {
        "conv2d": lambda: conv2d(x, w, **geometry),
        "conv_transpose2d": lambda: conv_transpose2d(g, w, size=(layer.size, layer.size), **geometry),
        "conv2d_weight": lambda: conv2d_weight(x, g, kernel_size=(layer.kernel, layer.kernel), **geometry),
    }
    call = calls[op_of(layer, direction)]
    return call, float(np.linalg.norm(call().data.astype(np.float64)))


def op_of(layer: Layer, direction: str) -> str:
    """The op that computes a direction of a layer."""
    images = ("conv_transpose2d", "conv2d") if layer.transposed else ("conv2d", "conv_transpose2d")
    return (*images, "conv2d_weight")[DIRECTIONS.index(direction)]
