"""Models by name: how a model is made again from what the `config.json` of its run says.

The names are those of the calls in the examples, and the arguments are numbers, strings and lists of them: nothing that
stands in a file is ever run.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tinygen import arguments, nn
from tinygen.checkpoint import CheckpointError
from tinygen.models.autoencoder import Autoencoder, ConvAutoencoder, DenseAutoencoder
from tinygen.models.diffusion import Diffusion
from tinygen.models.gan import DCGAN, DenseGAN
from tinygen.models.vae import VAE
from tinygen.run import RunError, read_config

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "ConvAutoencoder": ConvAutoencoder,
    "DenseAutoencoder": DenseAutoencoder,
    "VAE.dense": VAE.dense,
    "DenseGAN": DenseGAN,
    "DCGAN": DCGAN,
    "Diffusion.unet": Diffusion.unet,
}


def build(model: Mapping[str, Mapping], rng: np.random.Generator) -> nn.Module:
    """A new model from `{"VAE.dense": {"image_shape": (28, 28, 1), "widths": (200, 200), "latent": 50}}`.

    Raises ValueError for a name that isn't in `BUILDERS`, and for arguments that don't fit.
    """
    if len(model) != 1:
        raise ValueError(f"build: expected one name with its arguments, got {len(model)} of them")
    ((name, settings),) = model.items()
    if name not in BUILDERS:
        raise ValueError(f"build: expected one of {', '.join(BUILDERS)}; got {name!r}")
    try:
        return BUILDERS[name](**settings, rng=rng)
    except Exception as error:  # what a damaged file may ask for has a dozen ways to fail, and one meaning
        raise ValueError(f"build: {name} can't be made of {settings}: {error}") from error


def load_run(folder: str | Path) -> nn.Module:
    """The trained model in the folder of a run, in eval mode: what `config.json` describes, with `model.npz` in it.

    Raises RunError if the folder is not that of a run, or of one that keeps no model or isn't through yet, and
    CheckpointError if the file is damaged or of another model.
    """
    folder = Path(folder)
    described = read_config(folder)["model"]
    if not described:
        raise RunError(f"{folder}: its config.json doesn't say which model was trained: this run keeps none to load")
    try:
        model = build(described, np.random.default_rng(0))
    except ValueError as error:
        raise RunError(f"{folder}: {error}") from None
    path = folder / "model.npz"
    if not path.is_file():
        raise RunError(f"{folder}: there is no model.npz yet; the run has to be through (go on with --resume)")
    try:
        model.load(path)
    except ValueError as error:
        raise CheckpointError(f"{path} is not of the model that config.json describes: {error}") from None
    return model.eval()


def draw(model: nn.Module, n: int, rng: np.random.Generator) -> np.ndarray:
    """n samples of a model: images in [0, 1], whatever range it was trained in, or points as they are.

    Raises ValueError for an autoencoder, which can't.
    """
    if isinstance(model, Autoencoder):
        raise ValueError(
            "an autoencoder can't sample: it makes images of codes, but was never told which codes there are; a VAE, a "
            "GAN or a diffusion model can"
        )
    arguments.sizes("draw", n=n)
    samples = model.sample(n, rng)
    if samples.ndim != 4:
        return samples
    return np.clip((samples + 1) / 2 if isinstance(model, Diffusion) else samples, 0, 1)
