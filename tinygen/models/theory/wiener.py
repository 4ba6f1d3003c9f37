"""The Wiener filter: the best linear denoiser, in closed form; for Gaussian data no network does better.

x̂ = μ + (x̃ - kept · μ) W,    W = Σ̃⁻¹ kept Σ    (Wiener 1949)
"""

from typing import NamedTuple

import numpy as np

from tinygen.models.corruption import Erasures, GaussianNoise
from tinygen.models.theory.pca import pca


class WienerFilter(NamedTuple):
    """The affine map x̂ = mean + (x̃ - kept · mean) W, and the squared error per image that it leaves on its data."""

    mean: np.ndarray  # (D,)
    kept: float
    weight: np.ndarray  # (D, D)
    error: float

    def __call__(self, corrupted: np.ndarray) -> np.ndarray:
        """The estimates of the images, for corrupted images (N, ...)."""
        rows = corrupted.reshape(len(corrupted), -1)
        cleaned = self.mean + (rows - self.kept * self.mean) @ self.weight
        return cleaned.astype(corrupted.dtype).reshape(corrupted.shape)


def wiener_filter(x: np.ndarray, corruption: GaussianNoise | Erasures) -> WienerFilter:
    """The affine map from corrupted images to the images x (N, ...) with the least squared error (Wiener 1949).

    With Σ the covariance of x and Σ̃ = kept² Σ + diag(variance) that of x̃, W = Σ̃⁻¹ (kept Σ), and the error is
    tr Σ - kept tr(Σ W). For Gaussian x and Gaussian noise it is E[x | x̃], the best denoiser of all.
    """
    rows = x.reshape(len(x), -1)
    mean, components, variances = pca(rows, rows.shape[1])
    covariance = components.T * variances @ components  # (D, D)
    power = variances @ components**2 + mean**2  # E[x²] of each pixel
    across = corruption.kept * covariance
    noisy = corruption.kept * across + np.diag(corruption.variance(power))
    # The row of a pixel that never changes is zero, so Σ̃ may be singular: least squares, not an inverse.
    weight = np.linalg.lstsq(noisy, across, rcond=1e-10)[0]
    return WienerFilter(mean, corruption.kept, weight, float(np.trace(covariance) - (across * weight.T).sum()))
