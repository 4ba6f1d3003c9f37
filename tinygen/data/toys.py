"""Points in the plane from known densities: the smallest data on which the failures of a generative model are visible.

Each function draws n points (n, 2), float32, with the part of the density that each comes from (n,):

    points, labels = ring(1000, rng)
"""

import numpy as np

from tinygen.errors import arguments


def ring(
    n: int, rng: np.random.Generator, *, modes: int = 8, radius: float = 1.0, sd: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """A mixture of `modes` equal Gaussians, evenly spaced on a circle; the labels, int64, are indices of the Gaussians.

    The defaults are the ring of PacGAN (Lin et al. 2018) and VEEGAN (Srivastava et al. 2017).
    """
    return _mixture("ring", n, rng, ring_centres(modes=modes, radius=radius), sd)


def grid(n: int, rng: np.random.Generator, *, side: int = 5, sd: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A mixture of side² equal Gaussians on a square grid of spacing 2; the labels, int64, are their indices.

    The defaults are the grid of PacGAN and VEEGAN: 25 centres at {-4, -2, 0, 2, 4}².
    """
    return _mixture("grid", n, rng, grid_centres(side=side), sd)


def moons(n: int, rng: np.random.Generator, *, sd: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaving half circles of radius 1; the labels, int64, are 0 for the upper and 1 for the lower one."""
    _check("moons", n, rng, sd)
    labels = rng.integers(2, size=n)
    angle = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    points = np.where(labels[:, None] == 0, upper, [1, 0.5] - upper)
    return _blur(points, rng, sd), labels


def swiss_roll(n: int, rng: np.random.Generator, *, sd: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """A spiral of one and a half turns, t/(4.5π)·(cos t, sin t) with t uniform in [1.5π, 4.5π].

    The labels, float32, are the angles t.
    """
    _check("swiss_roll", n, rng, sd)
    t = rng.uniform(1.5 * np.pi, 4.5 * np.pi, n)
    points = (t / (4.5 * np.pi))[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)  # (n, 2)
    return _blur(points, rng, sd), t.astype(np.float32)


def ring_centres(*, modes: int = 8, radius: float = 1.0) -> np.ndarray:
    """The means of the Gaussians of `ring`, (modes, 2) float64, counter-clockwise from (radius, 0)."""
    angle = 2 * np.pi * np.arange(arguments.whole("ring", "modes", modes, least=1)) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centres(*, side: int = 5) -> np.ndarray:
    """The means of the Gaussians of `grid`, (side², 2) float64, row by row from the lower left."""
    line = 2.0 * np.arange(arguments.whole("grid", "side", side, least=1)) - (side - 1)
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _mixture(who, n, rng, centres, sd):
    _check(who, n, rng, sd)
    labels = rng.integers(len(centres), size=n)
    return _blur(centres[labels], rng, sd), labels


def _check(who, n, rng, sd):
    arguments.whole(who, "n", n, least=0)
    arguments.generator(who, rng)
    if not sd >= 0:
        raise ValueError(f"{who}: expected sd, a standard deviation, to be at least 0, got {sd!r}")


def _blur(points, rng, sd):
    return (points + sd * rng.standard_normal(points.shape)).astype(np.float32)
