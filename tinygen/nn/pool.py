"""Layers that make images (N, H, W, C) smaller or larger and have no weights: pooling and upsampling."""

from typing import Any

from tinygen.errors import arguments
from tinygen.nn.conv import Pair, short
from tinygen.nn.module import Module
from tinygen.ops import avg_pool2d, max_pool2d, resize
from tinygen.ops.resize import Factors, Sizes, check_mode, check_sizes
from tinygen.ops.support.geometry import geometry
from tinygen.tensor import Tensor


class _Pool2d(Module):
    """Windows of `kernel_size`, side by side unless `stride` is given; each size a number or a pair (height, width)."""

    def __init__(self, kernel_size: Pair, *, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False):
        name = type(self).__name__
        self.kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
        self.stride, self.padding, _ = geometry(self.kernel_size if stride is None else stride, padding, 1, name)
        self.ceil_mode = bool(ceil_mode)

    def settings(self) -> str:
        padding = f", padding={short(self.padding)}" if any(self.padding) else ""
        ceil_mode = ", ceil_mode=True" if self.ceil_mode else ""
        return f"{short(self.kernel_size)}, stride={short(self.stride)}{padding}{ceil_mode}"

    def _form(self) -> dict[str, Any]:
        names = ("kernel_size", "stride", "padding", "ceil_mode")
        return {name: getattr(self, name) for name in names}


class MaxPool2d(_Pool2d):
    """The largest pixel of each window, in each channel: images (N, H, W, C), channels last, to (N, H', W', C).

    Args:
        kernel_size: size of the windows in pixels, a number or a pair (height, width).
        stride: pixels from one window to the next; by default windows lie side by side.
        padding: rows and columns on each side, which are never the largest; at most half the kernel.
        ceil_mode: whether a last window may begin in the image and end behind it, so that no pixel is left out.

    >>> tg.nn.MaxPool2d(2)(np.zeros((5, 28, 28, 8), np.float32)).shape
    (5, 14, 14, 8)
    """

    def forward(self, x: Tensor) -> Tensor:
        return max_pool2d(x, **self._form())


class AvgPool2d(_Pool2d):
    """The mean of each window, in each channel: images (N, H, W, C), channels last, to (N, H', W', C).

    Args:
        kernel_size: size of the windows in pixels, a number or a pair (height, width).
        stride: pixels from one window to the next; by default windows lie side by side.
        padding: rows and columns of zeros on each side; at most half the kernel.
        ceil_mode: whether a last window may begin in the image and end behind it, so that no pixel is left out.
        count_include_pad: whether the zeros of the padding count as pixels.
    """

    def __init__(
        self,
        kernel_size: Pair,
        *,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__(kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, **self._form(), count_include_pad=self.count_include_pad)

    def settings(self) -> str:
        return super().settings() + ("" if self.count_include_pad else ", count_include_pad=False")


class Upsample(Module):
    """Series, images or volumes, channels last, enlarged or shrunk by interpolation: `tinygen.resize` as a layer.

    Args:
        scale_factor: the factor of every axis, or one for each; sizes are rounded down.
        size: instead of a factor, the new size of every axis, or one for each.
        mode: "nearest"; "linear" for series; "bilinear" or "bicubic" for images; "trilinear" for volumes.
        align_corners: whether the centres of the outermost pixels stay in place instead of their edges.

    >>> tg.nn.Upsample(2)(np.zeros((5, 14, 14, 8), np.float32)).shape  # images (N, H, W, C)
    (5, 28, 28, 8)
    """

    def __init__(
        self,
        scale_factor: Factors | None = None,
        *,
        size: Sizes | None = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ):
        check_mode("Upsample", mode, align_corners)
        self.size, self.scale_factor = check_sizes("Upsample", size, scale_factor)
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return resize(x, self.size, scale_factor=self.scale_factor, mode=self.mode, align_corners=self.align_corners)

    def settings(self) -> str:
        what = short(self.scale_factor) if self.size is None else f"size={short(self.size)}"
        return f"{what}, mode={self.mode!r}{', align_corners=True' if self.align_corners else ''}"
