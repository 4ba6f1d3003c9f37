"""`python -m tinygen summary`: the layers of a model."""

from typing import Annotated, Literal

import numpy as np
import tyro

from tinygen.runs.cli import Size, before_work, command

Model = Literal["conv_autoencoder", "dense_autoencoder", "linear_autoencoder", "vae"]


@command
def summary(
    model: Annotated[Model, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    *,
    image_size: Size = 28,
    code: Size = 10,
) -> None:
    """Print the layers of a model as a table: output shapes and numbers of parameters.

    Args:
        model: conv_autoencoder, dense_autoencoder, linear_autoencoder or vae.
        image_size: height and width of the images, in pixels.
        code: size of the code, in numbers per image.
    """
    from tinygen import models

    rng, image, pixels = np.random.default_rng(0), (image_size, image_size, 1), image_size * image_size
    with before_work():
        net, shape = {
            "conv_autoencoder": lambda: (models.ConvAutoencoder(rng=rng, image_size=image_size, code=code), image),
            "dense_autoencoder": lambda: (models.DenseAutoencoder(image, (1000, 500, 250, code), rng=rng), image),
            "linear_autoencoder": lambda: (models.LinearAutoencoder(pixels, code, rng=rng), (pixels,)),
            "vae": lambda: (models.VAE.dense(image, (200, 200), code, rng=rng), image),
        }[model]()
    print(net.summary(shape))
