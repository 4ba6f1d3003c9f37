"""A surface of two dimensions in a space of many: data whose best code of two numbers is known."""

import numpy as np

from tinygen.errors import arguments

TURNS = (1.5 * np.pi, 4.5 * np.pi)  # the range of the angle t


def swiss_roll_nd(
    n: int, rng: np.random.Generator, *, dimensions: int = 10, sd: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """n points (n, dimensions) of a rolled-up sheet, and their two coordinates (n, 2) on the sheet; both float32.

    Args:
        n: number of points.
        rng: generator for the points.
        dimensions: dimension D of the space, at least 3.
        sd: standard deviation of Gaussian noise in each of the D directions.

    In three dimensions the roll is (t cos t, t sin t)/(4.5π) with the angle t uniform in [1.5π, 4.5π], and a height h
    uniform in [-1, 1]. The coordinates are the distance along the spiral from its inner end and h, in the unit of the
    points: distances on the flat sheet are those along the roll. The three directions lie obliquely in the D
    dimensions, the same for every call, and no distance changes by that.

    >>> from tinygen import data
    >>> points, coordinates = data.swiss_roll_nd(100, np.random.default_rng(0))
    >>> points.shape, coordinates.shape
    ((100, 10), (100, 2))
    """
    n = arguments.whole("swiss_roll_nd", "n", n, least=0)
    dimensions = arguments.whole("swiss_roll_nd", "dimensions", dimensions, least=3)
    sd = arguments.real("swiss_roll_nd", "sd", sd, least=0)
    arguments.generator("swiss_roll_nd", rng)
    t, height = rng.uniform(*TURNS, n), rng.uniform(-1, 1, n)
    roll = np.stack([t * np.cos(t) / TURNS[1], t * np.sin(t) / TURNS[1], height], axis=1)  # (n, 3)
    points = roll @ _directions(dimensions) + sd * rng.standard_normal((n, dimensions))
    along = (_length(t) - _length(TURNS[0])) / TURNS[1]
    return points.astype(np.float32), np.stack([along, height], axis=1).astype(np.float32)


def _length(t):
    """The length of the spiral t (cos t, sin t) from its centre to t: ∫ √(1 + t²) dt."""
    return 0.5 * (t * np.sqrt(1 + t * t) + np.arcsinh(t))


def _directions(dimensions):
    """Three orthonormal rows (3, D) without zeros: the first cosines of a DCT-IV, which is an orthogonal matrix."""
    k, i = np.arange(3)[:, None] + 0.5, np.arange(dimensions) + 0.5
    return np.sqrt(2 / dimensions) * np.cos(np.pi * k * i / dimensions)
