"""A small network for diffusion in the plane: it predicts from noisy points and their times what the schedule needs."""

from itertools import pairwise

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.models.unet import sinusoidal_embedding
from tinygen.ops import concat, gelu
from tinygen.tensor import Tensor


class PointDenoiser(nn.Module):
    """A prediction (N, d) from noisy points (N, d) and times (N,): three layers with GELU, and a linear one.

    Args:
        rng: generator for the first weights.
        coordinates: number d of coordinates of a point.
        features: size of the embedding of the time.
        hidden: width of the layers.
        dtype: float32 or float64.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        coordinates: int = 2,
        features: int = 32,
        hidden: int = 128,
        dtype: type = np.float32,
    ):
        coordinates, features, hidden = arguments.sizes(
            "PointDenoiser", coordinates=coordinates, features=features, hidden=hidden
        )
        self.features = features  # of the time
        widths = [coordinates + features, hidden, hidden, hidden]
        self.layers = [nn.Dense(n, m, rng=rng, dtype=dtype) for n, m in pairwise(widths)]
        self.last = nn.Dense(hidden, coordinates, rng=rng, dtype=dtype)

    def forward(self, x: Tensor, t: np.ndarray) -> Tensor:
        h = concat(x, sinusoidal_embedding(t, self.features, dtype=x.dtype), axis=1)
        for layer in self.layers:
            h = gelu(layer(h))
        return self.last(h)

    def settings(self) -> str:
        return f"features={self.features}"
