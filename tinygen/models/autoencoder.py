"""Autoencoders: an encoder to a short code, a decoder back to the image, and the squared error of the result.

    x̂ = D(E(x)),    loss = mean over images of ‖x - x̂‖²    (Rumelhart, Hinton & Williams 1986)

The loss is a sum over pixels: squared error per image. Divide it by the number of pixels for the error per pixel.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.models.shapes import check_image_shape, check_shape
from tinygen.nn.inference import in_batches
from tinygen.tensor import Tensor

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # images to damaged images of the same shape


class Autoencoder(nn.Module):
    """Any encoder from examples (N, ...) to codes (N, K), with any decoder back; K is called `latent`."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        self.encoder = encoder
        self.decoder = decoder

    # -- networks ------------------------------------------------------------------------------------------------------

    @classmethod
    def conv(
        cls,
        shape: Sequence[int],
        channels: tuple[int, int] = (32, 64),
        latent: int | None = 10,
        *,
        hidden: int = 16,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """The convolutional autoencoder of the lecture, for images of shape (H, W, C) with pixels in [0, 1].

        Two 3x3 convolutions with stride 2 halve the image twice; three transposed convolutions double it twice and end
        in a sigmoid. `channels` are those of the feature maps at half and at quarter size, `hidden` is the width of the
        dense layer before the code. For (28, 28, 1) there are 159,355 parameters. With `latent=None` there are no dense
        layers, and the code is the feature maps at quarter size. Raises ValueError unless 4 divides H and W.
        """
        height, width, colours = check_image_shape("Autoencoder.conv", shape, divisor=4)
        half, quarter, hidden = arguments.sizes(
            "Autoencoder.conv", **{"channels[0]": channels[0], "channels[1]": channels[1], "hidden": hidden}
        )
        maps = (height // 4, width // 4, quarter)
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        halve = dict(**same, stride=2, padding=1, activation="relu")
        double = dict(**halve, output_padding=1)
        encoder: list[nn.Module] = [
            nn.Conv2d(colours, half, 3, **halve),  # (N, H/2, W/2, 32)
            nn.Conv2d(half, quarter, 3, **halve),  # (N, H/4, W/4, 64)
            nn.Flatten(),
        ]
        decoder: list[nn.Module] = []
        if latent is not None:
            latent = arguments.whole("Autoencoder.conv", "latent", latent, least=1)
            encoder += [nn.Dense(math.prod(maps), hidden, **same), nn.ReLU(), nn.Dense(hidden, latent, **same)]
            decoder += [nn.Dense(latent, math.prod(maps), **same), nn.ReLU()]
        decoder += [
            nn.Reshape(maps),
            nn.ConvTranspose2d(quarter, quarter, 3, **double),  # (N, H/2, W/2, 64)
            nn.ConvTranspose2d(quarter, half, 3, **double),  # (N, H, W, 32)
            nn.ConvTranspose2d(half, colours, 3, padding=1, **same),  # (N, H, W, C)
            nn.Sigmoid(),
        ]
        return cls(nn.Sequential(*encoder), nn.Sequential(*decoder))

    @classmethod
    def dense(
        cls,
        shape: Sequence[int],
        widths: Sequence[int],
        latent: int,
        *,
        activation: str | None = "relu",
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """Dense layers of the given widths down to the code, and mirrored back, for examples of any shape in [0, 1].

        `Autoencoder.dense((28, 28, 1), (1000, 500, 250), 30, rng=rng)` has the layer sizes of Hinton & Salakhutdinov
        2006. The code has no activation, and the output has a sigmoid.
        """
        shape = check_shape("Autoencoder.dense", shape)
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        encoder: list[nn.Module] = [nn.Flatten()]
        decoder: list[nn.Module] = [nn.Reshape(shape)]
        for i, (wide, narrow) in enumerate(pairwise([math.prod(shape), *widths, latent])):
            encoder.append(nn.Dense(wide, narrow, activation=activation if i < len(widths) else None, **same))
            decoder.insert(0, nn.Dense(narrow, wide, activation=activation if i else "sigmoid", **same))
        return cls(nn.Sequential(*encoder), nn.Sequential(*decoder))

    @classmethod
    def linear(cls, shape: Sequence[int], latent: int, *, rng: np.random.Generator, dtype: type = np.float32) -> Self:
        """Two matrices without biases: z = x W_e and x̂ = z W_d, for centred data of shape (D,).

        At the optimum it spans the space of the first principal components (Baldi & Hornik 1989);
        `examples/linear_autoencoder_is_pca.py` shows which part of that theorem holds.
        """
        (features,) = check_shape("Autoencoder.linear", shape)
        return cls(
            encoder=nn.Dense(features, latent, bias=False, rng=rng, dtype=dtype),
            decoder=nn.Dense(latent, features, bias=False, rng=rng, dtype=dtype),
        )

    # -- training ------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """x̂ = D(E(x)), of the shape of x."""
        return self.decoder(self.encoder(x))

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """Squared error per image, ‖x - D(E(x))‖².

        With `corrupt` (see `corruption.py`) the input is corrupt(x, rng), and the target is still x.
        """
        corrupted = x if corrupt is None else corrupt(x, arguments.generator("Autoencoder.loss", rng))
        return functional.mse(self(corrupted), x)

    # -- arrays in, arrays out -----------------------------------------------------------------------------------------

    def encode(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The codes (N, K) of examples, in eval mode and without a graph."""
        return in_batches(self.encoder, x, batch_size)

    def decode(self, z: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The examples that the decoder makes from codes (N, K)."""
        return in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """Examples, encoded and decoded again."""
        return in_batches(self, x, batch_size)

    def interpolate(self, codes: np.ndarray, steps: int) -> np.ndarray:
        """Decode `steps` points on the straight line from each of the codes (N, K) to the next one, ends included."""
        steps = arguments.whole("interpolate", "steps", steps, least=2)
        t = np.linspace(0, 1, steps, dtype=codes.dtype)[:, None]  # (steps, 1)
        return self.decode(np.concatenate([(1 - t) * a + t * b for a, b in pairwise(codes)]))
