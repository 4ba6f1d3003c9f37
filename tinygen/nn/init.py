"""First values of weights: random, of a size that keeps signals alive from layer to layer.

An initialiser is any function `(rng, shape, fans, dtype) -> array`. `fans` = (fan_in, fan_out) are the number of inputs
that one output sums and the number of outputs that one input reaches, on average over an image. Each layer computes
them itself, because one weight shape has other fans in a convolution than in its transpose, and a stride s changes the
ratio by s².
"""

import math
from collections.abc import Callable

import numpy as np

DType = type | np.dtype
Fans = tuple[float, float]
Initialiser = Callable[..., np.ndarray]  # (rng, shape, fans, dtype)
Init = str | Initialiser  # what layers take: a name such as "he_normal", or an initialiser


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """N(0, 2/fan_in): a ReLU halves the variance, and the 2 restores it (He et al. 2015, eq. 10)."""
    return _normal(rng, shape, math.sqrt(2 / fans[0]), dtype)


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """Uniform with the variance of `he_normal`."""
    return _uniform(rng, shape, math.sqrt(2 / fans[0]), dtype)


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """N(0, 2/(fan_in + fan_out)): for tanh and linear layers, forwards and backwards (Glorot & Bengio 2010, eq. 12)."""
    return _normal(rng, shape, math.sqrt(2 / sum(fans)), dtype)


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """Uniform with the variance of `glorot_normal` (their eq. 16); the default of every layer here.

    He's variance suits a deep stack of ReLUs, but is 300 times this one where a decoder widens from 10 to 3136
    features. Adam's first steps then turn all pixels of the lecture's autoencoder black, where a sigmoid has no slope:
    with `he_uniform`, two seeds of three were still black after 240 steps; with this one, none of the three was.
    """
    return _uniform(rng, shape, math.sqrt(2 / sum(fans)), dtype)


def fan_in_uniform(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """Uniform between -1/√fan_in and 1/√fan_in; the default of recurrent layers, as in PyTorch."""
    return _uniform(rng, shape, 1 / math.sqrt(3 * fans[0]), dtype)


def normal(std: float) -> Initialiser:
    """N(0, std²) whatever the layer; DCGAN uses 0.02 (Radford et al. 2016)."""
    return lambda rng, shape, fans, dtype: _normal(rng, shape, std, dtype)


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """N(0, 1) whatever the layer: the default of embeddings, as in PyTorch."""
    return _normal(rng, shape, 1.0, dtype)


def zeros(rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType) -> np.ndarray:
    """All zeros: a layer in a residual branch then has no effect at the start."""
    return np.zeros(shape, dtype)


NAMED: dict[str, Initialiser] = {
    f.__name__: f for f in (he_normal, he_uniform, glorot_normal, glorot_uniform, standard_normal, zeros)
}


def first_values(
    who: str, init: Init, rng: np.random.Generator, shape: tuple[int, ...], fans: Fans, dtype: DType
) -> np.ndarray:
    """What the initialiser returns; TypeError unless it is a function, or the name of one in this file."""
    make = NAMED.get(init) if isinstance(init, str) else init
    if not callable(make):
        hint = "he_normal" if "he" in str(init) else "glorot_uniform"
        names = ", ".join(f'"{name}"' for name in NAMED)
        raise TypeError(f'{who}: expected init to be {names} or a function, got {init!r}: write init="{hint}"')
    return make(rng, shape, fans, dtype)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype: DType) -> np.ndarray:
    return (std * rng.standard_normal(shape)).astype(dtype)  # drawn in float64: the same network in both dtypes


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], std: float, dtype: DType) -> np.ndarray:
    bound = math.sqrt(3) * std
    return rng.uniform(-bound, bound, shape).astype(dtype)
