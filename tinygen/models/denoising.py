"""Denoising autoencoders: an autoencoder that sees an image corrupted and is asked for the image itself.

    loss = mean over images of ‖x - D(E(x̃))‖²,    x̃ = x corrupted    (Vincent et al. 2008)

The network is that of any autoencoder and so is its `loss`, which takes a corruption from here. Where copying would do
well otherwise, it no longer does: to undo damage takes knowledge of what images are like. The least that any linear
map leaves is known in closed form (`wiener_filter`), and for Gaussian data nothing does better.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygen.errors import arguments
from tinygen.evaluate import metrics


@dataclass(frozen=True)
class GaussianNoise:
    """x̃ = x + η, η ~ N(0, sd²) for each pixel: so pixels leave [0, 1]."""

    sd: float
    kept = 1.0  # E[x̃ | x] = kept · x

    def __post_init__(self):
        object.__setattr__(self, "sd", arguments.real("GaussianNoise", "sd", self.sd, least=0))

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return x + self.sd * rng.standard_normal(x.shape, dtype=x.dtype)

    def variance(self, power: np.ndarray) -> np.ndarray:
        """Var(x̃ | x) of each pixel, (D,), on average over data whose E[x²] is `power`, (D,)."""
        return np.full_like(power, self.sd**2)


@dataclass(frozen=True)
class Erasures:
    """x̃ = x with each pixel set to 0 with probability `share`: the masking noise of Vincent et al., section 2.3."""

    share: float

    def __post_init__(self):
        object.__setattr__(self, "share", arguments.real("Erasures", "share", self.share, least=0, most=1))

    @property
    def kept(self) -> float:
        """What E[x̃ | x] is a multiple of x by."""
        return 1 - self.share

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return x * (rng.random(x.shape, dtype=x.dtype) >= self.share)

    def variance(self, power: np.ndarray) -> np.ndarray:
        """Var(x̃ | x) of each pixel, (D,), on average over data whose E[x²] is `power`, (D,)."""
        return self.share * self.kept * power


class WienerFilter(NamedTuple):
    """x̂ = mean + (x̃ - kept · mean) W, and the squared error per image that it leaves on the data it was made for."""

    mean: np.ndarray  # (D,)
    kept: float
    weight: np.ndarray  # (D, D)
    error: float

    def __call__(self, corrupted: np.ndarray) -> np.ndarray:
        """Corrupted images (N, ...), cleaned."""
        rows = corrupted.reshape(len(corrupted), -1)
        cleaned = self.mean + (rows - self.kept * self.mean) @ self.weight
        return cleaned.astype(corrupted.dtype).reshape(corrupted.shape)


def wiener_filter(x: np.ndarray, corruption: GaussianNoise | Erasures) -> WienerFilter:
    """The best affine map from corrupted images back to the images x (N, ...), in closed form (Wiener 1949).

    With Σ the covariance of x and Σ̃ = kept² Σ + diag(variance) that of x̃, W = Σ̃⁻¹ (kept Σ), and the error is
    tr Σ - kept tr(Σ W). For Gaussian x and noise that is E[x | x̃], which no network undercuts.
    """
    rows = x.reshape(len(x), -1)
    mean, components, variances = metrics.pca(rows, rows.shape[1])
    covariance = components.T * variances @ components  # (D, D)
    power = variances @ components**2 + mean**2  # E[x²] of each pixel
    across = corruption.kept * covariance
    noisy = corruption.kept * across + np.diag(corruption.variance(power))
    # A pixel that never changes has a row of zeros, which the pseudo-inverse leaves alone.
    weight = np.linalg.lstsq(noisy, across, rcond=1e-10)[0]
    return WienerFilter(mean, corruption.kept, weight, float(np.trace(covariance) - (across * weight.T).sum()))
