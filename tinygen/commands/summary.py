"""`python -m tinygen summary`: the layers of a model."""

from typing import Annotated

import numpy as np
import tyro

from tinygen import models, nn
from tinygen.errors.hints import did_you_mean
from tinygen.io.output import say
from tinygen.io.table import paragraphs
from tinygen.models.registry import BUILDERS
from tinygen.runs.cli import Refused, Size, before_work, command

BATCH = "B: number of examples in a batch."
RECONSTRUCTION = "The last layer returns the reconstruction."
CODES = "The encoder returns two numbers per latent: the mean, and the log of the variance."
LOGITS = "The last layer returns logits: their sigmoid is the probability that a pixel is 1."
MEANS = "The last layer returns the mean of each pixel; the one parameter of GaussianVAE itself is the log of the "
MEANS += "variance of all pixels."
GAN = "The generator makes an image from noise; the discriminator returns one logit, high for real images."
DIFFUSION = (
    "The inputs are noisy examples and their times. The last layer returns the prediction of the schedule: v, a "
)
DIFFUSION += "mixture of noise and clean example."
NOTES = {  # what goes in and what comes out, below the table
    "Autoencoder.conv": RECONSTRUCTION,
    "Autoencoder.dense": RECONSTRUCTION,
    "Autoencoder.linear": f"The input is an image as one vector. {RECONSTRUCTION}",
    "SparseAutoencoder.dense": f"The loss also has a penalty of the size of the code. {RECONSTRUCTION}",
    "ContractiveAutoencoder.dense": f"The loss also has a penalty of the derivatives of the code. {RECONSTRUCTION}",
    "DenoisingAutoencoder.conv": f"In training the input is a damaged image. {RECONSTRUCTION}",
    "DenoisingAutoencoder.dense": f"In training the input is a damaged image. {RECONSTRUCTION}",
    "StochasticAutoencoder.dense": LOGITS,
    "WassersteinAutoencoder.conv": f"The loss also compares the codes with the prior. {RECONSTRUCTION}",
    "WassersteinAutoencoder.dense": f"The loss also compares the codes with the prior. {RECONSTRUCTION}",
    "VAE.conv": f"{CODES} {LOGITS}",
    "VAE.dense": f"{CODES} {LOGITS}",
    "GaussianVAE.conv": f"{CODES} {MEANS}",
    "GaussianVAE.dense": f"{CODES} {MEANS}",
    "IWAE.conv": f"{CODES} {LOGITS} The loss is a bound of k samples per image.",
    "IWAE.dense": f"{CODES} {LOGITS} The loss is a bound of k samples per image.",
    "ConditionalVAE.conv": f"{CODES} Both networks also receive the label, one of ten. {LOGITS}",
    "ConditionalVAE.dense": f"{CODES} Both networks also receive the label, one of ten. {LOGITS}",
    "GAN.conv": GAN,
    "GAN.dense": GAN,
    "Diffusion.unet": DIFFUSION,
    "Diffusion.points": DIFFUSION,
}


@command
def summary(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")] = "",
    *,
    image_size: Size = 28,
    latent: Size = 10,
) -> None:
    """Print the layers of a model as a table: output shapes and numbers of parameters.

    Args:
        model: name of a model; without a name, all names are listed.
        image_size: height and width of the images, in pixels.
        latent: size of the code or of the noise, in numbers per image.
    """
    names = ", ".join(BUILDERS)
    if model not in BUILDERS:
        given = f"{model!r}{did_you_mean(model, BUILDERS)}" if model else "none"
        raise Refused(f"summary: expected the name of a model, got {given}: choose one of {names}")
    with before_work():
        tables = tables_of(model, (image_size, image_size, 1), latent)
    say("\n\n".join([*tables, paragraphs(f"{BATCH} {NOTES[model]}")]))


def tables_of(model: str, image: tuple[int, int, int], latent: int) -> list[str]:
    """The tables of a model for images of this shape; a GAN has two. Models of points are for the plane."""
    rng, pixels = np.random.default_rng(0), (image[0] * image[1],)
    settings: dict = {
        "Autoencoder.conv": dict(shape=image, latent=latent),
        "Autoencoder.dense": dict(shape=image, widths=(1000, 500, 250), latent=latent),
        "Autoencoder.linear": dict(shape=pixels, latent=latent),
        "SparseAutoencoder.dense": dict(shape=image, widths=(), latent=latent, weight=1.0),
        "ContractiveAutoencoder.dense": dict(shape=image, widths=(), latent=latent, weight=1.0),
        "DenoisingAutoencoder.conv": dict(shape=image, latent=latent, sd=0.5),
        "DenoisingAutoencoder.dense": dict(shape=image, widths=(200, 200), latent=latent, sd=0.5),
        **{
            f"{kind}.conv": dict(shape=image, latent=latent)
            for kind in ("VAE", "GaussianVAE", "IWAE", "ConditionalVAE")
        },
        "ConditionalVAE.dense": dict(shape=image, widths=(200, 200), latent=latent, classes=10),
        "WassersteinAutoencoder.conv": dict(shape=image, latent=latent, weight=10.0),
        "WassersteinAutoencoder.dense": dict(shape=image, widths=(200, 200), latent=latent, weight=10.0),
        "GAN.conv": dict(shape=image, latent=latent),
        "Diffusion.unet": dict(shape=image),
        "Diffusion.points": dict(shape=(2,)),
    }.get(model, dict(shape=image, widths=(200, 200), latent=latent))
    net = BUILDERS[model](**settings, rng=rng)
    if isinstance(net, models.GAN):
        parts: dict[str, tuple[nn.Module, tuple]] = {
            "generator": (net.generator, (latent,)),
            "discriminator": (net.discriminator, image),
        }
        return [f"{name}\n{part.summary(shape)}" for name, (part, shape) in parts.items()]
    number = isinstance(net, models.Diffusion | models.ConditionalVAE)  # beside each example: its time, or its label
    return [net.summary(settings["shape"], *[np.zeros(1, int)] * number)]
