"""Corruptions for denoising autoencoders, which receive a damaged image and are trained to return the original.

    loss = mean over images of ‖x - D(E(x̃))‖²,    x̃ = x corrupted    (Vincent et al. 2008)

Any autoencoder can be trained so: its `loss` takes a corruption as `corrupt`. Copying the input is then no solution,
because removing damage requires knowledge of what images look like. `theory/wiener.py` has the best linear denoiser.
"""

from dataclasses import dataclass

import numpy as np

from tinygen.errors import arguments


@dataclass(frozen=True)
class GaussianNoise:
    """x̃ = x + η with η ~ N(0, sd²) for each pixel; the result may leave [0, 1]."""

    sd: float
    kept = 1.0  # E[x̃ | x] = kept · x

    def __post_init__(self):
        object.__setattr__(self, "sd", arguments.real("GaussianNoise", "sd", self.sd, least=0))

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return x + self.sd * rng.standard_normal(x.shape, dtype=x.dtype)

    def variance(self, power: np.ndarray) -> np.ndarray:
        """Mean variance of x̃ given x for each pixel (D,), for data with E[x²] = `power` (D,)."""
        return np.full_like(power, self.sd**2)


@dataclass(frozen=True)
class Erasures:
    """x̃ = x with each pixel set to 0 with probability `share`: masking noise (Vincent et al. 2008, section 2.3)."""

    share: float

    def __post_init__(self):
        object.__setattr__(self, "share", arguments.real("Erasures", "share", self.share, least=0, most=1))

    @property
    def kept(self) -> float:
        """The factor of x in E[x̃ | x]."""
        return 1 - self.share

    def __call__(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return x * (rng.random(x.shape, dtype=x.dtype) >= self.share)

    def variance(self, power: np.ndarray) -> np.ndarray:
        """Mean variance of x̃ given x for each pixel (D,), for data with E[x²] = `power` (D,)."""
        return self.share * self.kept * power
