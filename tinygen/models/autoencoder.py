"""Autoencoders: an encoder to a short code, a decoder back, and the squared error between what goes in and comes out.

    x̂ = D(E(x)),    loss = mean over images of ‖x - x̂‖²    (Rumelhart, Hinton & Williams 1986)

The loss is a sum over pixels, so it is in "squared error per image"; divide by the pixel count for a mean per pixel.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.nn.inference import in_batches
from tinygen.tensor import Tensor

Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # images to damaged images of the same shape


class Autoencoder(nn.Module):
    """Any encoder (N, ...) to (N, K) with any decoder back."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x) -> Tensor:
        return self.decoder(self.encoder(x))

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """The squared error per image.

        With `corrupt`, from `denoising.py`, the network sees corrupt(x, rng) and is asked for x; without, nothing is
        drawn at random and `rng` is not needed.
        """
        return functional.mse(self(x if corrupt is None else corrupt(x, rng)), x)

    def encode(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The codes (N, K) of images, as an array: in eval mode, batch by batch, without a graph."""
        return in_batches(self.encoder, x, batch_size)

    def decode(self, z: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The images that codes (N, K) stand for."""
        return in_batches(self.decoder, z, batch_size)

    def reconstruct(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """Images through the code and back."""
        return in_batches(self, x, batch_size)

    def interpolate(self, codes: np.ndarray, steps: int) -> np.ndarray:
        """Images at `steps` points on the straight line from each of the codes (N, K) to the next, ends included."""
        steps = arguments.whole("interpolate", "steps", steps, least=2)
        t = np.linspace(0, 1, steps, dtype=codes.dtype)[:, None]  # (steps, 1)
        return self.decode(np.concatenate([(1 - t) * a + t * b for a, b in pairwise(codes)]))


class ConvAutoencoder(Autoencoder):
    """The lecture's convolutional autoencoder: images (N, S, S, C) to a code of 10 numbers and back.

    Kernels are 3x3. Each of the two maps halves the image (stride 2, padding 1), and the decoder doubles it again
    (output_padding 1); its last layer, with stride 1, makes pixels in (0, 1). ReLU everywhere but on the code.
    For 28x28x1 that is 28-14-7, Dense 3136-16-10-3136, and 159,355 parameters. With `code` None the dense layers are
    left out, and the code is all of the 7x7 maps, 3136 numbers: wide enough for a copy, so it needs another task than
    that (`denoising.py`). Raises ValueError unless 4 divides S.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        image_size: int = 28,
        channels: int = 1,
        maps: tuple[int, int] = (32, 64),
        hidden: int = 16,
        code: int | None = 10,
    ):
        wide, deep = maps
        image_size, channels, wide, deep, hidden = arguments.sizes(
            "ConvAutoencoder", image_size=image_size, channels=channels, wide=wide, deep=deep, hidden=hidden
        )
        code = None if code is None else arguments.whole("ConvAutoencoder", "code", code, least=1)
        if image_size % 4:
            raise ValueError(f"ConvAutoencoder: 4 must divide the image size, for it is halved twice; got {image_size}")
        small = image_size // 4
        features = small * small * deep
        halve = dict(stride=2, padding=1, activation="relu", rng=rng)
        double = dict(**halve, output_padding=1)
        encoder = [
            nn.Conv2d(channels, wide, 3, **halve),  # (N, S/2, S/2, 32)
            nn.Conv2d(wide, deep, 3, **halve),  # (N, S/4, S/4, 64)
            nn.Flatten(),
        ]
        if code is not None:  # which has no bend, so that it may be of either sign
            encoder += [nn.Dense(features, hidden, rng=rng), nn.ReLU(), nn.Dense(hidden, code, rng=rng)]
        decoder = [] if code is None else [nn.Dense(code, features, rng=rng), nn.ReLU()]
        decoder += [
            nn.Reshape((small, small, deep)),
            nn.ConvTranspose2d(deep, deep, 3, **double),  # (N, S/2, S/2, 64)
            nn.ConvTranspose2d(deep, wide, 3, **double),  # (N, S, S, 32)
            nn.ConvTranspose2d(wide, channels, 3, padding=1, rng=rng),  # (N, S, S, C)
            nn.Sigmoid(),
        ]
        super().__init__(nn.Sequential(*encoder), nn.Sequential(*decoder))


class DenseAutoencoder(Autoencoder):
    """Fully connected layers of the given widths down to the code, and mirrored back; images of any one shape.

    `DenseAutoencoder((28, 28, 1), (1000, 500, 250, 30), rng=rng)` has the layer sizes of Hinton & Salakhutdinov 2006.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        widths: Sequence[int],
        *,
        rng: np.random.Generator,
    ):
        sizes = [math.prod(image_shape), *widths]  # of the layers on the way down
        encoder, decoder = [nn.Flatten()], []
        for wide, narrow in pairwise(sizes):
            encoder += [nn.Dense(wide, narrow, rng=rng), nn.ReLU()]
            decoder = [nn.Dense(narrow, wide, rng=rng), nn.ReLU(), *decoder]
        encoder.pop()  # no bend on the code
        decoder[-1:] = [nn.Sigmoid(), nn.Reshape(image_shape)]  # pixels in (0, 1) instead of the last bend
        super().__init__(nn.Sequential(*encoder), nn.Sequential(*decoder))


class LinearAutoencoder(Autoencoder):
    """Two matrices: z = x W_e and x̂ = z W_d, for centred data (N, D). At its best it spans what PCA spans.

    (Baldi & Hornik 1989.) `examples/linear_autoencoder_is_pca.py` shows what that says, and what it doesn't.
    """

    def __init__(self, features: int, code: int, *, rng: np.random.Generator, dtype=np.float32):
        super().__init__(
            encoder=nn.Dense(features, code, bias=False, rng=rng, dtype=dtype),
            decoder=nn.Dense(code, features, bias=False, rng=rng, dtype=dtype),
        )
