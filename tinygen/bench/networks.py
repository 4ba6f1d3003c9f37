"""The networks of the workloads that are not models of the library: a dense VAE and a DCGAN."""

import numpy as np

from tinygen import nn
from tinygen.ops import exp, relu
from tinygen.tensor import Tensor


class DenseVAE(nn.Module):
    """A VAE with layers 784-400-(20 + 20) and 20-400-784, as in Kingma & Welling 2014."""

    def __init__(self, *, rng: np.random.Generator, pixels: int = 784, hidden: int = 400, latent: int = 20):
        self.encode = nn.Dense(pixels, hidden, rng=rng)
        self.mu = nn.Dense(hidden, latent, rng=rng)
        self.log_var = nn.Dense(hidden, latent, rng=rng)
        self.decode = nn.Dense(latent, hidden, rng=rng)
        self.logits = nn.Dense(hidden, pixels, rng=rng)

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, pixels), and mean and log variance of the latents (N, latent), for noise eps (N, latent)."""
        h = relu(self.encode(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + exp(0.5 * log_var) * eps
        return self.logits(relu(self.decode(z))), mu, log_var


class DCGAN(nn.Module):
    """A generator from 64 numbers to 28x28 pixels, and a discriminator to one logit (after Radford et al. 2016)."""

    def __init__(self, *, rng: np.random.Generator, noise: int = 64):
        self.generator = nn.Sequential(
            nn.Dense(noise, 7 * 7 * 128, rng=rng),
            nn.Reshape((7, 7, 128)),
            nn.BatchNorm(128, activation="relu"),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, rng=rng),  # (N, 14, 14, 64)
            nn.BatchNorm(64, activation="relu"),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1, rng=rng),  # (N, 28, 28, 1)
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2, padding=1, rng=rng),  # (N, 14, 14, 64)
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, stride=2, padding=1, rng=rng),  # (N, 7, 7, 128)
            nn.BatchNorm(128, activation="leaky_relu", negative_slope=0.2),
            nn.Flatten(),
            nn.Dense(7 * 7 * 128, 1, rng=rng),
        )
