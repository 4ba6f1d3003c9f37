"""Normalisation: entries that belong together get mean 0 and variance 1, then a learnt scale and shift per channel.

What belongs together: BatchNorm, one channel of all examples; GroupNorm, a group of channels of one example; LayerNorm,
one position. Channels come last, and variances are divided by n.
"""

import math

import numpy as np

from tinygen.nn.init import check_sizes
from tinygen.nn.module import Module
from tinygen.ops import reshape, sqrt
from tinygen.tensor import Parameter, Tensor, array_of


class _Norm(Module):
    """The scale `weight` and the shift `bias` of each channel, (C,) both, and the check that x has these channels."""

    def __init__(self, channels: int, eps: float, dtype: type):
        if not eps > 0:
            raise ValueError(f"{type(self).__name__}: eps must be positive, got {eps}")
        self.channels, self.eps = channels, eps
        self.weight = Parameter(np.ones(channels, dtype))
        self.bias = Parameter(np.zeros(channels, dtype))

    def check(self, x: Tensor) -> None:
        if x.ndim < 2 or x.shape[-1] != self.channels:
            raise ValueError(f"{type(self).__name__}: x {x.shape} should be (N, ..., {self.channels}), channels last")


class BatchNorm(_Norm):
    """x (N, ..., C) normalised per channel over the batch and all positions (Ioffe & Szegedy 2015).

    In training by the batch's own mean and variance, and running = (1 - momentum) · running + momentum · batch follows
    them (with the unbiased variance, as in PyTorch); in eval mode by the running ones. Raises ValueError for a training
    batch with only one value per channel.
    """

    buffers = ("running_mean", "running_var")

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1, dtype: type = np.float32):
        check_sizes("BatchNorm", num_features=num_features)
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNorm: momentum is the share of the new batch, in [0, 1], got {momentum}")
        super().__init__(num_features, eps, dtype)
        self.momentum = momentum
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        if not self.training:
            return (x - self.running_mean) * (self.weight / np.sqrt(self.running_var + self.eps)) + self.bias
        n = math.prod(x.shape[:-1])
        if n < 2:
            raise ValueError(
                f"BatchNorm: training needs two values per channel or more, got x {x.shape}; or call eval()"
            )
        axes = tuple(range(x.ndim - 1))
        mean = x.mean(axis=axes)
        centred = x - mean
        var = (centred * centred).mean(axis=axes)
        self.running_mean = self._followed(self.running_mean, array_of(mean))
        self.running_var = self._followed(self.running_var, array_of(var) * (n / (n - 1)))
        return centred * (self.weight / sqrt(var + self.eps)) + self.bias

    def _followed(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        return ((1 - self.momentum) * running + self.momentum * batch).astype(running.dtype)

    def settings(self) -> str:
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}"


class GroupNorm(_Norm):
    """x (N, ..., C) normalised per example, over all positions and C/num_groups channels at a time (Wu & He 2018)."""

    def __init__(self, num_groups: int, num_channels: int, *, eps: float = 1e-5, dtype: type = np.float32):
        check_sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels don't split into {num_groups} equal groups")
        super().__init__(num_channels, eps, dtype)
        self.num_groups = num_groups

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        split = (self.num_groups, self.channels // self.num_groups)
        grouped = reshape(x, shape=(len(x), math.prod(x.shape[1:-1]), *split))  # (N, P, G, C/G)
        centred = grouped - grouped.mean(axis=(1, 3), keepdims=True)
        var = (centred * centred).mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        scale = reshape(self.weight, shape=split) / sqrt(var + self.eps)  # (N, 1, G, C/G)
        return reshape(centred * scale, shape=x.shape) + self.bias

    def settings(self) -> str:
        return f"{self.num_groups}, {self.channels}, eps={self.eps}"


class LayerNorm(_Norm):
    """x (..., C) normalised at each position over its C features (Ba et al. 2016)."""

    def __init__(self, num_features: int, *, eps: float = 1e-5, dtype: type = np.float32):
        check_sizes("LayerNorm", num_features=num_features)
        super().__init__(num_features, eps, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        centred = x - x.mean(axis=-1, keepdims=True)
        var = (centred * centred).mean(axis=-1, keepdims=True)
        return centred / sqrt(var + self.eps) * self.weight + self.bias

    def settings(self) -> str:
        return f"{self.channels}, eps={self.eps}"
