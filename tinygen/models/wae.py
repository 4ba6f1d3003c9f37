"""The Wasserstein autoencoder: an autoencoder whose codes, all images together, are to be distributed as the prior.

    loss = ‖x - D(E(x))‖² + weight · MMD²(codes of the batch, draws from N(0, I))      (Tolstikhin et al. 2018, WAE-MMD)

A VAE asks each image for a code near the prior, so the codes of different images overlap, and its images are blurred.
Here only the codes as a whole must match the prior; each image may keep a point of its own.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.models.regularised import Regularised
from tinygen.op import as_tensors
from tinygen.ops import maximum
from tinygen.tensor import Tensor, constant

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # those of the authors' code


def mmd(x: Tensor | np.ndarray, y: Tensor | np.ndarray, *, scales: Sequence[float] = SCALES) -> Tensor:
    """The squared maximum mean discrepancy of two samples, estimated without bias (Gretton et al. 2012, equation 3).

    It is the mean of k(x, x') over pairs of different rows, plus that of k(y, y'), minus twice that of k(x, y). Its
    expectation is 0 if both are draws from one distribution, where the estimate is negative half of the time, and
    above 0 otherwise. The kernel is Σ C / (C + ‖x - y‖²) with C = 2 K · scale: K draws from N(0, I) have mean squared
    distance 2 K, and the heavy tail also pulls on codes that are far away.

    Args:
        x: sample (N, K) of at least two rows.
        y: sample (M, K) of at least two rows.
        scales: positive factors; a small one compares details, a large one the means.

    Raises ValueError for other shapes.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> near, far = (models.mmd(rng.normal(size=(500, 2)), shift + rng.normal(size=(500, 2))) for shift in (0, 1))
    >>> abs(near.item()) < 0.05 < far.item()
    True
    """
    x, y = as_tensors((x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"mmd: expected (N, K) and (M, K), N and M at least 2, got {x.shape} and {y.shape}")
    cs = [2 * x.shape[1] * arguments.real("mmd", "scale", scale, above=0) for scale in scales]
    return (
        _mean(_kernel(x, x, cs), without=len(cs))
        + _mean(_kernel(y, y, cs), without=len(cs))
        - 2 * _kernel(x, y, cs).mean()
    )


def _kernel(x: Tensor, y: Tensor, cs: Sequence[float]) -> Tensor:
    """k of all pairs, (N, M)."""
    squares = (x * x).sum(axis=1, keepdims=True) + (y * y).sum(axis=1) - 2 * (x @ y.T)
    squares = maximum(squares, 0.0)  # rounding can make it negative
    total = constant(np.zeros(squares.shape, squares.dtype))
    for c in cs:
        total = total + c / (c + squares)
    return total


def _mean(k: Tensor, *, without: float) -> Tensor:
    """The mean over pairs of different rows; k of equal rows is `without`."""
    n = len(k)
    return (k.sum() - n * without) * (1 / (n * (n - 1)))


class WassersteinAutoencoder(Regularised):
    """An autoencoder with a penalty of the MMD between the codes of the batch and as many draws from N(0, I).

    Args:
        encoder: module from examples to codes (N, K).
        decoder: module from codes to examples, or to their logits for "bce".
        latent: size K of the code.
        weight: factor of the penalty, at least 0.
        loss: "mse" or "bce", as in `Autoencoder`.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.WassersteinAutoencoder.dense((8, 8, 1), [32], 2, weight=10, rng=rng)
    >>> model.loss(np.ones((5, 8, 8, 1), np.float32), rng).shape
    ()
    >>> model.sample(3, rng).shape
    (3, 8, 8, 1)
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, latent: int, weight: float, loss: str = "mse"):
        super().__init__(encoder, decoder, weight=weight, loss=loss)
        (self.latent,) = arguments.sizes("WassersteinAutoencoder", latent=latent)

    @classmethod
    def _built(cls, encoder: nn.Module, decoder: nn.Module, latent: int | None, settings: dict[str, Any]) -> Self:
        return cls(encoder, decoder, **{"latent": latent, **settings})

    def penalty(self, x: Tensor, z: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """The MMD of codes z (N, K), at least two, from draws of the prior; it may be negative. See `mmd`."""
        rng = arguments.generator("WassersteinAutoencoder.penalty", rng)
        return mmd(z, rng.standard_normal(z.shape, dtype=z.dtype))

    @explained
    def sample(self, n: int, rng: np.random.Generator, *, batch_size: int = 500) -> np.ndarray:
        """n new images: the decoder's output at codes z from N(0, I)."""
        n = arguments.whole("sample", "n", n, least=0)
        z = rng.standard_normal((n, self.latent), dtype=self.parameters()[0].dtype)
        return self.decode(z, batch_size=batch_size)
