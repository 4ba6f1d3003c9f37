"""Calls are drawn so that each listed shape has its turn; numbers of another law, or dependent ones, are found."""

import numpy as np
import pytest
from scipy import special, stats

from tinygen.exercises.draws import CLOSE, FAR, SIGMAS, TAIL, in_turn, not_normal, not_signs, not_uniform, uniform
from tinygen.exercises.outcome import SEEDS, SIZES


def taken(options, sizes):
    return [in_turn(np.random.default_rng(seed), size, options) for size in sizes for seed in range(SEEDS)]


@pytest.mark.parametrize("count", [1, 3, 8, 12])
def test_values_and_derivatives_take_every_option(count):
    options = [*range(count)]
    assert set(taken(options, range(SIZES))) == set(options)
    assert set(taken(options, (1, 2, 3))) == set(options)


def test_the_smallest_option_comes_first():
    assert taken([*range(20)], range(SIZES)) == [*range(20)]


def test_numbers_stay_between_the_bounds_in_both_layouts():
    drawn = [uniform(np.random.default_rng(seed), (3, 4), -0.5, 0.25) for seed in range(8)]
    assert {a.flags.c_contiguous for a in drawn} == {True, False}
    for a in drawn:
        assert a.shape == (3, 4)
        assert np.all((a >= -0.5) & (a < 0.25))


# -- tests of distribution and of independence -------------------------------------------------------------------------

N = 40_000


def generators(count: int = 8):
    return [np.random.default_rng(seed) for seed in range(count)]


def box_and_muller(u, v):
    return np.sqrt(-2 * np.log(1 - u)) * [np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)]


NORMAL = {
    "normal": lambda rng: rng.normal(size=N),
    "float32": lambda rng: rng.standard_normal(N, np.float32),
    "quantiles of uniform numbers": lambda rng: special.ndtri(rng.random(N)),
    "Box and Muller": lambda rng: box_and_muller(rng.random(N // 2), rng.random(N // 2)),
    "another order in memory": lambda rng: rng.standard_normal((200, 10, 20)).T,
}
NOT_NORMAL = {
    "uniform": lambda rng: rng.uniform(-(3**0.5), 3**0.5, N),
    "triangle": lambda rng: rng.triangular(-(6**0.5), 0, 6**0.5, N),
    "logistic": lambda rng: rng.logistic(0, 3**0.5 / np.pi, N),
    "Student's t": lambda rng: rng.standard_t(8, N) * 0.75**0.5,
    "clipped at 2": lambda rng: np.clip(rng.normal(size=N), -2, 2),
    "clipped at 3": lambda rng: np.clip(rng.normal(size=N), -3, 3),
    "a larger mean": lambda rng: rng.normal(0.05, 1, N),
    "a larger variance": lambda rng: rng.normal(0, 1.03, N),
    "standardised": lambda rng: (z := rng.normal(size=N), (z - z.mean()) / z.std())[1],
    "sorted": lambda rng: np.sort(rng.normal(size=N)),
    "sorted rows": lambda rng: np.sort(rng.normal(size=(N // 4, 4)), axis=1),
    "a grid in random order": lambda rng: special.ndtri((rng.permutation(N) + 0.5) / N),
    "one number in each cell of a grid": lambda rng: special.ndtri((rng.permutation(N) + rng.random(N)) / N),
    "a call repeated": lambda rng: np.tile(rng.normal(size=N // 2), 2),
    "a call with other signs": lambda rng: (z := rng.normal(size=N // 2), np.concatenate([z, -z]))[1],
    "one size, two signs": lambda rng: (z := rng.normal(size=N // 2), z * rng.choice([-1, 1], (2, N // 2)))[1],
    "rows that share a part": lambda rng: (rng.normal(size=(N // 4, 4)) + rng.normal(size=(N // 4, 1))) / 2**0.5,
    "NaN": lambda rng: np.full(N, np.nan),
}


@pytest.mark.parametrize("draw", NORMAL.values(), ids=NORMAL)
def test_every_way_to_draw_normal_numbers_is_right(draw):
    assert [not_normal(draw(rng)) for rng in generators()] == [""] * 8


@pytest.mark.parametrize("draw", NOT_NORMAL.values(), ids=NOT_NORMAL)
def test_other_laws_and_numbers_that_depend_on_each_other_are_not(draw):
    assert all(not_normal(draw(rng)) for rng in generators(3))


M = 4000
UNIFORM = {
    "uniform": lambda rng: rng.random(M),
    "float32": lambda rng: rng.random(M, np.float32),
    "from 1": lambda rng: 1 - rng.random((M, 1, 1)),
}
NOT_UNIFORM = {
    "beta": lambda rng: rng.beta(0.5, 0.5, M),
    "triangle": lambda rng: rng.triangular(0, 0.5, 1, M),
    "up to 0.99": lambda rng: rng.uniform(0, 0.99, M),
    "beyond 1": lambda rng: rng.uniform(0, 1.01, M),
    "sorted": lambda rng: np.sort(rng.random(M)),
    "a grid": lambda rng: rng.permutation(np.linspace(0, 1, M)),
    "in pairs": lambda rng: (t := rng.random(M // 2), np.concatenate([t, 1 - t]))[1],
    "hundredths": lambda rng: rng.integers(0, 101, M) / 100,
}


@pytest.mark.parametrize("draw", UNIFORM.values(), ids=UNIFORM)
def test_every_way_to_draw_uniform_numbers_is_right(draw):
    assert [not_uniform(draw(rng)) for rng in generators()] == [""] * 8


@pytest.mark.parametrize("draw", NOT_UNIFORM.values(), ids=NOT_UNIFORM)
def test_other_numbers_are_not_uniform(draw):
    assert all(not_uniform(draw(rng)) for rng in generators(3))


def test_signs():
    for rng in generators():
        s = rng.choice([-1, 1], M)
        assert not_signs(s) == ""
        for wrong in (0 * s, rng.normal(size=M), np.sort(s), np.repeat(s, 2), -np.abs(s), np.tile(s, 2)):
            assert not_signs(wrong)
        assert not_signs(rng.choice([-1, 1], M, p=[0.4, 0.6]))


def test_the_limits_of_the_largest_distance_are_those_of_kolmogorov():
    assert stats.kstwobign.sf(FAR) < 1e-6 and stats.kstwobign.cdf(CLOSE) < 1e-6
    assert np.exp(-TAIL) < 1e-6 and N * 2 * stats.norm.sf(SIGMAS) < 1e-6 and 2 * stats.norm.sf(SIGMAS / 2**0.5) < 1e-6
