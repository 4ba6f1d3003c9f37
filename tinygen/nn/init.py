"""First values of weights: random, of a size that keeps signals alive from layer to layer.

An initialiser is any function `(rng, shape, fans, dtype) -> array`. `fans` = (fan_in, fan_out) counts the inputs that
one output adds up, and the outputs that one input reaches, on average over an image: the layer knows, for the same
shape means different things to a convolution and to its transpose, and a stride s makes them s² apart.
"""

import math
from collections.abc import Callable

import numpy as np

Fans = tuple[float, float]
Initialiser = Callable[[np.random.Generator, tuple[int, ...], Fans, np.dtype], np.ndarray]


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: np.dtype) -> np.ndarray:
    """N(0, 2/fan_in): a ReLU drops half of the variance, the 2 brings it back (He et al. 2015, eq. 10)."""
    return _normal(rng, shape, math.sqrt(2 / fans[0]), dtype)


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: np.dtype) -> np.ndarray:
    """Uniform with the variance of `he_normal`."""
    return _uniform(rng, shape, math.sqrt(2 / fans[0]), dtype)


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: np.dtype) -> np.ndarray:
    """N(0, 2/(fan_in + fan_out)): for tanh and linear layers, forwards and backwards (Glorot & Bengio 2010, eq. 12)."""
    return _normal(rng, shape, math.sqrt(2 / sum(fans)), dtype)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: np.dtype) -> np.ndarray:
    """Uniform with the variance of `glorot_normal` (their eq. 16); the default of every layer here.

    He's variance suits a deep stack of ReLUs, but is 300 times this one where a decoder widens from 10 to 3136
    features: Adam's first steps then drive all pixels of the lecture's autoencoder to black, where a sigmoid has no
    slope, and with `he_uniform` two seeds of three were still there after 240 steps. From here none of the three went.
    """
    return _uniform(rng, shape, math.sqrt(2 / sum(fans)), dtype)


def normal(std: float) -> Initialiser:
    """N(0, std²) whatever the layer; DCGAN uses 0.02 (Radford et al. 2016)."""
    return lambda rng, shape, fans, dtype: _normal(rng, shape, std, dtype)


def zeros(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: np.dtype) -> np.ndarray:
    """Nothing but zeros: for a layer that should begin as if it weren't there."""
    return np.zeros(shape, dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype: np.dtype) -> np.ndarray:
    return (std * rng.standard_normal(shape)).astype(dtype)  # drawn in float64: one seed, one network in both dtypes


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype: np.dtype) -> np.ndarray:
    bound = math.sqrt(3) * std
    return rng.uniform(-bound, bound, shape).astype(dtype)
