"""Binary images: pixels of 0 or 1, drawn with the grey value as the probability of 1."""

import numpy as np

from tinygen.data.dataset import Dataset
from tinygen.errors import arguments
from tinygen.io.files import printable
from tinygen.io.output import warn

NOISY = 0.3  # the mean of 4 x (1 - x): 0.07 for MNIST and 0.28 for the 8x8 digits, whose binary pixels can be read


def binarise(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels of 0 or 1, in float32; the grey value of each pixel is the probability of 1.

    A model trained on new draws in each epoch can't learn one of them by heart (Burda et al. 2016, section 5). For a
    test set, draw once, with a generator whose seed is known.

    Args:
        images: array of any shape, with values in [0, 1].
        rng: generator for the pixels.

    >>> from tinygen import data
    >>> data.binarise(np.array([0.0, 0.5, 1.0]), np.random.default_rng(2)).tolist()
    [0.0, 1.0, 1.0]
    """
    arguments.generator("binarise", rng)
    return (rng.random(np.shape(images), dtype=np.float32) < images).astype(np.float32)


def mention_noise(data: Dataset, *, quiet: bool = False) -> None:
    """Warn on stderr, unless `quiet`, if binary pixels look like noise because most pixels are grey, as in photographs.

    The variance of a binary pixel with the mean x is x (1 - x), at most 1/4.
    """
    x = data.train_images[:1000]
    if not quiet and x.size and (4 * x * (1 - x)).mean() > NOISY:
        what = "most pixels are grey, so the binary pixels drawn from them look like noise"
        warn(f"{printable(data.name)}: {what}: for grey values, train a models.GaussianVAE")
