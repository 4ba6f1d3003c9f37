"""The networks of VAEs: an encoder to the mean and log-variance of each latent, and a decoder; both may take labels."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.models.shapes import check_image_shape, check_shape
from tinygen.op import as_tensors
from tinygen.ops import broadcast_to, concat, exp, getitem
from tinygen.tensor import Parameter, Tensor

Networks = tuple[nn.Module, nn.Module]


def dense_networks(
    who: str,
    shape: Sequence[int],
    widths: Sequence[int],
    latent: int,
    *,
    classes: int = 0,
    activation: str | None = "tanh",
    rng: np.random.Generator,
    dtype: type = np.float32,
) -> Networks:
    """Dense layers of the given widths, mirrored; with `classes`, both networks take (x, labels). See `VAE.dense`."""
    shape, widths = check_shape(who, shape), arguments.several(who, "widths", widths)
    sizes, same = [math.prod(shape), *widths], dict[str, Any](rng=rng, dtype=dtype)
    encoder: list[nn.Module] = [nn.Flatten()]
    decoder: list[nn.Module] = [nn.Reshape(shape)]
    for i, (wide, narrow) in enumerate(pairwise(sizes)):
        encoder.append(nn.Dense(wide + (0 if i else classes), narrow, activation=activation, **same))
        decoder.insert(0, nn.Dense(narrow, wide, activation=activation if i else None, **same))
    encoder.append(nn.Dense(sizes[-1] + (0 if widths else classes), 2 * latent, **same))
    decoder.insert(0, nn.Dense(latent + classes, sizes[-1], activation=activation if widths else None, **same))
    return _labelled(encoder, decoder, classes)


def conv_networks(
    who: str,
    shape: Sequence[int],
    channels: tuple[int, int] = (32, 64),
    latent: int = 10,
    *,
    hidden: int = 128,
    classes: int = 0,
    activation: str | None = "relu",
    rng: np.random.Generator,
    dtype: type = np.float32,
) -> Networks:
    """4x4 convolutions with stride 2, and back; with `classes`, both networks take (x, labels). See `VAE.conv`."""
    height, width, colours = check_image_shape(who, shape, divisor=4)
    half, quarter = arguments.several(who, "channels", channels, count=2)
    (hidden,) = arguments.sizes(who, hidden=hidden)
    maps, same = (height // 4, width // 4, quarter), dict[str, Any](rng=rng, dtype=dtype)
    resize: dict[str, Any] = dict(stride=2, padding=1, **same)
    encoder: list[nn.Module] = [
        nn.Conv2d(colours + classes, half, 4, activation=activation, **resize),  # (N, H/2, W/2, 32)
        nn.Conv2d(half, quarter, 4, activation=activation, **resize),  # (N, H/4, W/4, 64)
        nn.Flatten(),
        nn.Dense(math.prod(maps), hidden, activation=activation, **same),
        nn.Dense(hidden, 2 * latent, **same),
    ]
    decoder: list[nn.Module] = [
        nn.Dense(latent + classes, hidden, activation=activation, **same),
        nn.Dense(hidden, math.prod(maps), activation=activation, **same),
        nn.Reshape(maps),
        nn.ConvTranspose2d(quarter, half, 4, activation=activation, **resize),  # (N, H/2, W/2, 32)
        nn.ConvTranspose2d(half, colours, 4, **resize),  # (N, H, W, C)
    ]
    return _labelled(encoder, decoder, classes)


def _labelled(encoder: list[nn.Module], decoder: list[nn.Module], classes: int) -> Networks:
    if not classes:
        return nn.Sequential(*encoder), nn.Sequential(*decoder)
    flatten = isinstance(encoder[0], nn.Flatten)
    networks = nn.Sequential(*encoder[flatten:]), nn.Sequential(*decoder)
    return Labelled(networks[0], classes, flatten=flatten), Labelled(networks[1], classes)


class Labelled(nn.Module):
    """A network that takes (x, labels): it receives the one-hot label of each example as further channels of x.

    Args:
        network: module from x (N, ..., C + classes).
        classes: number of classes; labels are 0 to classes - 1.
        flatten: whether to reshape x (N, ...) to (N, C) before.
    """

    def __init__(self, network: nn.Module, classes: int, *, flatten: bool = False):
        (self.classes,) = arguments.sizes("Labelled", classes=classes)
        self.network, self.flatten = network, bool(flatten)

    def forward(self, x: Tensor | np.ndarray, labels: np.ndarray) -> Tensor:
        """Raises ValueError unless there is one label for each example."""
        (x,) = as_tensors((x,))
        if np.shape(labels) != x.shape[:1]:
            raise ValueError(
                f"Labelled: expected one label for each of {len(x)} examples, got labels of shape {np.shape(labels)}"
            )
        if self.flatten:
            x = x.reshape(len(x), math.prod(x.shape[1:]))
        one_hot = functional.one_hot(labels, self.classes, dtype=x.dtype.type)  # (N, classes)
        one_hot = one_hot.reshape(len(x), *[1] * (x.ndim - 2), self.classes)
        return self.network(concat(x, broadcast_to(one_hot, shape=(*x.shape[:-1], self.classes)), axis=-1))

    def settings(self) -> str:
        return f"classes={self.classes}"


class ClassPrior(nn.Module):
    """A learned prior of each class, p(z|y) = N(μ_y, diag σ_y²): it maps codes e ~ N(0, I) to z = μ_y + σ_y e.

    KL(q(z|x, y) ‖ p(z|y)) is that of the codes e from N(0, I), because the map is invertible.

    Args:
        classes: number of classes.
        latent: size K of the code.
        dtype: float32 or float64.
    """

    def __init__(self, classes: int, latent: int, *, dtype: type = np.float32):
        self.classes, self.latent = arguments.sizes("ClassPrior", classes=classes, latent=latent)
        self.mu = Parameter(np.zeros((classes, latent), dtype))
        self.log_var = Parameter(np.zeros((classes, latent), dtype))

    def forward(self, e: Tensor | np.ndarray, labels: np.ndarray) -> Tensor:
        """Codes (N, K) of labels (N,)."""
        return getitem(self.mu, index=labels) + exp(0.5 * getitem(self.log_var, index=labels)) * e

    def settings(self) -> str:
        return f"{self.classes}, {self.latent}"
