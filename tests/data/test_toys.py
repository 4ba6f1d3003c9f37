"""The toys have their densities: a correct sampler fails each statistical test once in 10⁹ runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygen.data import grid, grid_centres, moons, ring, ring_centres, swiss_roll

RARE = 1e-9
SEEDS = st.integers(0, 2**32 - 1)
TOYS = [ring, grid, moons, swiss_roll]


def assert_normal_noise(noise, sd):
    """Independent N(0, sd²) entries: their mean, their squares and the product of the coordinates."""
    z = noise.astype(np.float64) / sd  # (n, 2)
    n = len(z)
    limit = stats.norm.isf(RARE / 2)
    assert np.all(np.abs(z.mean(axis=0)) < limit / np.sqrt(n))
    assert stats.chi2.ppf(RARE / 2, n) < (z**2).sum(axis=0).min()
    assert (z**2).sum(axis=0).max() < stats.chi2.isf(RARE / 2, n)
    assert np.abs(stats.pearsonr(z[:, 0], z[:, 1]).statistic) < limit / np.sqrt(n)
    assert stats.kstest(z.ravel(), "norm").pvalue > RARE


def assert_uniform(values, low, high):
    assert stats.kstest(values.astype(np.float64), stats.uniform(low, high - low).cdf).pvalue > RARE


def assert_balanced(labels, count):
    assert stats.chisquare(np.bincount(labels, minlength=count)).pvalue > RARE


@given(SEEDS)
def test_ring(seed):
    points, labels = ring(4000, np.random.default_rng(seed), modes=6, radius=2.0, sd=0.1)
    angle = 2 * np.pi * labels / 6
    assert_balanced(labels, 6)
    assert_normal_noise(points - 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.1)


@given(SEEDS)
def test_grid(seed):
    points, labels = grid(4000, np.random.default_rng(seed))
    assert_balanced(labels, 25)
    column, row = labels % 5, labels // 5
    assert_normal_noise(points - np.stack([2 * column - 4, 2 * row - 4], axis=1), 0.05)


@given(SEEDS)
def test_moons(seed):
    points, labels = moons(4000, np.random.default_rng(seed), sd=0)
    upper, lower = points[labels == 0], points[labels == 1]
    assert_balanced(labels, 2)
    for x, y in (upper.T, (1 - lower[:, 0], 0.5 - lower[:, 1])):
        np.testing.assert_allclose(x**2 + y**2, 1, rtol=0, atol=1e-6)  # a few float32 roundings
        assert y.min() > -1e-6
        assert_uniform(np.arctan2(np.abs(y), x), 0, np.pi)


@given(SEEDS)
def test_swiss_roll(seed):
    points, t = swiss_roll(4000, np.random.default_rng(seed), sd=0)
    t = t.astype(np.float64)
    assert_uniform(t, 1.5 * np.pi, 4.5 * np.pi)
    curve = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / (4.5 * np.pi)
    np.testing.assert_allclose(points, curve, rtol=0, atol=2e-6)  # t is rounded to float32: 1e-6 at 14


@given(SEEDS, st.sampled_from([moons, swiss_roll]))
def test_the_noise_of_the_curves(seed, toy):
    clean, _ = toy(4000, np.random.default_rng(seed), sd=0)
    points, _ = toy(4000, np.random.default_rng(seed), sd=0.2)  # the same draws, followed by the noise
    assert_normal_noise(points - clean, 0.2)


def test_the_defaults_are_those_of_the_papers():
    angle = np.arange(8) * np.pi / 4
    np.testing.assert_allclose(ring_centres(), np.stack([np.cos(angle), np.sin(angle)], axis=1), atol=1e-15)
    assert sorted(map(tuple, grid_centres())) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]
    for toy, centres, sd in ((ring, ring_centres(), 0.01), (grid, grid_centres(), 0.05)):
        points, labels = toy(4000, np.random.default_rng(0))
        assert_normal_noise(points - centres[labels], sd)


@pytest.mark.parametrize("toy", TOYS)
@given(st.integers(0, 50), SEEDS)
def test_shape_type_and_the_same_points_from_the_same_seed(toy, n, seed):
    (points, labels), (again, labels_again) = (toy(n, np.random.default_rng(seed)) for _ in range(2))
    assert points.shape == (n, 2) and points.dtype == np.float32
    assert labels.shape == (n,) and labels.dtype == (np.float32 if toy is swiss_roll else np.int64)
    assert np.array_equal(points, again) and np.array_equal(labels, labels_again)


@pytest.mark.parametrize("toy", TOYS)
def test_errors(toy):
    rng = np.random.default_rng(0)
    name = toy.__name__
    with pytest.raises(ValueError, match=f"{name}: expected n to be a whole number of at least 0, got -1"):
        toy(-1, rng)
    with pytest.raises(TypeError, match=f"{name}: expected n to be a whole number of at least 0, got 2.5"):
        toy(2.5, rng)
    with pytest.raises(TypeError, match=rf"{name}: expected rng to be a numpy.* got 0: pass rng=np\.random"):
        toy(10, 0)
    with pytest.raises(ValueError, match=f"{name}: expected sd, .* got nan"):
        toy(10, rng, sd=float("nan"))


def test_errors_of_the_centres():
    with pytest.raises(ValueError, match="ring: expected modes to be a whole number of at least 1, got 0"):
        ring(10, np.random.default_rng(0), modes=0)
    with pytest.raises(TypeError, match="grid: expected side to be a whole number"):
        grid(10, np.random.default_rng(0), side=2.5)
