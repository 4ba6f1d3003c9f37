"""Generative models, each with a loss and a sampler: autoencoders, VAEs, GANs and diffusion.

Read autoencoder.py, vae.py, gan.py, then schedules.py, samplers.py and diffusion.py; `theory/` has exact solutions.
"""

from tinygen.models.autoencoder import Autoencoder
from tinygen.models.corruption import Erasures, GaussianNoise
from tinygen.models.diffusion import Diffusion
from tinygen.models.gan import (
    GAN,
    gradient_penalty,
    hinge,
    least_squares,
    minimax,
    non_saturating,
    r1_penalty,
    wasserstein,
)
from tinygen.models.points import PointDenoiser
from tinygen.models.registry import build, load_run, sample
from tinygen.models.samplers import ddim, ddpm, reverse
from tinygen.models.schedules import NoiseSchedule, cosine_schedule, linear_schedule
from tinygen.models.theory.mixture import GaussianMixture, gaussian_recursion
from tinygen.models.theory.wiener import WienerFilter, wiener_filter
from tinygen.models.unet import UNet, sinusoidal_embedding
from tinygen.models.vae import VAE, GaussianVAE

__all__ = [
    "GAN",
    "VAE",
    "Autoencoder",
    "Diffusion",
    "Erasures",
    "GaussianMixture",
    "GaussianNoise",
    "GaussianVAE",
    "NoiseSchedule",
    "PointDenoiser",
    "UNet",
    "WienerFilter",
    "build",
    "cosine_schedule",
    "ddim",
    "ddpm",
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
    "sample",
    "sinusoidal_embedding",
    "wasserstein",
    "wiener_filter",
]
