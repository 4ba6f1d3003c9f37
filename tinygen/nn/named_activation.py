"""Activations by name: the settings `activation=` and `negative_slope=` of Dense, the convolutions and the norms."""

from collections.abc import Callable
from typing import Any

from tinygen.errors import arguments
from tinygen.ops import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from tinygen.tensor import Tensor

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "silu": silu,
    "gelu": gelu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}
TITLES = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "silu": "SiLU", "gelu": "GELU"}  # else capitalised


def check_activation(who: str, activation: Any, negative_slope: Any) -> tuple[str | None, float]:
    """Both settings; ValueError for a name that is not in the table, which lists the names that are."""
    if activation is not None and (not isinstance(activation, str) or activation not in ACTIVATIONS):
        names = ", ".join(f'"{name}"' for name in ACTIVATIONS)
        raise ValueError(
            f"{who}: expected activation to be None, {names}, got {activation!r}: "
            "write one of these names, or add a layer of its own after this one"
        )
    return activation, arguments.real(who, "negative_slope", negative_slope)


def activate(z: Tensor, activation: str | None, negative_slope: float) -> Tensor:
    """The activation of z; z itself for None."""
    if activation is None:
        return z
    if activation == "leaky_relu":
        return leaky_relu(z, negative_slope=negative_slope)
    return ACTIVATIONS[activation](z)


def shown(activation: str | None, negative_slope: float) -> str:
    """The settings as the repr of a layer shows them after others; "" for None."""
    slope = f", negative_slope={negative_slope}" if activation == "leaky_relu" else ""
    return f", activation={activation!r}{slope}" if activation else ""


def title(activation: str | None) -> str:
    """The name of the layer that does the same: "ReLU" for "relu"; "" for None."""
    return TITLES.get(activation, activation.capitalize()) if activation else ""
