"""The swiss roll in D dimensions: its true coordinates are distances on the sheet, and noise is noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from tinygen.data import swiss_roll_nd

SEEDS = st.integers(0, 2**32 - 1)


def roll(n, seed=0, **settings):
    return swiss_roll_nd(n, np.random.default_rng(seed), **settings)


@given(SEEDS, st.integers(3, 20), st.integers(0, 30))
def test_the_points_are_the_formula_in_three_orthogonal_directions(seed, dimensions, n):
    points, coordinates = roll(n, seed, dimensions=dimensions, sd=0)
    rng = np.random.default_rng(seed)
    t, height = rng.uniform(1.5 * np.pi, 4.5 * np.pi, n), rng.uniform(-1, 1, n)
    flat = np.stack([t * np.cos(t), t * np.sin(t), 4.5 * np.pi * height], axis=1) / (4.5 * np.pi)
    assert points.shape == (n, dimensions) and points.dtype == coordinates.dtype == np.float32
    np.testing.assert_allclose(points @ points.T, flat @ flat.T, atol=1e-5)  # so all distances and angles
    np.testing.assert_allclose(coordinates[:, 1], height, atol=1e-6)
    for angle, along in zip(t[:3], coordinates[:3, 0]):
        length = integrate.quad(lambda t: np.hypot(1, t), 1.5 * np.pi, angle)[0]
        assert along == pytest.approx(length / (4.5 * np.pi), abs=1e-5)


def test_neighbours_on_the_sheet_are_as_far_apart_in_space():
    points, coordinates = roll(3000, sd=0)
    gaps = np.linalg.norm(coordinates[:, None, :] - coordinates[None, :200], axis=2)
    space = np.linalg.norm(points[:, None, :] - points[None, :200], axis=2)
    near = (gaps > 0.01) & (gaps < 0.05)
    assert near.sum() > 100
    np.testing.assert_allclose(space[near], gaps[near], rtol=0.01)


def test_every_dimension_is_used_and_has_the_noise():
    clean, noisy = roll(5000, sd=0)[0], roll(5000, sd=0.2)[0]
    assert (clean.std(axis=0) > 0.01).all()
    z = (noisy - clean).astype(float) / 0.2
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-9
    assert np.abs(np.corrcoef(z.T) - np.eye(10)).max() < 6.5 / np.sqrt(5000)


def test_two_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"swiss_roll_nd: expected dimensions to be a whole number of at least 3"):
        roll(5, dimensions=2)
    with pytest.raises(ValueError, match=r"swiss_roll_nd: expected sd to be a number"):
        roll(5, sd=-1)
