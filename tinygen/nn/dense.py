"""Dense, the fully connected layer."""

import math
from typing import ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import DType, Init, first_values
from tinygen.nn.module import Module
from tinygen.nn.named_activation import activate, check_activation, shown
from tinygen.ops import reshape
from tinygen.ops.fused import linear
from tinygen.tensor import Parameter, Tensor


class Dense(Module):
    """y = f(x W + b) over the last axis: x (..., in_features) to y (..., out_features).

    The Parameters are weight (in_features, out_features) and bias (out_features,).

    Args:
        in_features: number of inputs.
        out_features: number of outputs.
        rng: generator for the first weights.
        bias: whether to add a bias.
        activation: None, "relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid" or "softplus".
        negative_slope: slope of "leaky_relu" below 0.
        init: first weights: "glorot_uniform", "he_normal", ..., or a function; see `nn.init`.
        dtype: float32 or float64.

    A call raises ValueError for an x with another last axis.

    >>> layer = tg.nn.Dense(3, 2, rng=np.random.default_rng(0), activation="relu")
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    torch_axes: ClassVar = {"weight": (1, 0)}  # PyTorch has (out, in)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: np.random.Generator,
        bias: bool = True,
        activation: str | None = None,
        negative_slope: float = 0.01,
        init: Init = "glorot_uniform",
        dtype: DType = np.float32,
    ):
        arguments.generator("Dense", rng)
        in_features, out_features = arguments.sizes("Dense", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.activation, self.negative_slope = check_activation("Dense", activation, negative_slope)
        shape = fans = in_features, out_features
        self.weight = Parameter(first_values("Dense", init, rng, shape, fans, dtype))
        self.bias = Parameter(np.zeros(out_features, dtype)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            flat = math.prod(shape[1:]) == self.in_features
            hint = "put nn.Flatten() before it" if flat else "was the model made for inputs of another size?"
            raise ValueError(f"Dense: expected x (..., {self.in_features}), got {shape}: {hint}")
        rows = x if len(shape) == 2 else reshape(x, shape=(math.prod(shape[:-1]), self.in_features))
        y = rows @ self.weight if self.bias is None else linear(rows, self.weight, self.bias)
        y = y if len(shape) == 2 else reshape(y, shape=(*shape[:-1], self.out_features))
        return y if self.activation is None else activate(y, self.activation, self.negative_slope)

    def settings(self) -> str:
        bias = ", bias=False" if self.bias is None else ""
        return f"{self.in_features}, {self.out_features}{bias}{shown(self.activation, self.negative_slope)}"
