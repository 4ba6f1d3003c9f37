"""Diffusion: a network learns to predict the noise in noisy data, and a sampler removes it step by step.

    L_simple = E ‖ε - ε_θ(√ᾱ_t x_0 + √(1 - ᾱ_t) ε, t)‖²    (Ho, Jain & Abbeel 2020, DDPM, equation 14)

`schedules.py` has the amount of noise at each time, `samplers.py` the way back to data.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.models.points import PointDenoiser
from tinygen.models.samplers import State, last, reverse
from tinygen.models.schedules import NoiseSchedule, cosine_schedule
from tinygen.models.shapes import check_image_shape, check_shape
from tinygen.models.unet import UNet
from tinygen.op import no_grad
from tinygen.tensor import Tensor

BATCH = 2**19  # numbers in one batch of a sampler: 668 images of MNIST


class Diffusion(nn.Module):
    """A network that predicts from (x_t, t), with the schedule of its training, for examples of one shape.

    The data should have about the variance of the noise: standardised points, or pixels in [-1, 1] with `clip` 1.
    `Diffusion.unet` builds the network for images.

    Args:
        network: module whose `forward(x_t, t)` returns a prediction of the shape of x_t.
        schedule: the noise schedule; its `prediction_type` says what the network predicts.
        shape: shape of one example.
        clip: largest absolute value of the predicted data while sampling; None for no limit.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.Diffusion(models.PointDenoiser(rng=rng), models.linear_schedule(50), (2,))
    >>> model.loss(np.zeros((5, 2), np.float32), rng).shape
    ()
    """

    def __init__(self, network: nn.Module, schedule: NoiseSchedule, shape: Sequence[int], *, clip: float | None = None):
        self.network = network
        self.schedule = schedule
        self.shape = check_shape("Diffusion", shape)
        self.clip = None if clip is None else arguments.real("Diffusion", "clip", clip, above=0)

    # -- networks ------------------------------------------------------------------------------------------------------

    @classmethod
    def unet(
        cls,
        shape: Sequence[int],
        channels: int = 32,
        *,
        multiples: tuple[int, int] = (2, 2),
        middle: int = 1,
        overview: bool = False,
        schedule: NoiseSchedule | None = None,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """A `UNet` for images of shape (H, W, C) in [-1, 1]; 4 must divide H and W, and 16 `channels`.

        By default the schedule is the cosine schedule with v-prediction, which needs few steps. With `overview` the
        network has a dense layer over the whole image; `channels`, `multiples` and `middle` are those of `UNet`.
        """
        height, width, image_channels = check_image_shape("Diffusion.unet", shape, divisor=4)
        network = UNet(
            rng=rng,
            channels=channels,
            multiples=multiples,
            middle=middle,
            image_size=(height, width) if overview else None,
            image_channels=image_channels,
            dtype=dtype,
        )
        return cls(network, schedule or cosine_schedule(prediction_type="v_prediction"), shape, clip=1)

    @classmethod
    def points(
        cls,
        shape: Sequence[int],
        *,
        features: int = 32,
        hidden: int = 128,
        schedule: NoiseSchedule | None = None,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """A `PointDenoiser` for points of shape (D,), standardised; by default cosine schedule and v-prediction."""
        (coordinates,) = check_shape("Diffusion.points", shape)
        network = PointDenoiser(rng=rng, coordinates=coordinates, features=features, hidden=hidden, dtype=dtype)
        return cls(network, schedule or cosine_schedule(prediction_type="v_prediction"), shape)

    # -- training and sampling -----------------------------------------------------------------------------------------

    def forward(self, x_t: Tensor | np.ndarray, t: np.ndarray) -> Tensor:
        """The network's prediction (N, ...) for noisy examples x_t (N, ...) at times t (N,)."""
        return self.network(x_t, t)

    @explained
    def loss(self, x_0: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Squared error per entry, with a random time and noise for each example: L_simple (DDPM, equation 14).

        With epsilon prediction, the loss of a network that always predicts zero is 1. Raises ValueError for another
        shape, or integers.
        """
        if x_0.shape[1:] != self.shape or x_0.dtype.kind != "f":
            wanted = f"(N, {', '.join(map(str, self.shape))})"
            raise ValueError(f"Diffusion.loss: expected x_0 to be floats {wanted}, got {x_0.dtype} {x_0.shape}")
        t = rng.integers(1, self.schedule.num_train_timesteps + 1, size=len(x_0))
        eps = rng.standard_normal(x_0.shape, dtype=x_0.dtype)
        x_t = self.schedule.add_noise(x_0, eps, t)
        return functional.mse(self(x_t, t), self.schedule.target(x_0, eps, t), reduction="mean")

    def denoise(self, x_t: np.ndarray, t: np.ndarray, *, batch_size: int | None = None) -> np.ndarray:
        """The prediction as an array (N, ...), in eval mode and without a graph: the denoiser of the samplers."""
        if batch_size is None:
            batch_size = max(1, BATCH // math.prod(self.shape))
        batch_size = arguments.whole("denoise", "batch_size", batch_size, least=1)
        with nn.evaluating(self), no_grad():
            batches = (slice(i, i + batch_size) for i in range(0, max(1, len(x_t)), batch_size))
            return np.concatenate([self(x_t[batch], t[batch]).numpy() for batch in batches])

    @explained
    def reverse(
        self, n: int, rng: np.random.Generator, *, steps: int | Sequence[int] = 50, eta: float = 0.0
    ) -> Iterator[State]:
        """Yield the states of n samples from noise to data; `steps` and `eta` as for `samplers.reverse`."""
        n = arguments.whole("reverse", "n", n, least=0)
        x_T = rng.standard_normal((n, *self.shape), dtype=self.parameters()[0].dtype)
        return reverse(self.schedule, self.denoise, x_T, rng, steps=steps, eta=eta, clip=self.clip)

    @explained
    def sample(
        self, n: int, rng: np.random.Generator, *, steps: int | Sequence[int] = 50, eta: float = 0.0
    ) -> np.ndarray:
        """n samples (n, ...): eta = 0 is DDIM; eta = 1 with as many steps as times is DDPM."""
        return last(self.reverse(n, rng, steps=steps, eta=eta))
