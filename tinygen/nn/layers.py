"""The layers that mix features, change shapes or drop entries. Images are (N, H, W, C), channels last.

Weights begin as `init.glorot_uniform`, which says why, and biases at zero.
"""

import math
from typing import ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.conv import Pair, short
from tinygen.nn.init import Initialiser, glorot_uniform
from tinygen.nn.module import Module
from tinygen.ops import avg_pool2d, flatten, linear, max_pool2d, reshape, upsample
from tinygen.ops.support.geometry import geometry
from tinygen.tensor import Parameter, Tensor, constant


class Dense(Module):
    """y = x W + b over the last axis: (..., in_features) to (..., out_features); weight (in, out), bias (out,)."""

    torch_axes: ClassVar = {"weight": (1, 0)}  # PyTorch has (out, in)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: np.random.Generator,
        bias: bool = True,
        init: Initialiser = glorot_uniform,
        dtype: type = np.float32,
    ):
        arguments.generator("Dense", rng)
        in_features, out_features = arguments.sizes("Dense", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(init(rng, (in_features, out_features), (in_features, out_features), dtype))
        self.bias = Parameter(np.zeros(out_features, dtype)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != (self.in_features,):
            flat = math.prod(x.shape[1:]) == self.in_features
            hint = "put nn.Flatten() before it" if flat else "was the model made for inputs of another size?"
            raise ValueError(f"Dense: expected x (..., {self.in_features}), got {x.shape}: {hint}")
        rows = x if x.ndim == 2 else reshape(x, shape=(math.prod(x.shape[:-1]), self.in_features))
        y = rows @ self.weight if self.bias is None else linear(rows, self.weight, self.bias)
        return y if x.ndim == 2 else reshape(y, shape=(*x.shape[:-1], self.out_features))

    def settings(self) -> str:
        return f"{self.in_features}, {self.out_features}{', bias=False' if self.bias is None else ''}"


class Dropout(Module):
    """In training each entry is 0 with probability p, else divided by 1 - p; in eval mode nothing happens.

    So the expectation stays (Srivastava et al. 2014). Every draw comes from `rng`, whose state isn't part of
    `state_dict`, as it is no array: `Module.generators` finds it, and a run's checkpoint keeps it beside the weights.
    """

    def __init__(self, p: float, *, rng: np.random.Generator):
        arguments.generator("Dropout", rng)
        self.p, self.rng = arguments.real("Dropout", "p", p, least=0, below=1), rng

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.p
        return x * constant(kept / x.dtype.type(1 - self.p))

    def settings(self) -> str:
        return str(self.p)


# -- shapes ------------------------------------------------------------------------------------------------------------


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
            raise ValueError(f"Reshape: the examples of x {x.shape} don't have the entries of {self.shape}")
        return reshape(x, shape=(len(x), *self.shape))

    def settings(self) -> str:
        return str(self.shape)


class Upsample(Module):
    """Images enlarged by a whole `scale_factor`, by `mode` "nearest" or "bilinear"."""

    def __init__(self, scale_factor: Pair, *, mode: str = "nearest", align_corners: bool = False):
        self.scale_factor = arguments.pair("Upsample", "scale_factor", scale_factor, least=1)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'Upsample: mode must be "nearest" or "bilinear", got {mode!r}')
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x, self.scale_factor, mode=self.mode, align_corners=self.align_corners)

    def settings(self) -> str:
        return f"{short(self.scale_factor)}, mode={self.mode!r}{', align_corners=True' if self.align_corners else ''}"


# -- pooling -----------------------------------------------------------------------------------------------------------


class _Pool2d(Module):
    """What both poolings have in common: windows, side by side unless `stride` says otherwise."""

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
