"""The models: networks, one loss, one way to use them, in the names of the papers and the lectures."""

from tinygen.models.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder, LinearAutoencoder
from tinygen.models.unet import UNet, sinusoidal_embedding

__all__ = ["Autoencoder", "ConvAutoencoder", "DenseAutoencoder", "LinearAutoencoder", "UNet", "sinusoidal_embedding"]
