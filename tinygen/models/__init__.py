"""The models: networks, one loss, one way to use them, in the names of the papers and the lectures."""

from tinygen.models.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder, LinearAutoencoder

__all__ = ["Autoencoder", "ConvAutoencoder", "DenseAutoencoder", "LinearAutoencoder"]
