"""The weather has the statistics that its constants state: a correct generator fails each test once in 10⁹ runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygen.data import daily_weather
from tinygen.data import weather as module

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 20), st.integers(3, 12))
def test_a_storm_is_a_round_hole_in_the_same_background(seed, days, size):
    calm = daily_weather(days, np.random.default_rng(seed), size=size, storms=0)
    rough = daily_weather(days, np.random.default_rng(seed), size=size, storms=0.5)
    assert not calm.storm.any() and not calm.depth.any() and np.isnan(calm.centre).all()
    holes = calm.fields.astype(float) - rough.fields.astype(float)
    y, x = np.mgrid[:size, :size]
    for i in range(days):
        expected = np.zeros((size, size))
        if rough.storm[i]:
            squares = (y - rough.centre[i, 0]) ** 2 + (x - rough.centre[i, 1]) ** 2
            expected = rough.depth[i] * np.exp(-squares / (2 * (module.RADIUS * size) ** 2))
        np.testing.assert_allclose(holes[i, ..., 0], expected, atol=1e-3)  # hPa; float32 of a thousand of them


def test_the_number_and_the_depth_of_storms():
    weather = daily_weather(20_000, np.random.default_rng(0), size=3, storms=0.1)
    assert stats.binomtest(int(weather.storm.sum()), 20_000, 0.1).pvalue > 1e-9
    assert (weather.depth > 0).tolist() == weather.storm.tolist()
    law = stats.pareto(module.TAIL, scale=module.DEPTH)
    assert stats.kstest(weather.depth[weather.storm], law.cdf).pvalue > 1e-9
    assert stats.kstest(weather.centre[weather.storm].ravel(), stats.uniform(-0.5, 3).cdf).pvalue > 1e-9


def test_the_season_the_memory_and_the_smoothness_of_the_background():
    years = 40
    weather = daily_weather(years * module.YEAR, np.random.default_rng(1), size=8, storms=0)
    fields = weather.fields[..., 0].astype(float)
    assert weather.day[:3].tolist() == [0, 1, 2] and weather.day[module.YEAR] == 0
    angle = 2 * np.pi * (weather.day - 15) / module.YEAR
    north, south = (2 * (np.cos(angle)[:, None] * fields[:, row]).mean() for row in (0, -1))  # amplitudes
    place = 0.5 / 8
    # The standard error of an amplitude, with sd 10 hPa and a memory of (1 + 0.7) / (1 - 0.7) days, is below 0.3.
    assert abs(north - module.SEASON * (4 / 3 - 2 / 3 * place)) < 6 * 0.3
    assert abs(south - module.SEASON * (2 / 3 + 2 / 3 * place)) < 6 * 0.3
    rows = (np.arange(8) + 0.5) / 8
    rest = fields - module.MEAN - module.SEASON * np.cos(angle)[:, None, None] * (4 / 3 - 2 / 3 * rows)[:, None]
    variance = module.SMOOTH**2 + module.PIXEL**2
    assert (rest**2).mean() == pytest.approx(variance, rel=0.1)
    day = (rest[1:] * rest[:-1]).mean() / variance
    assert day == pytest.approx(module.PERSISTENCE * module.SMOOTH**2 / variance, abs=0.05)
    beside = (rest[:, 1:] * rest[:, :-1]).mean() / variance
    assert beside > 0.8


def test_storms_hide_in_the_background():
    """The lowest pressure says little; the pattern, freed of the smooth part by a projection, says much."""
    weather = daily_weather(2000, np.random.default_rng(2))
    rows = weather.fields.reshape(2000, -1).astype(float)
    rows -= rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows[~weather.storm], full_matrices=False)
    rest = rows - rows @ axes[:20].T @ axes[:20]
    lowest, pattern = -rows.min(axis=1), (rest**2).sum(axis=1)

    def area(scores):
        return stats.mannwhitneyu(scores[weather.storm], scores[~weather.storm]).statistic / (
            weather.storm.sum() * (~weather.storm).sum()
        )

    assert area(lowest) < 0.75 and area(pattern) > 0.9


def test_what_is_no_weather_is_refused():
    with pytest.raises(ValueError, match=r"daily_weather: expected storms to be a number"):
        daily_weather(3, np.random.default_rng(0), storms=2)
    with pytest.raises(ValueError, match=r"daily_weather: expected days to be a whole number"):
        daily_weather(0, np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"pass rng=np.random.default_rng\(0\)"):
        daily_weather(3, None)
