"""A judge of images: a classifier of the real ones, trained once and kept, that samples are held against.

`scoring.py` makes figures of what it answers: how sure it is of a sample's class, and the features that its
last hidden layer sees in it, which are to a Fréchet distance of digits what Inception's are to that of photographs.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tinygen import functional, nn, optim
from tinygen.data import Batches, Dataset, mnist
from tinygen.grad import grad
from tinygen.io import checkpoint
from tinygen.io.output import warn
from tinygen.io.progress import progress
from tinygen.nn.inference import in_batches
from tinygen.tensor import Tensor

FEATURES = 84
EPOCHS, STEPS = 12, 500  # at least so many of both
SLOWER = 2 / 3  # of the epochs, then a tenth of the rate
MANY = 10_000  # images: from here on batches of 128 and a rate of 1e-3, below 32 and 2e-3
RECIPE = [EPOCHS, STEPS, SLOWER, MANY]


class Judge(nn.Module):
    """A classifier of images (N, H, W, C) into K classes whose last hidden layer has 84 features.

    From 16x16 on it is LeNet-5 (LeCun et al. 1998) with ReLU and max pooling, 44,426 parameters for 28x28x1 and ten
    classes. Its 5x5 kernels would leave nothing of smaller images: they get padded 3x3 kernels and one pooling.
    """

    def __init__(
        self, image_shape: tuple[int, ...], classes: int, *, rng: np.random.Generator, dtype: type = np.float32
    ):
        *size, channels = image_shape
        if min(size) < 2:
            raise ValueError(f"Judge: images are halved at least once, so 2x2 is the least; got {tuple(image_shape)}")
        how = dict(init=nn.init.he_uniform, rng=rng, dtype=dtype)
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
        self.body = nn.Sequential(
            *convolutions,
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 4, 4, maps) of both
            nn.Flatten(),
            nn.Dense(maps * math.prod(size), 120, **how),
            nn.ReLU(),
            nn.Dense(120, FEATURES, **how),
            nn.ReLU(),
        )
        self.head = nn.Dense(FEATURES, classes, **how)

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """Logits (N, K)."""
        return self.head(self.body(x))

    def features(self, images: np.ndarray) -> np.ndarray:
        """What the last hidden layer answers, after its ReLU, (N, 84), as an array."""
        return in_batches(self.body, images, 500)

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """The probability of each class, (N, K), for images with these features."""
        return in_batches(self, features, 10_000, lambda x: functional.softmax(self.head(x)))


def train_judge(data: Dataset, *, seed: int = 0, quiet: bool = False) -> Judge:
    """A judge of these images: Adam on the cross-entropy of the training part, 12 epochs or 500 steps if that is more.

    Raises ValueError for images of one class only, such as a folder of pictures without subfolders.
    """
    check_classes(data)
    rng = np.random.default_rng(seed)
    judge = Judge(data.image_shape, len(data.classes), rng=rng)
    params = judge.parameters()
    batch_size, rate = (128, 1e-3) if len(data.train_images) >= MANY else (32, 2e-3)
    batches = Batches((data.train_images, data.train_labels), batch_size, rng)
    epochs = max(EPOCHS, math.ceil(STEPS / len(batches)))
    opt = optim.Adam(params, rate)
    schedule = optim.step_decay(rate, every=round(SLOWER * epochs) * len(batches))
    for _ in (bar := progress(range(epochs), label=f"a judge of {data.name}, once", quiet=quiet)):
        for images, labels in batches:
            opt.lr = schedule(opt.steps)
            loss = functional.cross_entropy(judge(images), labels)
            opt.step(grad(loss, params))
        bar.show(loss=loss)
    return judge


def check_classes(data: Dataset) -> None:
    """Raise ValueError unless the images are of two classes at least."""
    if len(data.classes) < 2:
        raise ValueError(
            f"judge: {data.name} has one class only, and a judge learns to tell classes apart; in a folder of pictures "
            "the first level of subfolders names them"
        )


# -- kept --------------------------------------------------------------------------------------------------------------


def load_judge(data: Dataset, *, seed: int = 0, quiet: bool = False, anew: bool = False) -> Judge:
    """The judge of these images from the user's cache, or else, and if `anew`, a new one, which is then kept there.

    A file that is damaged, or not of these very images, this network, this way to train and this seed, is not trusted
    but written anew. A cache that can't be written costs the time to train each time, and is said.
    """
    check_classes(data)
    judge = Judge(data.image_shape, len(data.classes), rng=np.random.default_rng(seed))
    facts = dict(data=data.sha256(), network=repr(judge), recipe=RECIPE, seed=seed)
    path = judge_path(facts)
    try:
        arrays, info = checkpoint.load(path)
        if not anew and info == facts:
            judge.load_state_dict(arrays)
            return judge
    except (OSError, ValueError, checkpoint.CheckpointError):  # none yet, or none to trust
        pass
    judge = train_judge(data, seed=seed, quiet=quiet)
    state = judge.state_dict()
    checkpoint.check_finite("judge", state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(path, state, facts)
    except OSError as error:
        warn(f"judge: can't be kept, and will be trained again next time ({error})")
    return judge


def judge_path(facts: dict[str, Any]) -> Path:
    """The file for a judge with these facts."""
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return judges_folder() / f"{key[:32]}.npz"


def judges_folder() -> Path:
    """Where judges are kept: beside the downloads, in the operating system's folder for a user's caches."""
    return mnist.cache_folder().parent / "judges"
