"""Models by name: build the model that the `config.json` of a run describes.

The names are those of the constructors, and the arguments are numbers, strings and lists of them. Nothing in the file
is executed.
"""

import math
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError
from tinygen.models.autoencoder import Autoencoder
from tinygen.models.diffusion import Diffusion
from tinygen.models.gan import GAN
from tinygen.models.vae import VAE, GaussianVAE
from tinygen.runs.record import RunError, read_config

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "Autoencoder.conv": Autoencoder.conv,
    "Autoencoder.dense": Autoencoder.dense,
    "Autoencoder.linear": Autoencoder.linear,
    "VAE.dense": VAE.dense,
    "GaussianVAE.dense": GaussianVAE.dense,
    "GAN.conv": GAN.conv,
    "GAN.dense": GAN.dense,
    "Diffusion.unet": Diffusion.unet,
    "Diffusion.points": Diffusion.points,
}

LARGEST = 2**20  # values of one sampled image: the weights of a U-Net don't limit the size in a damaged file


def build(model: Mapping[str, Mapping], rng: np.random.Generator) -> nn.Module:
    """A new model from `{"VAE.dense": {"shape": (28, 28, 1), "widths": (200, 200), "latent": 50}}`.

    Raises ValueError for a name that isn't in `BUILDERS`, and for arguments that don't fit.
    """
    if len(model) != 1:
        raise ValueError(f"build: expected one name with its arguments, got {len(model)} of them")
    ((name, settings),) = model.items()
    if name not in BUILDERS:
        raise ValueError(f"build: expected one of {', '.join(BUILDERS)}; got {name!r}")
    try:
        return BUILDERS[name](**settings, rng=rng)
    except Exception as error:  # arguments from a damaged file fail in many ways
        raise ValueError(f"build: {name} can't be built from {reprlib.repr(settings)}: {error}") from error


class Budget(np.random.Generator):
    """A generator of at most `left` random numbers: it refuses a model with more weights than its file holds.

    Every size of a network first appears in an array of random weights, so nothing else can be large before.
    """

    def __init__(self, left: float):
        super().__init__(np.random.PCG64(0))
        self.left = left

    def uniform(self, low=0.0, high=1.0, size=None):
        self._spend(size)
        return super().uniform(low, high, size)

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        self._spend(size)
        return super().standard_normal(size, dtype, out)

    def _spend(self, size: tuple[int, ...] | None) -> None:
        self.left -= math.prod(size or ())
        if self.left < 0:
            raise ValueError("it has more weights than the file holds")


def load_run(folder: str | Path) -> nn.Module:
    """The trained model of a run, in eval mode: built from `config.json`, with the weights of `model.npz`.

    A model with more weights than the file is refused before it costs memory. Raises RunError if the folder is not that
    of a finished run that keeps a model, and CheckpointError if the file is damaged or belongs to another model.
    """
    folder = Path(folder)
    described, path = read_config(folder)["model"], folder / "model.npz"
    if not described:
        raise RunError(f"{folder}: its config.json doesn't say which model was trained: this run keeps none to load")
    if not path.is_file():
        raise RunError(f"{folder}: there is no model.npz yet; the run has to be through (go on with --resume)")
    arrays, _ = checkpoint.load(path)
    rng = Budget(sum(array.size for array in arrays.values()))
    try:
        model = build(described, rng)
        model.load_state_dict(arrays)
        checkpoint.check_finite(type(model).__name__, arrays)
    except (ValueError, FloatingPointError) as error:
        reasons = "; ".join(line.strip() for line in str(error).splitlines()[:4])
        raise CheckpointError(f"{path} is not of the model that config.json describes: {reasons}") from None
    rng.left = math.inf  # a Dropout may use it in further training
    return model.eval()


def sample(model: nn.Module, n: int, rng: np.random.Generator) -> np.ndarray:
    """n samples of a model: images in [0, 1], whatever range it was trained on, or points as they are.

    Raises ValueError for an autoencoder, and for images of more than 2²⁰ values.
    """
    if not isinstance(model, VAE | GAN | Diffusion):
        hint = ": its codes have no distribution to sample from" * isinstance(model, Autoencoder)
        raise ValueError(f"sample: expected a VAE, GAN or Diffusion model, got {type(model).__name__}{hint}")
    arguments.sizes("sample", n=n)
    if isinstance(model, Diffusion) and math.prod(model.shape) > LARGEST:
        raise ValueError(f"sample: expected images of at most {LARGEST:,} values, got {model.shape} (config.json)")
    samples = model.sample(n, rng)
    if samples.ndim != 4:
        return samples
    return np.clip((samples + 1) / 2 if isinstance(model, Diffusion) else samples, 0, 1)
