"""Activations as layers of a `Sequential`; in a `forward` of your own, call the ops directly."""

from tinygen.errors import arguments
from tinygen.nn.module import Module
from tinygen.ops import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from tinygen.tensor import Tensor


class Identity(Module):
    """x itself: takes the place of a layer that is left out."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class ReLU(Module):
    """max(x, 0) of each entry.

    >>> tg.nn.ReLU()(np.array([-1.0, 2.0]))
    Tensor([0., 2.], shape=(2,), float64)
    """

    def forward(self, x: Tensor) -> Tensor:
        return relu(x)


class LeakyReLU(Module):
    """x where x is positive, else negative_slope · x."""

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = arguments.real("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, negative_slope=self.negative_slope)

    def settings(self) -> str:
        return str(self.negative_slope)


class ELU(Module):
    """x where x is positive, else alpha · (eˣ - 1)."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = arguments.real("ELU", "alpha", alpha)

    def forward(self, x: Tensor) -> Tensor:
        return elu(x, alpha=self.alpha)

    def settings(self) -> str:
        return str(self.alpha)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), in (0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent, in (-1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return tanh(x)


class SiLU(Module):
    """x σ(x), also called swish."""

    def forward(self, x: Tensor) -> Tensor:
        return silu(x)


class GELU(Module):
    """x Φ(x), with the exact normal distribution function Φ."""

    def forward(self, x: Tensor) -> Tensor:
        return gelu(x)


class Softplus(Module):
    """log(1 + eˣ), a smooth ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return softplus(x)
