"""The models: networks, one loss, one way to use them, in the names of the papers and the lectures."""

from tinygen.models.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder, LinearAutoencoder
from tinygen.models.denoising import Erasures, GaussianNoise, WienerFilter, wiener_filter
from tinygen.models.diffusion import (
    Diffusion,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    ddpm,
    linear_schedule,
    reverse,
)
from tinygen.models.gan import (
    DCGAN,
    GAN,
    DenseGAN,
    gradient_penalty,
    hinge,
    least_squares,
    minimax,
    non_saturating,
    r1_penalty,
    wasserstein,
)
from tinygen.models.points import PointDenoiser
from tinygen.models.registry import build, draw, load_run
from tinygen.models.theory.mixture import GaussianMixture, gaussian_recursion
from tinygen.models.unet import UNet, sinusoidal_embedding
from tinygen.models.vae import VAE, GaussianVAE

__all__ = [
    "DCGAN",
    "GAN",
    "VAE",
    "Autoencoder",
    "ConvAutoencoder",
    "DenseAutoencoder",
    "DenseGAN",
    "Diffusion",
    "Erasures",
    "GaussianMixture",
    "GaussianNoise",
    "GaussianVAE",
    "LinearAutoencoder",
    "NoiseSchedule",
    "PointDenoiser",
    "UNet",
    "WienerFilter",
    "build",
    "cosine_schedule",
    "ddim",
    "ddpm",
    "draw",
    "gaussian_recursion",
    "gradient_penalty",
    "hinge",
    "least_squares",
    "linear_schedule",
    "load_run",
    "minimax",
    "non_saturating",
    "r1_penalty",
    "reverse",
    "sinusoidal_embedding",
    "wasserstein",
    "wiener_filter",
]
