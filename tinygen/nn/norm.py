"""Normalisation: each group of entries gets mean 0 and variance 1, then a learnt scale and shift per channel.

A group is one channel of all examples (BatchNorm), some channels of one example (GroupNorm), one channel of one example
(InstanceNorm), or one position (LayerNorm). Channels come last, and variances are divided by n. The activations "relu",
"silu" and "leaky_relu" (with `negative_slope`) run in the same pass over memory, any other as an op of its own.
"""

import math
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.nn.init import DType
from tinygen.nn.module import Module
from tinygen.nn.named_activation import activate, check_activation, shown
from tinygen.ops import batch_norm, group_norm, layer_norm
from tinygen.tensor import Parameter, Tensor, array_of

FUSED = (None, "relu", "leaky_relu", "silu")  # activations of the normalising ops themselves


class _Norm(Module):
    """Scale `weight` (C,) and shift `bias` (C,) of the channels, and the check that x has these channels."""

    weight: Any  # a Parameter, or None
    bias: Any

    def __init__(
        self,
        channels: int,
        eps: float,
        activation: str | None,
        negative_slope: float,
        dtype: DType,
        *,
        affine: bool = True,
    ):
        name = type(self).__name__
        self.channels, self.eps = channels, arguments.real(name, "eps", eps, above=0)
        self.activation, self.negative_slope = check_activation(name, activation, negative_slope)
        self.weight = Parameter(np.ones(channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(channels, dtype)) if affine else None

    def check(self, x: Tensor) -> None:
        if x.ndim < 2 or x.shape[-1] != self.channels:
            raise ValueError(
                f"{type(self).__name__}: expected x (N, ..., {self.channels}), channels last, got {x.shape}"
            )

    def _applied(self, norm, x: Tensor, **form) -> Tensor:
        """The normalising op, then the activation, which the op does itself if it can."""
        scale = np.ones(self.channels, x.dtype) if self.weight is None else self.weight
        shift = np.zeros(self.channels, x.dtype) if self.bias is None else self.bias
        if self.activation in FUSED:
            form |= {"activation": self.activation, "negative_slope": self.negative_slope}
            return norm(x, scale, shift, eps=self.eps, **form)
        z = norm(x, scale, shift, eps=self.eps, **form)
        return activate(z, self.activation, self.negative_slope)

    def settings(self) -> str:
        return f"{self.channels}, eps={self.eps}{shown(self.activation, self.negative_slope)}"


class BatchNorm(_Norm):
    """x (N, ..., C) normalised per channel over the batch and all positions (Ioffe & Szegedy 2015).

    Training uses the batch's own mean and variance, and updates running = (1 - momentum) · running + momentum · batch
    (with the unbiased variance, as in PyTorch); eval mode uses the running ones. The Parameters are weight and bias
    (C,).

    Args:
        num_features: number of channels C.
        eps: number added to the variance.
        momentum: weight of the new batch in the running statistics.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        dtype: float32 or float64.

    A call raises ValueError for another C, and for a training batch with only one value per channel.

    >>> y = tg.nn.BatchNorm(1)(np.array([[1.0], [3.0]], np.float32))
    >>> y.numpy().round(2).ravel().tolist()
    [-1.0, 1.0]
    """

    buffers = ("running_mean", "running_var")

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: DType = np.float32,
    ):
        (num_features,) = arguments.sizes("BatchNorm", num_features=num_features)
        super().__init__(num_features, eps, activation, negative_slope, dtype)
        self.momentum = arguments.real("BatchNorm", "momentum, the weight of the new batch,", momentum, least=0, most=1)
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        if not self.training:
            scale = self.weight / np.sqrt(self.running_var + self.eps)
            return activate((x - self.running_mean) * scale + self.bias, self.activation, self.negative_slope)
        n = math.prod(x.shape[:-1])
        if n < 2:
            raise ValueError(
                f"BatchNorm: expected at least two values per channel in training, got x {x.shape}: "
                "use a larger batch, or call eval()"
            )
        moments = kernels.moments(array_of(x)[None], self.channels)  # (1, 2, C)
        mean, var = moments[0]
        self.running_mean = self._updated(self.running_mean, mean)
        self.running_var = self._updated(self.running_var, var * (n / (n - 1)))
        return self._applied(batch_norm, x, moments=moments)

    def _updated(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # a value beyond float32 becomes infinity, and stays it
            mixed = kernels.mixed(running, batch, 1 - self.momentum).astype(running.dtype)
        return np.where(np.isinf(running), running, mixed)

    def settings(self) -> str:
        return f"{super().settings()}, momentum={self.momentum}"


class GroupNorm(_Norm):
    """x (N, ..., C) normalised per example, over all positions and C/num_groups channels at a time (Wu & He 2018).

    The Parameters are weight and bias (C,).

    Args:
        num_groups: number of groups, which divides the number of channels.
        num_channels: number of channels C.
        eps: number added to the variance.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        dtype: float32 or float64.

    A call raises ValueError for another C.

    >>> tg.nn.GroupNorm(2, 8)(np.zeros((5, 7, 7, 8), np.float32)).shape
    (5, 7, 7, 8)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        *,
        eps: float = 1e-5,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: DType = np.float32,
    ):
        num_groups, num_channels = arguments.sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: expected num_groups to divide {num_channels} channels, got {num_groups}")
        super().__init__(num_channels, eps, activation, negative_slope, dtype)
        self.num_groups = num_groups

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return self._applied(group_norm, x, num_groups=self.num_groups)

    def settings(self) -> str:
        return f"{self.num_groups}, {super().settings()}"


class InstanceNorm(_Norm):
    """x (N, ..., C) normalised per example and per channel, over all positions (Ulyanov et al. 2016).

    With `affine`, each channel has a learnt scale `weight` and shift `bias`; as in PyTorch, it has none by default.
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        affine: bool = False,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: DType = np.float32,
    ):
        (num_features,) = arguments.sizes("InstanceNorm", num_features=num_features)
        super().__init__(num_features, eps, activation, negative_slope, dtype, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return self._applied(group_norm, x, num_groups=self.channels)

    def settings(self) -> str:
        return f"{super().settings()}{', affine=True' if self.weight is not None else ''}"


class LayerNorm(_Norm):
    """x (..., C) normalised at each position over its C features (Ba et al. 2016).

    The Parameters are weight and bias (C,).

    Args:
        num_features: number of features C.
        eps: number added to the variance.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        dtype: float32 or float64.

    A call raises ValueError for another C.

    >>> y = tg.nn.LayerNorm(2)(np.array([[1.0, 3.0]], np.float32))
    >>> y.numpy().round(2).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: DType = np.float32,
    ):
        (num_features,) = arguments.sizes("LayerNorm", num_features=num_features)
        super().__init__(num_features, eps, activation, negative_slope, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return self._applied(layer_norm, x)
