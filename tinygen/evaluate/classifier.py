"""A classifier of real images, trained once and kept in the user's cache: `scoring.py` evaluates samples with it.

Its class probabilities show how clear a sample is. Its last hidden layer gives the features for a Fréchet distance, as
Inception's does for photographs.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tinygen import functional, nn, optim
from tinygen.data import Batches, Dataset, mnist
from tinygen.errors import arguments
from tinygen.grad import grad
from tinygen.io import checkpoint
from tinygen.io.output import warn
from tinygen.io.progress import progress
from tinygen.nn.inference import in_batches
from tinygen.tensor import Tensor

__all__ = ["Classifier", "load_classifier", "train_classifier"]

FEATURES = 84
EPOCHS, STEPS = 12, 500  # the least number of both
SLOWER = 2 / 3  # after this share of the epochs the learning rate falls to a tenth
MANY = 10_000  # from this number of images on, batches of 128 and a learning rate of 1e-3; below, 32 and 2e-3
TRAINING = [EPOCHS, STEPS, SLOWER, MANY]


class Classifier(nn.Module):
    """Classify images (N, H, W, C) into `classes` classes; the last hidden layer has 84 features.

    Images of at least 16x16 pixels get LeNet-5 (LeCun et al. 1998) with ReLU and max pooling, which has 44,426
    parameters for 28x28x1 and ten classes. Smaller images get padded 3x3 kernels and one pooling layer. Raises
    ValueError below 2x2 pixels.
    """

    def __init__(
        self, image_shape: tuple[int, ...], classes: int, *, rng: np.random.Generator, dtype: type = np.float32
    ):
        *size, channels = image_shape
        if min(size) < 2:
            raise ValueError(f"Classifier: expected images of at least 2x2 pixels, got {tuple(image_shape)}")
        (classes,) = arguments.sizes("Classifier", classes=classes)
        how: dict[str, Any] = dict(init=nn.init.he_uniform, rng=rng, dtype=dtype)
        if min(size) >= 16:
            maps, size = 16, [((side - 4) // 2 - 4) // 2 for side in size]
            convolutions = [
                nn.Conv2d(channels, 6, 5, **how),  # (N, 24, 24, 6) of 28x28 images
                nn.ReLU(),
                nn.MaxPool2d(2),  # (N, 12, 12, 6)
                nn.Conv2d(6, maps, 5, **how),  # (N, 8, 8, 16)
            ]
        else:
            maps, size = 32, [side // 2 for side in size]
            convolutions = [
                nn.Conv2d(channels, 16, 3, padding=1, **how),  # (N, 8, 8, 16) of 8x8 images
                nn.ReLU(),
                nn.Conv2d(16, maps, 3, padding=1, **how),  # (N, 8, 8, 32)
            ]
        self.body: nn.Module = nn.Sequential(
            *convolutions,
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 4, 4, maps) of both
            nn.Flatten(),
            nn.Dense(maps * math.prod(size), 120, **how),
            nn.ReLU(),
            nn.Dense(120, FEATURES, **how),
            nn.ReLU(),
        )
        self.head: nn.Module = nn.Dense(FEATURES, classes, **how)

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """Logits (N, K)."""
        return self.head(self.body(x))

    def features(self, images: np.ndarray) -> np.ndarray:
        """The output of the last hidden layer after its ReLU, (N, 84)."""
        return in_batches(self.body, images, 500)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """The probability of each class, (N, K), for images with the given features (N, 84)."""
        return in_batches(self, features, 10_000, lambda x: functional.softmax(self.head(x)))


def train_classifier(data: Dataset, *, seed: int = 0, quiet: bool = False) -> Classifier:
    """Train a classifier on the training part of `data`: Adam on the cross-entropy, at least 12 epochs and 500 steps.

    Raises ValueError if the data have one class only, such as a folder of pictures without subfolders.
    """
    check_classes(data)
    rng = np.random.default_rng(seed)
    classifier = Classifier(data.image_shape, len(data.classes), rng=rng)
    params = classifier.parameters()
    batch_size, rate = (128, 1e-3) if len(data.train_images) >= MANY else (32, 2e-3)
    batches = Batches((data.train_images, data.train_labels), batch_size, rng)
    epochs = max(EPOCHS, math.ceil(STEPS / len(batches)))
    opt = optim.Adam(params, rate)
    schedule = optim.step_decay(rate, every=round(SLOWER * epochs) * len(batches))
    for _ in (bar := progress(range(epochs), label=f"classifier of {data.name}", quiet=quiet)):
        for images, labels in batches:
            opt.lr = schedule(opt.steps)
            loss = functional.cross_entropy(classifier(images), labels)
            opt.step(grad(loss, params))
            bar.show(loss=loss.item())
    return classifier


def check_classes(data: Dataset) -> None:
    """Raise ValueError unless the data have at least two classes."""
    if len(data.classes) < 2:
        raise ValueError(
            f"classifier: expected data with at least two classes, got one class in {data.name}: sort the pictures "
            "into one subfolder per class"
        )


# -- the cache ---------------------------------------------------------------------------------------------------------


def load_classifier(data: Dataset, *, seed: int = 0, quiet: bool = False, retrain: bool = False) -> Classifier:
    """The classifier of `data` from the user's cache; a new one is trained and kept if there is none, or if `retrain`.

    A cached file counts only if it is intact and was trained on the same images with the same network, training
    settings and seed. A cache that can't be written gives a warning, and the next call trains again.
    """
    check_classes(data)
    classifier = Classifier(data.image_shape, len(data.classes), rng=np.random.default_rng(seed))
    facts = dict(data=data.sha256(), network=repr(classifier), training=TRAINING, seed=seed)
    path = classifier_path(facts)
    try:
        arrays, info = checkpoint.load(path)
        if not retrain and info == facts:
            classifier.load_state_dict(arrays)
            return classifier
    except (OSError, ValueError, checkpoint.CheckpointError):  # not in the cache, or not usable
        pass
    classifier = train_classifier(data, seed=seed, quiet=quiet)
    state = classifier.state_dict()
    checkpoint.check_finite("classifier", state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, state, facts)
    except OSError as error:
        warn(f"classifier: the cache can't be written ({error}): the next run will train again")
    return classifier


def classifier_path(facts: dict[str, Any]) -> Path:
    """The file in the cache for a classifier with these facts."""
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return classifiers_folder() / f"{key[:32]}.npz"


def classifiers_folder() -> Path:
    """The folder for trained classifiers, beside the downloads in the user's cache folder."""
    return mnist.cache_folder().parent / "classifiers"
