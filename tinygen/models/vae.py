"""Variational autoencoders: an encoder to a distribution over codes, a decoder to a distribution over images.

    z ~ N(0, I),  x ~ p(x|z)                                      how the model generates an image
    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) ‖ N(0, I)),           for every q; equal if q(z|x) = p(z|x)

The right side is the evidence lower bound, ELBO (Kingma & Welling 2014, equation 3). Its two terms are in nats per
image: sums over pixels and over codes, and means over images. With other scales their sum is not a bound.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from tinygen import functional, nn
from tinygen.distributions import Bernoulli, Normal
from tinygen.errors import arguments
from tinygen.models.shapes import check_shape
from tinygen.nn.inference import in_batches
from tinygen.op import no_grad
from tinygen.ops import logsumexp
from tinygen.tensor import Parameter, Tensor

BLOCK = 2**22  # number of pixels that log_likelihood decodes at a time: a few arrays of 16 MB in float32
IMAGES = 100  # number of images at a time there; it is fixed, so a seed gives the same samples for any BLOCK


class Terms(NamedTuple):
    """-E_q[log p(x|z)], estimated with one sample z per image, and the exact KL(q(z|x) ‖ p(z)), in nats per image."""

    reconstruction: Tensor
    kl: Tensor


class VAE(nn.Module):
    """An encoder (N, ...) to (N, 2K), the mean of q(z|x) and the log of its variance, and a decoder (N, K) to logits.

    Each pixel is 1 with probability σ(logit), else 0. K is called `latent`.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int):
        (latent,) = arguments.sizes(type(self).__name__, latent=latent)
        self.encoder, self.decoder, self.latent = encoder, decoder, latent

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
    ) -> Self:
        """Dense layers of the given widths down to the code, and mirrored back, for examples of any shape.

        `VAE.dense((28, 28, 1), (200, 200), 50, rng=rng)` is the network with one stochastic layer of Burda et al. 2016.
        The decoder's output has no activation.
        """
        shape = check_shape(f"{cls.__name__}.dense", shape)
        sizes, same = [math.prod(shape), *widths], dict[str, Any](rng=rng, dtype=dtype)
        encoder: list[nn.Module] = [nn.Flatten()]
        decoder: list[nn.Module] = [nn.Reshape(shape)]
        for i, (wide, narrow) in enumerate(pairwise(sizes)):
            encoder.append(nn.Dense(wide, narrow, activation=activation, **same))
            decoder.insert(0, nn.Dense(narrow, wide, activation=activation if i else None, **same))
        encoder.append(nn.Dense(sizes[-1], 2 * latent, **same))
        decoder.insert(0, nn.Dense(latent, sizes[-1], activation=activation if widths else None, **same))
        return cls(nn.Sequential(*encoder), nn.Sequential(*decoder), latent=latent)

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
        return Bernoulli(self.decoder(z))

    def terms(self, x: Tensor | np.ndarray, rng: np.random.Generator) -> Terms:
        """The two terms of the negative ELBO, which is their sum."""
        q = self.posterior(x)
        p = self.likelihood(q.rsample(rng))
        kl = functional.gaussian_kl(q.mu, q.log_var)  # raises for an empty batch
        return Terms(-p.log_prob(x).sum() * (1 / len(x)), kl)

    def loss(self, x: Tensor | np.ndarray, rng: np.random.Generator, *, beta: float = 1.0) -> Tensor:
        """reconstruction + beta · KL: the negative ELBO for beta = 1, else that of a beta-VAE (Higgins et al. 2017).

        A larger beta favours simpler codes. The negative ELBO is always the plain sum of the two `terms`.
        """
        reconstruction, kl = self.terms(x, rng)
        return reconstruction + beta * kl

    def log_weights(self, x: Tensor | np.ndarray, k: int, rng: np.random.Generator) -> Tensor:
        """log p(x|z) p(z) / q(z|x) for k samples z from q(z|x), (k, N): each is an unbiased estimate of the ELBO.

        `(logsumexp(w, axis=0) - log(k)).mean()` is the bound of an importance-weighted autoencoder.
        """
        q = self.posterior(x)
        z = q.rsample(rng, (k,))  # (k, N, K)
        p = self.likelihood(z.reshape(k * len(x), self.latent))  # (k N, H, W, C)
        log_p = p.log_prob(np.concatenate([np.asarray(x)] * k))
        log_p = log_p.reshape(k, len(x), math.prod(np.shape(x)[1:])).sum(axis=2)
        return log_p + (Normal(0.0, log_var=0.0).log_prob(z) - q.log_prob(z)).sum(axis=2)

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
                bounds.append(logsumexp(log_w, axis=0).numpy() - np.log(k))
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

    def sample(self, n: int, rng: np.random.Generator, *, batch_size: int = 500) -> np.ndarray:
        """n new images: the mean of p(x|z) at codes z from N(0, I)."""
        n = arguments.whole("sample", "n", n, least=0)
        z = rng.standard_normal((n, self.latent), dtype=self.parameters()[0].dtype)
        return self.decode(z, batch_size=batch_size)


class GaussianVAE(VAE):
    """A VAE whose decoder returns the means of the pixels: x ~ N(decoder(z), σ²), with one learnt σ² for all pixels.

    A fixed variance of 1 would give the reconstruction too little weight (Rybkin et al. 2021). With linear maps this
    is probabilistic PCA (Tipping & Bishop 1999), whose log p(x) is known exactly.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int):
        super().__init__(encoder, decoder, latent=latent)
        self.log_var = Parameter(np.zeros((), self.parameters()[0].dtype))  # log σ²

    def likelihood(self, z: Tensor | np.ndarray) -> Normal:
        return Normal(self.decoder(z), log_var=self.log_var)
