"""Small objects for the first lines that a user types."""

import numpy as np

import tinygen as tg
from tinygen import nn

rng = np.random.default_rng(0)


def vector():
    return tg.Tensor([1.0, 2.0, 3.0])


def weight():
    return tg.Parameter([1.0, 2.0, 3.0])


def loss():
    return (weight() * 2.0).sum()


def dense():
    return nn.Dense(3, 4, rng=np.random.default_rng(0))


class Foreign:
    """An object with `__array__`, like those of torch and pandas."""

    def __init__(self, dtype):
        self.array = np.ones(3, dtype)

    def __array__(self, dtype=None, copy=None):
        return self.array.astype(dtype or self.array.dtype)
