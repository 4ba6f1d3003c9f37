"""Variational autoencoders: an encoder to a distribution over codes, a decoder to a distribution over images.

    z ~ N(0, I),  x ~ p(x|z)                                      how the model generates an image
    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) ‖ N(0, I)),           for every q; equal if q(z|x) = p(z|x)

The right side is the evidence lower bound, ELBO (Kingma & Welling 2014, equation 3). Its two terms are in nats per
image: sums over pixels and over codes, and means over images. With other scales their sum is not a bound.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from tinygen import functional, nn
from tinygen.distributions import Bernoulli, Normal
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.models.shapes import check_pixels
from tinygen.models.stochastic import PIXELS
from tinygen.models.vae_networks import conv_networks, dense_networks
from tinygen.nn.inference import in_batches
from tinygen.op import no_grad
from tinygen.ops import logsumexp, maximum
from tinygen.tensor import Parameter, Tensor

BLOCK = 2**20  # number of pixels that log_likelihood decodes at a time: a few arrays of 4 MB in float32
IMAGES = 100  # number of images at a time there; it is fixed, so a seed gives the same samples for any BLOCK


class Terms(NamedTuple):
    """-E_q[log p(x|z)], estimated with one sample z per image, and the exact KL(q(z|x) ‖ p(z)), in nats per image."""

    reconstruction: Tensor
    kl: Tensor


def importance_bound(log_w: Tensor) -> Tensor:
    """L_k = log 1/k Σᵢ wᵢ of each image, (N,) nats, from log weights (k, N): in the mean, a lower bound of log p(x)."""
    return logsumexp(log_w, axis=0) - math.log(len(log_w))


class VAE(nn.Module):
    """An encoder (N, ...) to (N, 2K), the mean of q(z|x) and the log of its variance, and a decoder of codes (N, K).

    `VAE.dense` and `VAE.conv` build both networks. The loss is in nats per image.

    Args:
        encoder: module from examples to (N, 2K).
        decoder: module from codes to one number for each pixel, of the shape of the examples.
        latent: size K of the code.
        pixels: distribution of a pixel given the code: "bernoulli", for pixels in [0, 1], where the decoder returns
            the logit of a 1; or "gaussian", where it returns the mean, with one learnt variance for all pixels.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.VAE.dense((8, 8, 1), [32], latent=2, rng=rng)
    >>> model.loss(np.zeros((5, 8, 8, 1), np.float32), rng).shape
    ()
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int, pixels: str = "bernoulli"):
        who = type(self).__name__
        (latent,) = arguments.sizes(who, latent=latent)
        self.encoder, self.decoder, self.latent = encoder, decoder, latent
        self.pixels = arguments.choice(who, "pixels", pixels, PIXELS)
        self.log_var: Parameter | None = None  # log σ² of Gaussian pixels; σ² = 1 at first
        if pixels == "gaussian":
            self.log_var = Parameter(np.zeros((), self.parameters()[0].dtype))

    @classmethod
    def dense(
        cls,
        shape: Sequence[int],
        widths: Sequence[int],
        latent: int,
        *,
        activation: str | None = "tanh",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """Dense layers of the given widths down to the code, and mirrored back, for examples of any shape.

        `VAE.dense((28, 28, 1), (200, 200), 50, rng=rng)` is the network with one stochastic layer of Burda et al. 2016.
        The decoder's output has no activation. `settings` are further arguments of the class, such as `pixels`.
        """
        form: dict[str, Any] = dict(activation=activation, rng=rng, dtype=dtype)
        return cls(*dense_networks(f"{cls.__name__}.dense", shape, widths, latent, **form), latent=latent, **settings)

    @classmethod
    def conv(
        cls,
        shape: Sequence[int],
        channels: tuple[int, int] = (32, 64),
        latent: int = 10,
        *,
        hidden: int = 128,
        activation: str | None = "relu",
        rng: np.random.Generator,
        dtype: type = np.float32,
        **settings: Any,
    ) -> Self:
        """Two 4x4 convolutions with stride 2, a dense layer, the code, and the same back, for images (H, W, C).

        `channels` are those of the feature maps at half and at quarter size, `hidden` is the width of the dense layers
        beside the code, and `settings` are further arguments of the class, such as `pixels`. Raises ValueError unless
        4 divides H and W.
        """
        form: dict[str, Any] = dict(hidden=hidden, activation=activation, rng=rng, dtype=dtype)
        return cls(*conv_networks(f"{cls.__name__}.conv", shape, channels, latent, **form), latent=latent, **settings)

    def _check_pixels(self, name: str, x: Tensor | np.ndarray) -> None:
        """ValueError for pixels outside [0, 1] in the method `name`, if they are Bernoulli."""
        if self.pixels == "bernoulli":
            check_pixels(f"{type(self).__name__}.{name}", x, otherwise='write pixels="gaussian"')

    # -- the two distributions and the bound ---------------------------------------------------------------------------

    def posterior(self, x: Tensor | np.ndarray) -> Normal:
        """q(z|x) of shape (N, K), the approximate posterior."""
        stats = self.encoder(x)
        if stats.shape[1:] != (2 * self.latent,):
            raise ValueError(
                f"{type(self).__name__}: expected the encoder to return (N, {2 * self.latent}), mean and log of the "
                f"variance of {self.latent} latents, got {stats.shape}"
            )
        return Normal(stats[:, : self.latent], log_var=stats[:, self.latent :])

    def likelihood(self, z: Tensor | np.ndarray) -> Bernoulli | Normal:
        """p(x|z), of the shape of images; pixels are independent given z."""
        y = self.decoder(z)
        return Bernoulli(y) if self.log_var is None else Normal(y, log_var=self.log_var)

    @explained
    def terms(self, x: Tensor | np.ndarray, rng: np.random.Generator, *, free_bits: float = 0.0) -> Terms:
        """The two terms of the negative ELBO, which is their sum.

        With `free_bits` λ, the KL of each latent, averaged over the batch, counts as at least λ nats: the second term
        is Σₖ max(λ, KLₖ) (Kingma et al. 2016, equation 15). A latent below λ is then not pushed towards the prior.
        """
        self._check_pixels("loss", x)
        q = self.posterior(x)
        p = self.likelihood(q.rsample(rng))
        kl = functional.gaussian_kl(q.mu, q.log_var)  # raises for an empty batch
        if free_bits:
            least = arguments.real("terms", "free_bits", free_bits, least=0)
            kl = maximum(functional.gaussian_kl(q.mu, q.log_var, reduction="none").mean(axis=0), least).sum()
        return Terms(-p.log_prob(x).sum() * (1 / len(x)), kl)

    @explained
    def loss(
        self, x: Tensor | np.ndarray, rng: np.random.Generator, *, beta: float = 1.0, free_bits: float = 0.0
    ) -> Tensor:
        """reconstruction + beta · KL: the negative ELBO for beta = 1, else that of a beta-VAE (Higgins et al. 2017).

        A larger beta favours simpler codes. A schedule changes beta during training, `beta=schedule(step)` with
        `schedule = optim.warmup(1.0, steps=1000)`: KL annealing (Bowman et al. 2016). `free_bits` is explained at
        `terms`. The negative ELBO is always the plain sum of the two terms without free bits.
        """
        reconstruction, kl = self.terms(x, rng, free_bits=free_bits)
        return reconstruction + beta * kl

    @explained
    def log_weights(self, x: Tensor | np.ndarray, k: int, rng: np.random.Generator) -> Tensor:
        """log p(x|z) p(z) / q(z|x) for k samples z from q(z|x), (k, N): each is an unbiased estimate of the ELBO.

        `importance_bound(w).mean()` is the bound of an importance-weighted autoencoder.
        """
        self._check_pixels("log_weights", x)
        q = self.posterior(x)
        return self._log_weights(x, q.rsample(rng, (k,)), q)

    def _log_weights(self, x: Tensor | np.ndarray, z: Tensor, q: Normal) -> Tensor:
        """log p(x|z) p(z) / q(z), (k, N), for codes z (k, N, K)."""
        k = len(z)
        p = self.likelihood(z.reshape(k * len(x), self.latent))  # (k N, H, W, C)
        log_p = p.log_prob(np.concatenate([np.asarray(x)] * k))
        log_p = log_p.reshape(k, len(x), math.prod(np.shape(x)[1:])).sum(axis=2)
        return log_p + (Normal(0.0, log_var=0.0).log_prob(z) - q.log_prob(z)).sum(axis=2)

    @explained
    def log_likelihood(self, x: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
        """A lower bound of log p(x) per image, (N,) nats: L_k = log 1/k Σ p(x|z) p(z) / q(z|x) (Burda et al. 2016).

        Its expectation is the ELBO for k = 1, never falls with k, and tends to log p(x). It is computed in blocks, so
        memory doesn't grow with k. The negative log-likelihood of a test set is minus the mean.
        """
        (k,) = arguments.sizes("log_likelihood", k=k)
        draws = max(1, BLOCK // (IMAGES * max(1, x[:1].size)))  # at a time
        bounds = []
        with nn.evaluating(self), no_grad():
            for i in range(0, max(1, len(x)), IMAGES):
                images = x[i : i + IMAGES]
                parts = [self.log_weights(images, min(draws, k - j), rng).numpy() for j in range(0, k, draws)]
                log_w = np.concatenate(parts).astype(np.float64)  # (k, images)
                bounds.append(importance_bound(Tensor(log_w)).numpy())
        return np.concatenate(bounds)

    # -- arrays in, arrays out -----------------------------------------------------------------------------------------

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """The mean image of p(x|z) at the mean z of q(z|x)."""
        return self.likelihood(self.posterior(x).mu).mean

    def encode(self, x: np.ndarray, *, batch_size: int = 500) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log of the variance of q(z|x), (N, K) each."""
        stats = in_batches(self.encoder, x, batch_size)
        return stats[:, : self.latent], stats[:, self.latent :]

    def decode(self, z: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The mean image of p(x|z) for each code (N, K)."""
        return in_batches(self, z, batch_size, lambda z: self.likelihood(z).mean)

    def reconstruct(self, x: np.ndarray, *, batch_size: int = 500) -> np.ndarray:
        """The mean images for the mean codes of x."""
        return in_batches(self, x, batch_size)

    @explained
    def sample(self, n: int, rng: np.random.Generator, *, batch_size: int = 500) -> np.ndarray:
        """n new images: the mean of p(x|z) at codes z from N(0, I)."""
        n = arguments.whole("sample", "n", n, least=0)
        z = rng.standard_normal((n, self.latent), dtype=self.parameters()[0].dtype)
        return self.decode(z, batch_size=batch_size)


class GaussianVAE(VAE):
    """A VAE with Gaussian pixels: x ~ N(decoder(z), σ²), with one learnt σ² for all pixels.

    A fixed variance of 1 would give the reconstruction too little weight (Rybkin et al. 2021). With linear maps this
    is probabilistic PCA (Tipping & Bishop 1999), whose log p(x) is known exactly.
    """

    log_var: Parameter

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int):
        super().__init__(encoder, decoder, latent=latent, pixels="gaussian")
