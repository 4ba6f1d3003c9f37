"""Arrays joined and placed in others, in plain NumPy. `reference.py` has these functions too."""

import numpy as np


def contiguous(x):
    return x


def in_order(x):
    return x


def placed(x, index, shape):
    """Zeros of `shape`, with x in the part that `index` picks, which has no arrays."""
    y = np.zeros(shape, x.dtype)
    y[index] = x
    return y


def concat(arrays, axis):
    return np.concatenate(arrays, axis)
