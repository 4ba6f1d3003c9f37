"""Corruption of images: its moments, its random numbers, and erased pixels."""

import numpy as np
import pytest

from tinygen.models import Erasures, GaussianNoise

DAMAGES = [GaussianNoise(0.4), Erasures(0.3)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("corrupt", DAMAGES, ids=str)
def test_damage_has_the_moments_that_the_filter_counts_with(corrupt):
    n, x = 40_000, rng(1).random(9)
    draws = corrupt(np.tile(x, (n, 1)), rng(2))
    mean, variance = corrupt.kept * x, np.array([corrupt.variance(np.array([v * v]))[0] for v in x])
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(variance / n)).all()
    fourth = ((draws - mean) ** 4).mean(axis=0)
    assert (np.abs(((draws - mean) ** 2).mean(axis=0) - variance) < 5 * np.sqrt((fourth - variance**2) / n)).all()
    between = np.corrcoef(draws.T) - np.eye(9)  # pixels are damaged each by itself
    assert np.abs(between).max() < 5 / np.sqrt(n)


@pytest.mark.parametrize("corrupt", DAMAGES, ids=str)
def test_damage_is_drawn_from_the_generator_and_changes_nothing_else(corrupt):
    x = rng(1).random((3, 4, 4, 1), dtype=np.float32)
    before = x.copy()
    first, again, other = corrupt(x, rng(2)), corrupt(x, rng(2)), corrupt(x, rng(3))
    assert first.dtype == x.dtype and first.shape == x.shape and (x == before).all()
    assert (first == again).all() and (first != other).any()


def test_erased_pixels_are_black_and_the_others_as_they_were():
    x = rng(1).uniform(0.1, 1, size=(100, 100))
    seen = Erasures(0.3)(x, rng(2))
    assert ((seen == 0) | (seen == x)).all()
    assert (Erasures(0.0)(x, rng(2)) == x).all() and (Erasures(1.0)(x, rng(2)) == 0).all()
