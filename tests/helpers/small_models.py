"""Small arguments for every name in the registry of models."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "Autoencoder.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=4),
    "Autoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3),
    "Autoencoder.linear": dict(shape=(5,), latent=2),
    "VAE.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3),
    "GaussianVAE.dense": dict(shape=(2,), widths=(4,), latent=2),
    "GAN.dense": dict(shape=(2,), widths=(8,), latent=3),
    "GAN.conv": dict(shape=(8, 8, 1), channels=(2, 4), latent=3),
    "Diffusion.unet": dict(shape=(8, 8, 1), channels=16, multiples=(1, 2), middle=2, overview=True),
    "Diffusion.points": dict(shape=(2,), features=4, hidden=8),
}
