"""Generative models, each with a loss and a sampler: autoencoders, VAEs, GANs and diffusion.

Read autoencoder.py, mirror.py, regularised.py, stochastic.py, pretraining.py, vae.py, iwae.py, conditional.py,
wae.py, doctor.py, gan.py, then schedules.py, samplers.py and diffusion.py; `theory/` has exact
solutions, and sklearn.py an autoencoder for scikit-learn.
"""

import sys

from tinygen.errors import hints
from tinygen.models.autoencoder import Autoencoder
from tinygen.models.conditional import ConditionalVAE
from tinygen.models.corruption import Erasures, GaussianNoise
from tinygen.models.diffusion import Diffusion
from tinygen.models.doctor import Diagnosis, diagnose
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
from tinygen.models.iwae import IWAE
from tinygen.models.mirror import mirror
from tinygen.models.points import PointDenoiser
from tinygen.models.pretraining import pretrain_layers
from tinygen.models.registry import add_kind, build, load_run, sample
from tinygen.models.regularised import ContractiveAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from tinygen.models.samplers import ddim, ddpm, reverse
from tinygen.models.schedules import NoiseSchedule, cosine_schedule, linear_schedule
from tinygen.models.stochastic import StochasticAutoencoder
from tinygen.models.theory.mixture import GaussianMixture, gaussian_recursion
from tinygen.models.theory.pca import PCA, pca, pca_2d, pca_reconstruct
from tinygen.models.theory.wiener import WienerFilter, wiener_filter
from tinygen.models.unet import UNet, sinusoidal_embedding
from tinygen.models.vae import VAE, GaussianVAE
from tinygen.models.wae import WassersteinAutoencoder, mmd

__all__ = [
    "GAN",
    "IWAE",
    "PCA",
    "VAE",
    "Autoencoder",
    "ConditionalVAE",
    "ContractiveAutoencoder",
    "DenoisingAutoencoder",
    "Diagnosis",
    "Diffusion",
    "Erasures",
    "GaussianMixture",
    "GaussianNoise",
    "GaussianVAE",
    "NoiseSchedule",
    "PointDenoiser",
    "SparseAutoencoder",
    "StochasticAutoencoder",
    "UNet",
    "WassersteinAutoencoder",
    "WienerFilter",
    "add_kind",
    "build",
    "cosine_schedule",
    "ddim",
    "ddpm",
    "diagnose",
    "gaussian_recursion",
    "gradient_penalty",
    "hinge",
    "least_squares",
    "linear_schedule",
    "load_run",
    "minimax",
    "mirror",
    "mmd",
    "non_saturating",
    "pca",
    "pca_2d",
    "pca_reconstruct",
    "pretrain_layers",
    "r1_penalty",
    "reverse",
    "sample",
    "sinusoidal_embedding",
    "wasserstein",
    "wiener_filter",
]


def __getattr__(name: str):
    """Called only for a name that this module does not have."""
    raise hints.missing(sys.modules[__name__], name)
