"""The conditional VAE: encoder and decoder also receive the label of the image, so the code needs to say the rest only.

    z ~ N(0, I),  x ~ p(x|z, y)                                       how the model generates an image of class y
    log p(x|y) >= E_q[log p(x|z, y)] - KL(q(z|x, y) ‖ N(0, I))        (Sohn et al. 2015; Kingma et al. 2014, model M2)

For fixed labels it is a VAE, and `given(labels)` returns that VAE. The prior of the code is the same for all classes:
one code, decoded with each label in turn, is one style of writing in ten digits. With a learned prior of each class,
p(z|y) = N(μ_y, diag σ_y²), the code counts from the mean of its class in standard deviations, so it is still N(0, I),
and the KL term is the same: z = μ_y + σ_y · code is the first layer of the decoder.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.models.iwae import IWAE
from tinygen.models.stochastic import PIXELS
from tinygen.models.vae import IMAGES, VAE, Terms
from tinygen.models.vae_networks import ClassPrior, conv_networks, dense_networks
from tinygen.tensor import Parameter, Tensor

PRIORS = ("standard", "learned")


class ConditionalVAE(nn.Module):
    """A VAE of images given their labels: labels (N,) are class numbers from 0 on.

    Args:
        encoder: module from (examples, labels) to (N, 2K); see `VAE`.
        decoder: module from (codes, labels) to one number for each pixel.
        latent: size K of the code.
        classes: number of classes.
        pixels: "bernoulli" or "gaussian", as in `VAE`.
        prior: "standard" for one N(0, I); "learned" for a mean and a variance of each latent in each class, which are
            0 and 1 at first.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.ConditionalVAE.dense((8, 8, 1), [32], latent=2, classes=10, rng=rng)
    >>> model.loss(np.zeros((5, 8, 8, 1), np.float32), np.arange(5), rng).shape
    ()
    >>> model.sample(np.array([3, 3, 7]), rng).shape
    (3, 8, 8, 1)
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        latent: int,
        classes: int,
        pixels: str = "bernoulli",
        prior: str = "standard",
    ):
        latent, classes = arguments.sizes("ConditionalVAE", latent=latent, classes=classes)
        self.encoder, self.decoder, self.latent, self.classes = encoder, decoder, latent, classes
        self.pixels = arguments.choice("ConditionalVAE", "pixels", pixels, PIXELS)
        dtype = self.parameters()[0].dtype
        learned = arguments.choice("ConditionalVAE", "prior", prior, PRIORS) == "learned"
        self.prior = ClassPrior(classes, latent, dtype=dtype.type) if learned else None
        self.log_var = Parameter(np.zeros((), dtype)) if pixels == "gaussian" else None  # log σ² of Gaussian pixels

    @classmethod
    def dense(
        cls,
        shape: Sequence[int],
        widths: Sequence[int],
        latent: int,
        classes: int,
        *,
        activation: str | None = "tanh",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """The networks of `VAE.dense`, with the one-hot label beside the image and beside the code."""
        (classes,) = arguments.sizes("ConditionalVAE.dense", classes=classes)
        form: dict[str, Any] = dict(classes=classes, activation=activation, rng=rng, dtype=dtype)
        networks = dense_networks("ConditionalVAE.dense", shape, widths, latent, **form)
        return cls(*networks, latent=latent, classes=classes, **settings)

    @classmethod
    def conv(
        cls,
        shape: Sequence[int],
        channels: tuple[int, int] = (32, 64),
        latent: int = 10,
        classes: int = 10,
        *,
        hidden: int = 128,
        activation: str | None = "relu",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """The networks of `VAE.conv`: the encoder receives the label as `classes` more channels, of zeros and a one."""
        (classes,) = arguments.sizes("ConditionalVAE.conv", classes=classes)
        form: dict[str, Any] = dict(hidden=hidden, classes=classes, activation=activation, rng=rng, dtype=dtype)
        networks = conv_networks("ConditionalVAE.conv", shape, channels, latent, **form)
        return cls(*networks, latent=latent, classes=classes, **settings)

    def given(self, labels: np.ndarray, *, k: int = 1, gradient: str = "plain") -> VAE:
        """The VAE of one batch of images with these labels (N,), in this order; it shares all parameters.

        Its networks take N examples or, for k samples each, k N codes; ValueError for other numbers. With k above 1 it
        is an `IWAE`, whose loss is -L_k: `opt.step(grad(model.given(labels, k=5).loss(x, rng), params))`.
        """
        labels = arguments.indices("ConditionalVAE", "labels", labels, self.classes)
        networks = Given(self.encoder, labels), Given(self.decoder, labels, self.prior)
        if k == 1 and gradient == "plain":
            model = VAE(*networks, latent=self.latent)
        else:
            model = IWAE(*networks, latent=self.latent, k=k, gradient=gradient)
        model.pixels, model.log_var = self.pixels, self.log_var
        return model

    # -- the bound -----------------------------------------------------------------------------------------------------

    @explained
    def terms(
        self, x: Tensor | np.ndarray, labels: np.ndarray, rng: np.random.Generator, *, free_bits: float = 0.0
    ) -> Terms:
        """The two terms of the negative bound of log p(x|y), as in `VAE.terms`."""
        return self.given(labels).terms(x, rng, free_bits=free_bits)

    @explained
    def loss(
        self,
        x: Tensor | np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator,
        *,
        beta: float = 1.0,
        free_bits: float = 0.0,
    ) -> Tensor:
        """reconstruction + beta · KL in nats per image, as in `VAE.loss`."""
        return self.given(labels).loss(x, rng, beta=beta, free_bits=free_bits)

    @explained
    def log_likelihood(self, x: np.ndarray, labels: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
        """A lower bound of log p(x|y) per image, (N,) nats, from k samples; see `VAE.log_likelihood`."""
        batches = _slices(x, labels, IMAGES)
        return np.concatenate([self.given(labels[i]).log_likelihood(x[i], k, rng) for i in batches])

    # -- arrays in, arrays out -----------------------------------------------------------------------------------------

    def forward(self, x: Tensor | np.ndarray, labels: np.ndarray) -> Tensor:
        """The mean image of p(x|z, y) at the mean z of q(z|x, y)."""
        return self.given(labels)(x)

    def encode(self, x: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log of the variance of q(z|x, y), (N, K) each."""
        parts = [self.given(labels[i]).encode(x[i]) for i in _slices(x, labels, batch_size)]
        mu, log_var = (np.concatenate(part) for part in zip(*parts))
        return mu, log_var

    def decode(self, z: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The mean image of p(x|z, y) for each code (N, K) and its label."""
        return np.concatenate([self.given(labels[i]).decode(z[i]) for i in _slices(z, labels, batch_size)])

    def reconstruct(self, x: np.ndarray, labels: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The mean images for the mean codes of x."""
        return np.concatenate([self.given(labels[i]).reconstruct(x[i]) for i in _slices(x, labels, batch_size)])

    @explained
    def sample(self, labels: np.ndarray, rng: np.random.Generator, *, batch_size: int = 500) -> np.ndarray:
        """One new image for each label: the mean of p(x|z, y) at a code z from N(0, I)."""
        z = rng.standard_normal((len(labels), self.latent), dtype=self.parameters()[0].dtype)
        return self.decode(z, labels, batch_size=batch_size)


class Given(nn.Module):
    """A network of (x, labels) for fixed labels (N,): it takes k N examples, k for each label; `prior` comes first."""

    def __init__(self, network: nn.Module, labels: np.ndarray, prior: nn.Module | None = None):
        self.network, self.labels, self.prior = network, labels, prior

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        n = len(self.labels)
        if len(x) != n and (n == 0 or len(x) % n):
            raise ValueError(f"ConditionalVAE: expected one label for each of {len(x)} examples, got {n} labels")
        labels = self.labels if len(x) == n else np.tile(self.labels, len(x) // n)
        return self.network(x if self.prior is None else self.prior(x, labels), labels)


def _slices(x: np.ndarray, labels: np.ndarray, size: int) -> list[slice]:
    """Slices of at most `size` rows, at least one; ValueError unless there are as many labels as examples."""
    if len(x) != len(labels):
        raise ValueError(f"ConditionalVAE: expected one label for each of {len(x)} examples, got {len(labels)} labels")
    return [slice(i, i + size) for i in range(0, max(1, len(x)), size)]
