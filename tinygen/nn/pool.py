"""Layers that make images (N, H, W, C) smaller or larger and have no weights: pooling and upsampling."""

from tinygen.errors import arguments
from tinygen.nn.conv import Pair, short
from tinygen.nn.module import Module
from tinygen.ops import avg_pool2d, max_pool2d, upsample
from tinygen.ops.support.geometry import geometry
from tinygen.tensor import Tensor


class _Pool2d(Module):
    """Windows of `kernel_size`, side by side unless `stride` is given; each size a number or a pair (height, width)."""

    def __init__(self, kernel_size: Pair, *, stride: Pair | None = None, padding: Pair = 0):
        name = type(self).__name__
        self.kernel_size = arguments.pair(name, "kernel_size", kernel_size, least=1)
        self.stride, self.padding, _ = geometry(self.kernel_size if stride is None else stride, padding, 1, name)

    def settings(self) -> str:
        padding = f", padding={short(self.padding)}" if any(self.padding) else ""
        return f"{short(self.kernel_size)}, stride={short(self.stride)}{padding}"


class MaxPool2d(_Pool2d):
    """The largest pixel of each window, in each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return max_pool2d(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class AvgPool2d(_Pool2d):
    """The mean of each window, in each channel; zeros of the padding count as pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return avg_pool2d(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class Upsample(Module):
    """Images enlarged by a whole `scale_factor`, by `mode` "nearest" or "bilinear"."""

    def __init__(self, scale_factor: Pair, *, mode: str = "nearest", align_corners: bool = False):
        self.scale_factor = arguments.pair("Upsample", "scale_factor", scale_factor, least=1)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'Upsample: expected mode to be "nearest" or "bilinear", got {mode!r}')
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x, self.scale_factor, mode=self.mode, align_corners=self.align_corners)

    def settings(self) -> str:
        return f"{short(self.scale_factor)}, mode={self.mode!r}{', align_corners=True' if self.align_corners else ''}"
