"""An autoencoder with a stochastic decoder: the code determines a distribution over images, and the loss is its -log p.

    loss = -log p(x | z),  z = E(x),  in nats per image

With a Gaussian of variance σ² this is ‖x - D(z)‖² / (2σ²) + (D/2) log 2πσ², and with a Bernoulli distribution it is
the binary cross-entropy: the two usual errors are two answers to one question. The code itself stays a point; a VAE
makes it a distribution too (`vae.py`).
"""

import math
from typing import Any

import numpy as np

from tinygen import nn
from tinygen.distributions import Bernoulli, Normal
from tinygen.errors import arguments
from tinygen.models.autoencoder import Autoencoder, Corruption
from tinygen.tensor import Parameter, Tensor

PIXELS = ("bernoulli", "gaussian")


class StochasticAutoencoder(Autoencoder):
    """An autoencoder whose decoder returns the mean of each pixel, and whose loss is -log p(x|z) in nats per image.

    Args:
        encoder: module from examples to codes.
        decoder: module from codes to the means of the pixels, or for "bernoulli" to their logits.
        pixels: distribution of a pixel given the code: "bernoulli", for pixels in [0, 1], or "gaussian".
        variance: variance of each Gaussian pixel, above 0; None for one that is learned, starts at 1, and is the same
            for all pixels.

    Raises ValueError for another distribution, and for a variance with "bernoulli".

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.StochasticAutoencoder.dense((8, 8, 1), [20], 3, pixels="gaussian", output="linear", rng=rng)
    >>> z = model.encode(np.ones((5, 8, 8, 1), np.float32))
    >>> model.likelihood(z)
    Normal(shape=(5, 8, 8, 1), float32)
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, pixels: str = "bernoulli", variance: float | None = None
    ):
        who = "StochasticAutoencoder"
        pixels = arguments.choice(who, "pixels", pixels, PIXELS)
        super().__init__(encoder, decoder, loss="bce" if pixels == "bernoulli" else "mse")
        if variance is not None:
            if pixels == "bernoulli":
                raise ValueError(f'{who}: expected no variance with pixels="bernoulli", got {variance!r}: leave it out')
            variance = arguments.real(who, "variance", variance, above=0)
        dtypes = [p.dtype for p in decoder.parameters()] or [np.dtype(np.float32)]
        self.log_var: Parameter | float = 0.0 if variance is None else math.log(variance)
        if pixels == "gaussian" and variance is None:
            self.log_var = Parameter(np.zeros((), dtypes[0]))

    @classmethod
    def _returns_logits(cls, settings: dict[str, Any]) -> bool:
        return settings.get("pixels", "bernoulli") == "bernoulli"

    def likelihood(self, z: Tensor | np.ndarray) -> Bernoulli | Normal:
        """p(x|z), of the shape of images; pixels are independent given z."""
        y = self.decoder(z)
        return Bernoulli(y) if self.error == "bce" else Normal(y, log_var=self.log_var)

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """-log p(x | E(x)), in nats per image; with `corrupt` the input is corrupt(x, rng).

        Raises ValueError for an empty batch.
        """
        self._check_pixels(x)
        corrupted = x if corrupt is None else corrupt(x, arguments.generator("StochasticAutoencoder.loss", rng))
        if not len(x):
            raise ValueError("StochasticAutoencoder.loss: expected at least one image, got an empty batch: skip it")
        return -self.likelihood(self.encoder(corrupted)).log_prob(x).sum() * (1 / len(x))
