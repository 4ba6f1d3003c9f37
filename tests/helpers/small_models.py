"""Small arguments for every name in the registry of models."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "Autoencoder.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=4),
    "Autoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3),
    "Autoencoder.linear": dict(shape=(5,), latent=2),
    "SparseAutoencoder.dense": dict(shape=(8, 8, 1), widths=(), latent=5, weight=0.25, unit_decoder=True),
    "ContractiveAutoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, weight=0.25),
    "DenoisingAutoencoder.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=4, share=0.25),
    "DenoisingAutoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, sd=0.25, loss="bce"),
    "StochasticAutoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, pixels="gaussian"),
    "WassersteinAutoencoder.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=4, weight=2.0),
    "WassersteinAutoencoder.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, weight=2.0, loss="bce"),
    "VAE.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=3, hidden=4),
    "VAE.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3),
    "GaussianVAE.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=3, hidden=4),
    "GaussianVAE.dense": dict(shape=(2,), widths=(4,), latent=2),
    "IWAE.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=3, hidden=4, k=2, gradient="dreg"),
    "IWAE.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, k=2),
    "ConditionalVAE.conv": dict(shape=(8, 8, 1), channels=(2, 3), latent=3, classes=4, hidden=5),
    "ConditionalVAE.dense": dict(shape=(8, 8, 1), widths=(5,), latent=3, classes=4, pixels="gaussian"),
    "GAN.dense": dict(shape=(2,), widths=(8,), latent=3),
    "GAN.conv": dict(shape=(8, 8, 1), channels=(2, 4), latent=3),
    "Diffusion.unet": dict(shape=(8, 8, 1), channels=16, multiples=(1, 2), middle=2, overview=True),
    "Diffusion.points": dict(shape=(2,), features=4, hidden=8),
}
