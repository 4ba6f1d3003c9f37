"""Autoencoders: an encoder to a short code, a decoder back to the image, and the error of the result.

    x̂ = D(E(x)),    loss = mean over images of ‖x - x̂‖²    (Rumelhart, Hinton & Williams 1986)

The loss is a sum over pixels: squared error per image. Divide it by the number of pixels for the error per pixel. For
pixels in [0, 1] there is also the binary cross-entropy, in nats per image. `regularised.py` has losses of the code.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.models.shapes import check_image_shape, check_pixels, check_shape
from tinygen.nn.inference import in_batches
from tinygen.nn.init import Init
from tinygen.nn.named_activation import activate, check_activation, shown, title
from tinygen.ops import sigmoid
from tinygen.tensor import Parameter, Tensor

LOSSES, OUTPUTS = ("mse", "bce"), ("linear", "sigmoid")
Corruption = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # images to damaged images of the same shape


class Autoencoder(nn.Module):
    """Any encoder from examples (N, ...) to codes (N, K), with any decoder back; K is called `latent`.

    `Autoencoder.conv` and its neighbours build both networks. Their output is "linear", for any numbers, or "sigmoid",
    for pixels in [0, 1]. The squared error suits both; the binary cross-entropy needs a sigmoid.

    Args:
        encoder: module from examples to codes.
        decoder: module from codes to examples, or to their logits for "bce".
        loss: "mse", the squared error per image, or "bce", the binary cross-entropy in nats per image. With "bce" the
            model applies the sigmoid after the decoder, so that the loss is exact for large logits.

    >>> from tinygen import models
    >>> model = models.Autoencoder.conv((28, 28, 1), latent=10, rng=np.random.default_rng(0))
    >>> model(np.zeros((5, 28, 28, 1), np.float32)).shape
    (5, 28, 28, 1)
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, loss: str = "mse"):
        self.encoder = encoder
        self.decoder = decoder
        self.error = arguments.choice(type(self).__name__, "loss", loss, LOSSES)
        self._unit = loss == "bce" or _ends_in_sigmoid(decoder)  # whether the output is in [0, 1]

    # -- networks ------------------------------------------------------------------------------------------------------

    @classmethod
    def conv(
        cls,
        shape: Sequence[int],
        channels: tuple[int, int] = (32, 64),
        latent: int | None = 10,
        *,
        hidden: int = 16,
        resize: str = "stride",
        activation: str | None = "relu",
        output: str = "sigmoid",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """The convolutional autoencoder of the lecture, for images of shape (H, W, C) with pixels in [0, 1].

        Two 3x3 convolutions with stride 2 halve the image twice; three transposed convolutions double it twice and end
        in a sigmoid. `channels` are those of the feature maps at half and at quarter size, `hidden` is the width of the
        dense layer before the code. For (28, 28, 1) there are 159,355 parameters. With `latent=None` there are no dense
        layers, and the code is the feature maps at quarter size. With `resize="pool"`, 2x2 max pooling after each
        convolution halves the image, and nearest upsampling before each doubles it, with as many parameters.
        `activation` is that of all layers but the code and the output; `settings` are further arguments of the class,
        such as `loss`. Raises ValueError unless 4 divides H and W.
        """
        height, width, colours = check_image_shape("Autoencoder.conv", shape, divisor=4)
        last = _last_activation(f"{cls.__name__}.conv", output, cls._returns_logits(settings))
        half, quarter = arguments.several("Autoencoder.conv", "channels", channels, count=2)
        (hidden,) = arguments.sizes("Autoencoder.conv", hidden=hidden)
        pool = arguments.choice("Autoencoder.conv", "resize", resize, ("stride", "pool")) == "pool"
        maps = (height // 4, width // 4, quarter)
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)

        def halve(c: int, o: int) -> list[nn.Module]:
            form: dict[str, Any] = dict(**same, padding=1, activation=activation)
            return [nn.Conv2d(c, o, 3, **form), nn.MaxPool2d(2)] if pool else [nn.Conv2d(c, o, 3, stride=2, **form)]

        def double(c: int, o: int) -> list[nn.Module]:
            form: dict[str, Any] = dict(**same, padding=1, activation=activation)
            if pool:
                return [nn.Upsample(2), nn.Conv2d(c, o, 3, **form)]
            return [nn.ConvTranspose2d(c, o, 3, stride=2, output_padding=1, **form)]

        encoder: list[nn.Module] = [
            *halve(colours, half),  # (N, H/2, W/2, 32)
            *halve(half, quarter),  # (N, H/4, W/4, 64)
            nn.Flatten(),
        ]
        decoder: list[nn.Module] = []
        if latent is not None:
            latent = arguments.whole("Autoencoder.conv", "latent", latent, least=1)
            encoder += [nn.Dense(math.prod(maps), hidden, **same), _layer(activation), nn.Dense(hidden, latent, **same)]
            decoder += [nn.Dense(latent, math.prod(maps), **same), _layer(activation)]
        decoder += [
            nn.Reshape(maps),
            *double(quarter, quarter),  # (N, H/2, W/2, 64)
            *double(quarter, half),  # (N, H, W, 32)
            (nn.Conv2d if pool else nn.ConvTranspose2d)(half, colours, 3, padding=1, **same),  # (N, H, W, C)
        ]
        decoder += [nn.Sigmoid()] if last else []
        return cls._built(nn.Sequential(*encoder), nn.Sequential(*decoder), latent, settings)

    @classmethod
    def dense(
        cls,
        shape: Sequence[int],
        widths: Sequence[int],
        latent: int,
        *,
        activation: str | None = "relu",
        output: str = "sigmoid",
        code_activation: str | None = None,
        tied: bool = False,
        init: Init = "glorot_uniform",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """Dense layers of the given widths down to the code, and mirrored back, for examples of any shape in [0, 1].

        `Autoencoder.dense((28, 28, 1), (1000, 500, 250), 30, rng=rng)` has the layer sizes of Hinton & Salakhutdinov
        2006. The code has no activation unless `code_activation` names one, and the output has a sigmoid unless it is
        "linear". With `tied` weights each layer of the decoder has the transposed matrix of its counterpart in the
        encoder. `init` is that of `nn.Dense`; deep networks of ReLU or SiLU learn faster from "he_normal". `settings`
        are further arguments of the class, such as `loss`.
        """
        shape = check_shape("Autoencoder.dense", shape)
        widths = arguments.several("Autoencoder.dense", "widths", widths)
        last = _last_activation(f"{cls.__name__}.dense", output, cls._returns_logits(settings))
        same: dict[str, Any] = dict(rng=rng, init=init, dtype=dtype)
        encoder: list[nn.Module] = [nn.Flatten()]
        decoder: list[nn.Module] = [nn.Reshape(shape)]
        for i, (wide, narrow) in enumerate(pairwise([math.prod(shape), *widths, latent])):
            down = nn.Dense(wide, narrow, activation=activation if i < len(widths) else code_activation, **same)
            after = activation if i else last
            encoder.append(down)
            decoder.insert(0, Transposed(down, after) if tied else nn.Dense(narrow, wide, activation=after, **same))
        return cls._built(nn.Sequential(*encoder), nn.Sequential(*decoder), latent, settings)

    @classmethod
    def linear(
        cls,
        shape: Sequence[int],
        latent: int,
        *,
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """Two matrices without biases: z = x W_e and x̂ = z W_d, for centred data of shape (D,).

        At the optimum it spans the space of the first principal components (Baldi & Hornik 1989);
        `examples/autoencoders/linear_is_pca.py` shows which part of that theorem holds. `settings` are further
        arguments of the class.
        """
        (features,) = check_shape("Autoencoder.linear", shape)
        encoder = nn.Dense(features, latent, bias=False, rng=rng, dtype=dtype)
        return cls._built(encoder, nn.Dense(latent, features, bias=False, rng=rng, dtype=dtype), latent, settings)

    @classmethod
    def _built(cls, encoder: nn.Module, decoder: nn.Module, latent: int | None, settings: dict[str, Any]) -> Self:
        """The model with these networks; a subclass may also need the size of the code."""
        return cls(encoder, decoder, **settings)

    @classmethod
    def _returns_logits(cls, settings: dict[str, Any]) -> bool:
        """Whether a model with these arguments needs a decoder without its sigmoid."""
        return settings.get("loss") == "bce"

    # -- training ------------------------------------------------------------------------------------------------------

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """x̂ = D(E(x)), of the shape of x."""
        return self._output(self.encoder(x))

    def _output(self, z: Tensor | np.ndarray) -> Tensor:
        """The decoder's output as pixels."""
        y = self.decoder(z)
        return sigmoid(y) if self.error == "bce" else y

    def _error(self, z: Tensor, x: Tensor | np.ndarray) -> Tensor:
        """The error of the examples decoded from z, compared with x: mean over examples."""
        return (
            functional.bce_with_logits(self.decoder(z), x)
            if self.error == "bce"
            else functional.mse(self.decoder(z), x)
        )

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """Squared error per image, ‖x - D(E(x))‖², or the binary cross-entropy of D(E(x)) and x.

        With `corrupt` (see `corruption.py`) the input is corrupt(x, rng), and the target is still x.
        """
        self._check_pixels(x)
        corrupted = x if corrupt is None else corrupt(x, arguments.generator("Autoencoder.loss", rng))
        return self._error(self.encoder(corrupted), x)

    def _check_pixels(self, x: Tensor | np.ndarray) -> None:
        """ValueError for numbers outside [0, 1], which a decoder that ends in a sigmoid never returns."""
        if self._unit:
            check_pixels(f"{type(self).__name__}.loss", x, otherwise="choose a linear output")

    # -- arrays in, arrays out -----------------------------------------------------------------------------------------

    def encode(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The codes (N, K) of examples, in eval mode and without a graph."""
        return in_batches(self.encoder, x, batch_size)

    def decode(self, z: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The examples that the decoder makes from codes (N, K)."""
        return in_batches(self, z, batch_size, self._output)

    def reconstruct(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """Examples, encoded and decoded again."""
        return in_batches(self, x, batch_size)

    def interpolate(self, codes: np.ndarray, steps: int) -> np.ndarray:
        """Decode `steps` points on the straight line from each of the codes (N, K) to the next one, ends included.

        Returns (N - 1) · steps examples. Raises ValueError for fewer than two codes or two steps.
        """
        steps = arguments.whole("interpolate", "steps", steps, least=2)
        if len(codes) < 2:
            raise ValueError(f"interpolate: expected at least two codes (N, K), got {codes.shape}: encode two examples")
        t = np.linspace(0, 1, steps, dtype=codes.dtype)[:, None]  # (steps, 1)
        return self.decode(np.concatenate([(1 - t) * a + t * b for a, b in pairwise(codes)]))


# -- parts of the constructors -----------------------------------------------------------------------------------------


class Transposed(nn.Module):
    """y = f(z Wᵀ + b) with the weight W of another dense layer, and a bias of its own."""

    def __init__(self, dense: nn.Dense, activation: str | None):
        self.weight, self.activation = dense.weight, check_activation("Transposed", activation, 0.01)[0]
        self.bias = Parameter(np.zeros(dense.in_features, dense.weight.dtype))

    def forward(self, z: Tensor) -> Tensor:
        return activate(z @ self.weight.T + self.bias, self.activation, 0.01)

    def settings(self) -> str:
        wide, narrow = self.weight.shape
        return f"{narrow}, {wide}{shown(self.activation, 0.01)}"


def _last_activation(who: str, output: str, logits: bool) -> str | None:
    """The activation of the decoder's last layer; ValueError for a cross-entropy with a linear output."""
    output = arguments.choice(who, "output", output, OUTPUTS)
    if logits and output == "linear":
        raise ValueError(f"{who}: expected output='sigmoid' for a cross-entropy, got 'linear': change one of them")
    return "sigmoid" if output == "sigmoid" and not logits else None  # the model applies that of logits


def _ends_in_sigmoid(decoder: nn.Module) -> bool:
    """Whether the last layer that computes something has a sigmoid."""
    if isinstance(decoder, nn.Sequential):
        layers = [layer for layer in decoder if not isinstance(layer, nn.Flatten | nn.Reshape)]
        return bool(layers) and _ends_in_sigmoid(layers[-1])
    return isinstance(decoder, nn.Sigmoid) or getattr(decoder, "activation", None) == "sigmoid"


def _layer(activation: str | None) -> nn.Module:
    """An activation as a layer."""
    name, _ = check_activation("Autoencoder.conv", activation, 0.01)
    return getattr(nn, title(name))() if name else nn.Identity()
