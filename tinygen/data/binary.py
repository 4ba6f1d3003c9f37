"""Binary images: pixels of 0 or 1, drawn with the grey value as the probability of 1."""

import numpy as np

from tinygen.errors import arguments


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
