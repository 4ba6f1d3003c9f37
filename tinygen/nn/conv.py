"""Convolution layers over images (N, H, W, C), channels last; `tinygen.ops.conv` has the mathematics.

kernel_size, stride, padding and dilation are each one number or a pair (height, width). `activation` is None or "relu":
the bend in the same pass, which saves going over the images once more.
"""

import math
from typing import ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import Initialiser, glorot_uniform
from tinygen.nn.module import Module
from tinygen.ops import conv2d, conv2d_bias, conv_transpose2d, conv_transpose2d_bias, relu
from tinygen.ops.support.geometry import Geometry, geometry
from tinygen.tensor import Parameter, Tensor

Pair = int | tuple[int, int]


class _Convolution(Module):
    """What a convolution and its transpose have in common: all but the direction."""

    transposed = False
    torch_axes: ClassVar = {"weight": (3, 2, 0, 1)}  # PyTorch has (out, in, KH, KW) and, transposed, (in, out, KH, KW)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        rng: np.random.Generator,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        init: Initialiser = glorot_uniform,
        dtype: type = np.float32,
    ):
        name = type(self).__name__
        arguments.generator(name, rng)
        in_channels, out_channels = arguments.sizes(name, in_channels=in_channels, out_channels=out_channels)
        if groups != 1:
            raise ValueError(f"{name}: there are no groups here, got {groups}: slice the channels, concat the outputs")
        if activation not in (None, "relu"):
            raise ValueError(
                f'{name}: activation must be None or "relu", got {activation!r}; others are layers: nn.Tanh()'
            )
        self.activation = activation
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
        self.stride, self.padding, self.dilation = geometry(stride, padding, dilation, name)
        area, steps = math.prod(self.kernel_size), math.prod(self.stride)
        if self.transposed:
            shape, fans = (out_channels, in_channels), (area * in_channels / steps, area * out_channels)
        else:
            shape, fans = (in_channels, out_channels), (area * in_channels, area * out_channels / steps)
        self.weight = Parameter(init(rng, (*self.kernel_size, *shape), fans, dtype))
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None

    def _bent(self, y: Tensor) -> Tensor:
        return relu(y) if self.activation else y

    def settings(self) -> str:
        defaults = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "output_size": None}
        shown = [f"{self.in_channels}, {self.out_channels}, {short(self.kernel_size)}"]
        for name, default in defaults.items():
            value = short(getattr(self, name, default))
            shown += [f"{name}={value}"] if value != default else []
        shown += [] if self.bias is not None else ["bias=False"]
        shown += [] if self.activation is None else [f"activation={self.activation!r}"]
        return ", ".join(shown)


class Conv2d(_Convolution):
    """Convolution: (N, H, W, in_channels) to (N, H', W', out_channels), H' = ⌊(H + 2p - d(K-1) - 1)/s⌋ + 1.

    weight (KH, KW, in_channels, out_channels), bias (out_channels,).
    """

    def forward(self, x: Tensor) -> Tensor:
        form = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        if self.bias is None:
            return self._bent(conv2d(x, self.weight, **form))
        return conv2d_bias(x, self.weight, self.bias, **form, activation=self.activation)


class ConvTranspose2d(_Convolution):
    """The transpose of a convolution: (N, H', W', in_channels) to (N, H, W, out_channels), for making images larger.

    A convolution of stride s makes the same H' from s different H, so H has to be named: as s(H'-1) + d(K-1) + 1 - 2p
    plus `output_padding`, which is below s, or by `output_size` = (H, W) itself. The other arguments are `Conv2d`'s.
    weight (KH, KW, out_channels, in_channels), bias (out_channels,).
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        output_padding: Pair = 0,
        output_size: Pair | None = None,
        **others,
    ):
        super().__init__(in_channels, out_channels, kernel_size, **others)
        self.output_padding = arguments.pair("ConvTranspose2d", "output_padding", output_padding, least=0)
        self.output_size = (
            None if output_size is None else arguments.pair("ConvTranspose2d", "output_size", output_size, least=1)
        )
        if any(extra >= s for extra, s in zip(self.output_padding, self.stride)):
            raise ValueError(
                f"ConvTranspose2d: output_padding {self.output_padding} must be below the stride {self.stride}: "
                "no convolution with that stride would lead back"
            )
        if output_size is not None and any(self.output_padding):
            raise ValueError("ConvTranspose2d: give output_padding or output_size, not both")

    def forward(self, x: Tensor) -> Tensor:
        form = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        size = self.output_size or self._padded_size(x)
        if self.bias is None:
            return self._bent(conv_transpose2d(x, self.weight, size=size, **form))
        return conv_transpose2d_bias(x, self.weight, self.bias, size=size, **form, activation=self.activation)

    def _padded_size(self, x: Tensor) -> tuple[int, int]:
        form = Geometry(self.stride, self.padding, self.dilation)
        ends = [legal.stop for legal in form.sizes(x.shape[1:3], self.kernel_size)]  # the smallest size, plus s
        height, width = (end - s + extra for end, s, extra in zip(ends, self.stride, self.output_padding))
        return height, width


def short(both: Pair | None) -> Pair | None:
    """A pair of equal numbers as the one number."""
    return both[0] if isinstance(both, tuple) and both[0] == both[1] else both
