"""Convolution layers over images (N, H, W, C), channels last; `tinygen.ops.conv` has the mathematics.

kernel_size, stride, padding and dilation are each one number or a pair (height, width). The activation "relu" runs in
the same pass over the images, any other as an op of its own.
"""

import math
from typing import Any, ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import DType, Init, first_values
from tinygen.nn.module import Module
from tinygen.nn.named_activation import activate, check_activation, shown
from tinygen.ops import conv2d, conv_transpose2d
from tinygen.ops.fused import conv2d_bias, conv_transpose2d_bias
from tinygen.ops.support.geometry import Geometry, check_image, geometry
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
        init: Init = "glorot_uniform",
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

    def _geometry(self, x: Tensor) -> Geometry:
        """The geometry of this layer; ValueError unless x is a batch of images with its number of channels."""
        name = type(self).__name__
        check_image(x, name)
        if x.shape[3] != self.in_channels:
            first = x.shape[1] == self.in_channels
            hint = (
                "move the channels last, x.transpose(0, 2, 3, 1)" if first else "was the layer made for other images?"
            )
            raise ValueError(f"{name}: expected x (N, H, W, {self.in_channels}), channels last, got {x.shape}: {hint}")
        return Geometry(self.stride, self.padding, self.dilation)

    def _applied(self, plain, with_bias, x: Tensor, **form) -> Tensor:
        """The op without or with bias, then the activation, which `with_bias` does itself if it is "relu"."""
        form |= {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        kernel = self._kernel()
        if self.bias is not None and self.activation in (None, "relu"):
            return with_bias(x, kernel, self.bias, **form, activation=self.activation)
        y = plain(x, kernel, **form) if self.bias is None else with_bias(x, kernel, self.bias, **form)
        return activate(y, self.activation, self.negative_slope)

    def _kernel(self) -> Tensor:
        return self.weight

    def _shown(self, value: Any) -> Any:
        return short(value)

    def settings(self) -> str:
        defaults = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "output_size": None}
        listed = [f"{self.in_channels}, {self.out_channels}, {self._shown(self.kernel_size)}"]
        for name, default in defaults.items():
            value = self._shown(getattr(self, name, default))
            listed += [f"{name}={value}"] if value != default else []
        listed += [] if self.bias is not None else ["bias=False"]
        return ", ".join(listed) + shown(self.activation, self.negative_slope)


class Conv2d(_Convolution):
    """Convolution of images, channels last: x (N, H, W, in_channels) to y (N, H', W', out_channels).

    H' = ⌊(H + 2p - d(K-1) - 1)/s⌋ + 1 with padding p, dilation d and stride s. The Parameters are weight (KH, KW,
    in_channels, out_channels) and bias (out_channels,). All sizes are numbers, or pairs (height, width). PyTorch has
    (N, C, H, W): move the channels to the end.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: size of the kernel in pixels.
        rng: generator for the first weights.
        stride: pixels from one window to the next.
        padding: rows and columns of zeros on each side.
        dilation: pixels from one entry of the kernel to the next.
        groups: 1; other numbers are refused.
        bias: whether to add a bias.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        init: first weights: "glorot_uniform", "he_normal", ..., or a function; see `nn.init`.
        dtype: float32 or float64.

    A call raises ValueError for images of other channels, or smaller than the kernel.

    >>> layer = tg.nn.Conv2d(1, 8, 3, rng=np.random.default_rng(0), stride=2, padding=1)
    >>> layer(np.zeros((5, 28, 28, 1), np.float32)).shape
    (5, 14, 14, 8)
    """

    def forward(self, x: Tensor) -> Tensor:
        self._geometry(x).outputs((x.shape[1], x.shape[2]), self.kernel_size, type(self).__name__)
        return self._applied(conv2d, conv2d_bias, x)


class ConvTranspose2d(_Convolution):
    """The transpose of a convolution, to make images larger: x (N, H', W', in_channels) to y (N, H, W, out_channels).

    A convolution of stride s maps s different heights H to the same H', so H has to be chosen: it is
    s(H'-1) + d(K-1) + 1 - 2p plus `output_padding`, or `output_size` sets it. The Parameters are weight (KH, KW,
    out_channels, in_channels) and bias (out_channels,). All sizes are numbers, or pairs (height, width).

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        kernel_size: size of the kernel in pixels.
        rng: generator for the first weights.
        stride: pixels from one window to the next.
        padding: rows and columns of zeros on each side.
        output_padding: rows and columns by which y is larger than the smallest possible; below the stride.
        output_size: instead of output_padding, the size (H, W) of y.
        dilation: pixels from one entry of the kernel to the next.
        groups: 1; other numbers are refused.
        bias: whether to add a bias.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        init: first weights: "glorot_uniform", "he_normal", ..., or a function; see `nn.init`.
        dtype: float32 or float64.

    A call raises ValueError for images of other channels, or if no convolution maps `output_size` back.

    >>> layer = tg.nn.ConvTranspose2d(8, 1, 3, rng=np.random.default_rng(0), stride=2, padding=1, output_padding=1)
    >>> layer(np.zeros((5, 14, 14, 8), np.float32)).shape
    (5, 28, 28, 1)
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
        init: Init = "glorot_uniform",
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
        name = type(self).__name__
        self.output_padding = arguments.pair(name, "output_padding", output_padding, least=0)
        self.output_size = None if output_size is None else arguments.pair(name, "output_size", output_size, least=1)
        if any(extra >= s for extra, s in zip(self.output_padding, self.stride)):
            raise ValueError(
                f"{name}: expected output_padding to be below the stride {self._shown(self.stride)}, got "
                f"{self._shown(self.output_padding)}: no convolution with that stride maps this size back"
            )
        if output_size is not None and any(self.output_padding):
            raise ValueError(f"{name}: expected output_padding or output_size, got both: leave one out")

    def forward(self, x: Tensor) -> Tensor:
        heights, widths = self._geometry(x).sizes((x.shape[1], x.shape[2]), self.kernel_size)
        if self.output_size is None:  # a range ends at the smallest size, plus s
            ends = (heights.stop, widths.stop)
            height, width = (end - s + extra for end, s, extra in zip(ends, self.stride, self.output_padding))
        else:
            height, width = self.output_size
        if height not in heights or width not in widths:
            raise ValueError(
                f"{type(self).__name__}: expected an output of {self._legal(heights, widths, x)}, got "
                f"{self._shown((height, width))}: choose another output_size, or less padding"
            )
        return self._applied(conv_transpose2d, conv_transpose2d_bias, x, size=(height, width))

    def _legal(self, heights: range, widths: range, x: Tensor) -> str:
        """The sizes that the output for x may have, in words."""
        return f"height {listed(heights)} and width {listed(widths)} for x {x.shape}"


def listed(sizes: range) -> str:
    return f"{sizes.start} to {sizes.stop - 1}" if len(sizes) > 1 else str(sizes.start)


def short(both: Any) -> Any:
    """Equal numbers for all axes as the one number."""
    return both[0] if isinstance(both, tuple) and len(set(both)) == 1 else both
