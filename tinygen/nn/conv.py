"""Convolution layers over images (N, H, W, C), channels last; `tinygen.ops.conv` has the mathematics.

kernel_size, stride, padding and dilation are each one number or a pair (height, width). `activation` is None or a name;
"relu" runs in the same pass over the images, any other as an op of its own.
"""

import math
from typing import ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import DType, Initialiser, first_values, glorot_uniform
from tinygen.nn.module import Module
from tinygen.nn.named_activation import activate, check_activation, shown
from tinygen.ops import conv2d, conv_transpose2d
from tinygen.ops.fused import conv2d_bias, conv_transpose2d_bias
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
        negative_slope: float = 0.01,
        init: Initialiser = glorot_uniform,
        dtype: DType = np.float32,
    ):
        name = type(self).__name__
        arguments.generator(name, rng)
        in_channels, out_channels = arguments.sizes(name, in_channels=in_channels, out_channels=out_channels)
        if groups != 1:
            raise ValueError(f"{name}: expected groups=1, got {groups}: slice the channels and concat the outputs")
        self.activation, self.negative_slope = check_activation(name, activation, negative_slope)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
        self.stride, self.padding, self.dilation = geometry(stride, padding, dilation, name)
        area, steps = math.prod(self.kernel_size), math.prod(self.stride)
        if self.transposed:
            shape, fans = (out_channels, in_channels), (area * in_channels / steps, area * out_channels)
        else:
            shape, fans = (in_channels, out_channels), (area * in_channels, area * out_channels / steps)
        self.weight = Parameter(first_values(name, init, rng, (*self.kernel_size, *shape), fans, dtype))
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None

    def _applied(self, plain, with_bias, x: Tensor, **form) -> Tensor:
        """The op without or with bias, then the activation, which `with_bias` does itself if it is "relu"."""
        form |= {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        if self.bias is not None and self.activation in (None, "relu"):
            return with_bias(x, self.weight, self.bias, **form, activation=self.activation)
        y = plain(x, self.weight, **form) if self.bias is None else with_bias(x, self.weight, self.bias, **form)
        return activate(y, self.activation, self.negative_slope)

    def settings(self) -> str:
        defaults = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "output_size": None}
        listed = [f"{self.in_channels}, {self.out_channels}, {short(self.kernel_size)}"]
        for name, default in defaults.items():
            value = short(getattr(self, name, default))
            listed += [f"{name}={value}"] if value != default else []
        listed += [] if self.bias is not None else ["bias=False"]
        return ", ".join(listed) + shown(self.activation, self.negative_slope)


class Conv2d(_Convolution):
    """Convolution: (N, H, W, in_channels) to (N, H', W', out_channels), H' = ⌊(H + 2p - d(K-1) - 1)/s⌋ + 1.

    weight (KH, KW, in_channels, out_channels), bias (out_channels,).
    """

    def forward(self, x: Tensor) -> Tensor:
        return self._applied(conv2d, conv2d_bias, x)


class ConvTranspose2d(_Convolution):
    """The transpose of a convolution: (N, H', W', in_channels) to (N, H, W, out_channels), to make images larger.

    A convolution of stride s maps s different heights H to the same H', so H has to be chosen: it is
    s(H'-1) + d(K-1) + 1 - 2p plus `output_padding`, which is below s, or `output_size` = (H, W) sets it. The other
    arguments are those of `Conv2d`. weight (KH, KW, out_channels, in_channels), bias (out_channels,).
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        rng: np.random.Generator,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        output_size: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        negative_slope: float = 0.01,
        init: Initialiser = glorot_uniform,
        dtype: DType = np.float32,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            rng=rng,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            activation=activation,
            negative_slope=negative_slope,
            init=init,
            dtype=dtype,
        )
        name = "ConvTranspose2d"
        self.output_padding = arguments.pair(name, "output_padding", output_padding, least=0)
        self.output_size = None if output_size is None else arguments.pair(name, "output_size", output_size, least=1)
        if any(extra >= s for extra, s in zip(self.output_padding, self.stride)):
            raise ValueError(
                f"{name}: expected output_padding to be below the stride {self.stride}, got {self.output_padding}: "
                "no convolution with that stride maps this size back"
            )
        if output_size is not None and any(self.output_padding):
            raise ValueError(f"{name}: expected output_padding or output_size, got both: leave one out")

    def forward(self, x: Tensor) -> Tensor:
        size = self.output_size or self._padded_size(x)
        return self._applied(conv_transpose2d, conv_transpose2d_bias, x, size=size)

    def _padded_size(self, x: Tensor) -> tuple[int, int]:
        form = Geometry(self.stride, self.padding, self.dilation)
        legal = form.sizes((x.shape[1], x.shape[2]), self.kernel_size)
        ends = [sizes.stop for sizes in legal]  # the smallest size, plus s
        height, width = (end - s + extra for end, s, extra in zip(ends, self.stride, self.output_padding))
        return height, width


def short(both: Pair | None) -> Pair | None:
    """A pair of equal numbers as the one number."""
    return both[0] if isinstance(both, tuple) and both[0] == both[1] else both
