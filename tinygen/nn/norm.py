"""Normalisation: entries that belong together get mean 0 and variance 1, then a learnt scale and shift per channel.

What belongs together: BatchNorm, one channel of all examples; GroupNorm, a group of channels of one example; LayerNorm,
one position. Channels come last, and variances are divided by n. An activation that follows costs least as part of the
layer, in the same pass over memory: `activation="relu"`, "silu", or "leaky_relu" with its `negative_slope`.
"""

import math

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.nn.module import Module
from tinygen.ops import batch_norm, group_norm, layer_norm, leaky_relu, relu, silu
from tinygen.tensor import Parameter, Tensor, array_of


class _Norm(Module):
    """The scale `weight` and the shift `bias` of each channel, (C,) both, and the check that x has these channels."""

    def __init__(self, channels: int, eps: float, activation: str | None, negative_slope: float, dtype: type):
        if activation not in (None, "relu", "leaky_relu", "silu"):
            raise ValueError(
                f'{type(self).__name__}: activation must be None, "relu", "leaky_relu" or "silu", got {activation!r}; '
                "let any other follow as a layer of its own"
            )
        self.channels, self.eps = channels, arguments.real(type(self).__name__, "eps", eps, above=0)
        self.activation = activation
        self.negative_slope = arguments.real(type(self).__name__, "negative_slope", negative_slope)
        self.weight = Parameter(np.ones(channels, dtype))
        self.bias = Parameter(np.zeros(channels, dtype))

    def check(self, x: Tensor) -> None:
        if x.ndim < 2 or x.shape[-1] != self.channels:
            raise ValueError(f"{type(self).__name__}: x {x.shape} should be (N, ..., {self.channels}), channels last")

    @property
    def form(self) -> dict:
        """The settings that all normalising ops share."""
        return dict(eps=self.eps, activation=self.activation, negative_slope=self.negative_slope)

    def settings(self) -> str:
        slope = f", negative_slope={self.negative_slope}" if self.activation == "leaky_relu" else ""
        bend = f", activation={self.activation!r}{slope}" if self.activation else ""
        return f"{self.channels}, eps={self.eps}{bend}"


class BatchNorm(_Norm):
    """x (N, ..., C) normalised per channel over the batch and all positions (Ioffe & Szegedy 2015).

    In training by the batch's own mean and variance, and running = (1 - momentum) · running + momentum · batch follows
    them (with the unbiased variance, as in PyTorch); in eval mode by the running ones. Raises ValueError for a training
    batch with only one value per channel.
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
        dtype: type = np.float32,
    ):
        (num_features,) = arguments.sizes("BatchNorm", num_features=num_features)
        super().__init__(num_features, eps, activation, negative_slope, dtype)
        self.momentum = arguments.real("BatchNorm", "momentum, the share of the new batch,", momentum, least=0, most=1)
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        if not self.training:
            scale = self.weight / np.sqrt(self.running_var + self.eps)
            return self._bent((x - self.running_mean) * scale + self.bias)
        n = math.prod(x.shape[:-1])
        if n < 2:
            raise ValueError(
                f"BatchNorm: training needs two values per channel or more, got x {x.shape}; or call eval()"
            )
        moments = kernels.moments(array_of(x)[None], self.channels)  # (1, 2, C)
        mean, var = moments[0]
        self.running_mean = self._followed(self.running_mean, mean)
        self.running_var = self._followed(self.running_var, var * (n / (n - 1)))
        return batch_norm(x, self.weight, self.bias, **self.form, moments=moments)

    def _bent(self, z: Tensor) -> Tensor:
        if self.activation == "leaky_relu":
            return leaky_relu(z, negative_slope=self.negative_slope)
        return {None: lambda z: z, "relu": relu, "silu": silu}[self.activation](z)

    def _followed(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # what float32 can't hold is infinite, and stays so
            mixed = kernels.mixed(running, batch, 1 - self.momentum).astype(running.dtype)
        return np.where(np.isinf(running), running, mixed)

    def settings(self) -> str:
        return f"{super().settings()}, momentum={self.momentum}"


class GroupNorm(_Norm):
    """x (N, ..., C) normalised per example, over all positions and C/num_groups channels at a time (Wu & He 2018)."""

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        *,
        eps: float = 1e-5,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: type = np.float32,
    ):
        num_groups, num_channels = arguments.sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels don't split into {num_groups} equal groups")
        super().__init__(num_channels, eps, activation, negative_slope, dtype)
        self.num_groups = num_groups

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return group_norm(x, self.weight, self.bias, num_groups=self.num_groups, **self.form)

    def settings(self) -> str:
        return f"{self.num_groups}, {super().settings()}"


class LayerNorm(_Norm):
    """x (..., C) normalised at each position over its C features (Ba et al. 2016)."""

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        activation: str | None = None,
        negative_slope: float = 0.01,
        dtype: type = np.float32,
    ):
        (num_features,) = arguments.sizes("LayerNorm", num_features=num_features)
        super().__init__(num_features, eps, activation, negative_slope, dtype)

    def forward(self, x: Tensor) -> Tensor:
        self.check(x)
        return layer_norm(x, self.weight, self.bias, **self.form)
