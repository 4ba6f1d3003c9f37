"""`python -m tinygen summary`: the layers of a model."""

from typing import Annotated, Literal

import numpy as np
import tyro

from tinygen.runs.cli import Size, before_work, command

Model = Literal["Autoencoder.conv", "Autoencoder.dense", "Autoencoder.linear", "VAE.dense"]


@command
def summary(
    model: Annotated[Model, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    *,
    image_size: Size = 28,
    latent: Size = 10,
) -> None:
    """Print the layers of a model as a table: output shapes and numbers of parameters.

    Args:
        model: Autoencoder.conv, Autoencoder.dense, Autoencoder.linear or VAE.dense.
        image_size: height and width of the images, in pixels.
        latent: size of the code, in numbers per image.
    """
    from tinygen import models

    rng, image, pixels = np.random.default_rng(0), (image_size, image_size, 1), image_size * image_size
    with before_work():
        net, shape = {
            "Autoencoder.conv": lambda: (models.Autoencoder.conv(image, latent=latent, rng=rng), image),
            "Autoencoder.dense": lambda: (models.Autoencoder.dense(image, (1000, 500, 250), latent, rng=rng), image),
            "Autoencoder.linear": lambda: (models.Autoencoder.linear((pixels,), latent, rng=rng), (pixels,)),
            "VAE.dense": lambda: (models.VAE.dense(image, (200, 200), latent, rng=rng), image),
        }[model]()
    print(net.summary(shape))
