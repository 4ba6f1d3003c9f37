"""Models by name: build the model that the `config.json` of a run describes.

The names are those of the constructors, and the arguments are numbers, strings and lists of them. Nothing in the file
is executed. `add_kind` gives a class of yours a name, so that its runs can be loaded and sampled from too.
"""

import inspect
import math
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.output import one_line
from tinygen.models.autoencoder import Autoencoder
from tinygen.models.conditional import ConditionalVAE
from tinygen.models.diffusion import Diffusion
from tinygen.models.gan import GAN
from tinygen.models.iwae import IWAE
from tinygen.models.regularised import ContractiveAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from tinygen.models.stochastic import StochasticAutoencoder
from tinygen.models.vae import VAE, GaussianVAE
from tinygen.models.wae import WassersteinAutoencoder
from tinygen.runs.record import RESUME, RunError, read_config

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "Autoencoder.conv": Autoencoder.conv,
    "Autoencoder.dense": Autoencoder.dense,
    "Autoencoder.linear": Autoencoder.linear,
    "SparseAutoencoder.dense": SparseAutoencoder.dense,
    "ContractiveAutoencoder.dense": ContractiveAutoencoder.dense,
    "DenoisingAutoencoder.conv": DenoisingAutoencoder.conv,
    "DenoisingAutoencoder.dense": DenoisingAutoencoder.dense,
    "StochasticAutoencoder.dense": StochasticAutoencoder.dense,
    "WassersteinAutoencoder.conv": WassersteinAutoencoder.conv,
    "WassersteinAutoencoder.dense": WassersteinAutoencoder.dense,
    "VAE.conv": VAE.conv,
    "VAE.dense": VAE.dense,
    "GaussianVAE.conv": GaussianVAE.conv,
    "GaussianVAE.dense": GaussianVAE.dense,
    "IWAE.conv": IWAE.conv,
    "IWAE.dense": IWAE.dense,
    "ConditionalVAE.conv": ConditionalVAE.conv,
    "ConditionalVAE.dense": ConditionalVAE.dense,
    "GAN.conv": GAN.conv,
    "GAN.dense": GAN.dense,
    "Diffusion.unet": Diffusion.unet,
    "Diffusion.points": Diffusion.points,
}

OURS = frozenset(BUILDERS)
LARGEST = 2**20  # values of one sampled image: the weights of a U-Net don't limit the size in a damaged file


def add_kind(name: str, builder: Callable[..., nn.Module]) -> None:
    """Let `build` and `load_run` make models of a class of yours: call it before them, in each program.

    A run names its model in `open_run(out, config, model={name: settings})`. To load it, `builder(**settings, rng=rng)`
    is called, with the settings from the file as JSON has them, numbers, strings and lists; then the weights are
    loaded. `models.sample` calls the method `sample(n, rng)` of the model and takes images to be in [0, 1].

    Args:
        name: name of the kind, such as "Spiral.dense"; a name of yours may be given again, to another builder.
        builder: class or function that returns a module, with a keyword `rng`.

    Raises TypeError for a builder that can't be called or has no `rng`, ValueError for a name of tinygen's own models.

    >>> from tinygen import models, nn
    >>> models.add_kind("Table", lambda rows, *, rng: nn.Embedding(rows, 2, rng=rng))
    >>> models.build({"Table": {"rows": 5}}, np.random.default_rng(0))
    Embedding(5, 2)
    """
    if not isinstance(name, str) or not name.isprintable() or not name.strip():
        raise ValueError(f"add_kind: expected name to be a printable text, got {name!r}")
    if name in OURS:
        raise ValueError(f"add_kind: expected a new name, got {name!r}, which is one of tinygen's own: choose another")
    if not callable(builder):
        raise TypeError(f"add_kind: expected builder to be a class or a function, got {arguments.shown(builder)}")
    accepted = inspect.signature(builder).parameters
    if "rng" not in accepted and not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        raise TypeError(f"add_kind: expected builder to have a keyword rng, got {name}({', '.join(accepted)}): add rng")
    BUILDERS[name] = builder


def build(model: Mapping[str, Mapping], rng: np.random.Generator) -> nn.Module:
    """A new model from `{"VAE.dense": {"shape": (28, 28, 1), "widths": (200, 200), "latent": 50}}`.

    Raises ValueError for a name that isn't in `BUILDERS`, and for arguments that don't fit.
    """
    if len(model) != 1:
        raise ValueError(f"build: expected one name with its arguments, got {len(model)} of them")
    ((name, settings),) = model.items()
    if name not in BUILDERS:
        hint = "for a class of yours, call models.add_kind first"
        raise ValueError(f"build: expected one of {', '.join(BUILDERS)}; got {name!r}: {hint}")
    try:
        built = BUILDERS[name](**settings, rng=rng)
    except Exception as error:  # arguments from a damaged file fail in many ways
        raise ValueError(f"build: {name} can't be built from {reprlib.repr(settings)}: {error}") from error
    if not isinstance(built, nn.Module):
        raise ValueError(f"build: expected the builder of {name} to return a module, got {arguments.shown(built)}")
    return built


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
        raise RunError(f"{folder}: expected model.npz, got none yet: finish the run with {RESUME}")
    try:
        arrays, _ = checkpoint.load(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}, or train the model again") from None
    rng = Budget(sum(array.size for array in arrays.values()))
    try:
        model = build(described, rng)
        model.load_state_dict(arrays)
        checkpoint.check_finite(type(model).__name__, arrays)
    except (ValueError, FloatingPointError) as error:
        what = f"{path} is not of the model that config.json describes: {one_line(str(error), most=4)}"
        raise CheckpointError(f"{what}: {checkpoint.COPY}, or train the model again") from None
    rng.left = math.inf  # a Dropout may use it in further training
    return model.eval()


def sample(model: nn.Module, n: int, rng: np.random.Generator) -> np.ndarray:
    """n samples of a model: images in [0, 1], whatever range it was trained on, or points as they are.

    A conditional model is given the labels 0, 1, 2, ... in turn. Raises ValueError for a model without a method
    `sample`, such as an autoencoder, and for images of more than 2²⁰ values.
    """
    draw = getattr(model, "sample", None)
    if draw is None:
        hint = ": its codes have no distribution to sample from" * isinstance(model, Autoencoder)
        raise ValueError(f"sample: expected a model that can sample, got {type(model).__name__}{hint}")
    (n,) = arguments.sizes("sample", n=n)
    if isinstance(model, Diffusion) and math.prod(model.shape) > LARGEST:
        raise ValueError(f"sample: expected images of at most {LARGEST:,} values, got {model.shape} (config.json)")
    samples = draw(np.arange(n) % model.classes if isinstance(model, ConditionalVAE) else n, rng)
    if samples.ndim != 4:
        return samples
    return np.clip((samples + 1) / 2 if isinstance(model, Diffusion) else samples, 0, 1)
