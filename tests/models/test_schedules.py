"""Noise schedules: adding noise, predictions, single steps backwards, and the times that samplers use."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.models import (
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
)
from tinygen.models.schedules import PREDICTION_TYPES

SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
each_schedule = pytest.mark.parametrize("schedule", [f() for f in SCHEDULES.values()], ids=SCHEDULES)
chains = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30)  # β₁ ... β_T


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- forwards ----------------------------------------------------------------------------------------------------------


def test_the_linear_schedule_is_that_of_the_paper():
    schedule = linear_schedule()
    np.testing.assert_allclose(np.diff(schedule.betas[1:]), (0.02 - 1e-4) / 999, rtol=1e-9)
    assert schedule.betas[1] == 1e-4 and schedule.betas[-1] == 0.02


def test_the_cosine_schedule_is_that_of_the_paper():
    def f(t):
        return np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2

    t = np.arange(1000)
    np.testing.assert_allclose(cosine_schedule().alpha_bar[:-1], f(t) / f(0), rtol=1e-10)
    assert cosine_schedule().betas[-1] == 0.999


@each_schedule
def test_it_begins_with_all_of_the_data_and_ends_with_almost_none(schedule):
    assert schedule.alpha_bar[0] == 1 and 0 < schedule.alpha_bar[-1] < 1e-4
    assert schedule.alpha_bar.shape == schedule.snr.shape == schedule.betas.shape == (1001,)


@given(chains)
def test_the_signal_to_noise_ratio_falls(betas):
    snr = NoiseSchedule(betas).snr
    assert np.isinf(snr[0]) and (np.diff(snr) < 0).all()


@given(chains)
def test_noise_in_one_go_is_the_noise_of_all_the_steps(betas):
    """x_t = √(1 - β_t) x_{t-1} + √β_t z: the mean shrinks at each step, the variance shrinks and grows by β_t."""
    schedule, one, zero = NoiseSchedule(betas), np.ones((1, 1)), np.zeros((1, 1))
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(betas, 1):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert schedule.add_noise(one, zero, t).item() == pytest.approx(mean, rel=1e-12)
        assert schedule.add_noise(zero, one, t).item() ** 2 == pytest.approx(variance, rel=1e-10)


def test_each_example_has_a_time_of_its_own():
    schedule, x, eps = linear_schedule(), rng(1).normal(size=(3, 4, 4, 2)), rng(2).normal(size=(3, 4, 4, 2))
    x_t = schedule.add_noise(x, eps, np.array([0, 10, 1000]))
    np.testing.assert_array_equal(x_t[0], x[0])
    for i, t in enumerate((0, 10, 1000)):
        np.testing.assert_array_equal(x_t[i], schedule.add_noise(x[i : i + 1], eps[i : i + 1], t)[0])
    assert schedule.add_noise(x.astype(np.float32), eps.astype(np.float32), 5).dtype == np.float32


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("known", PREDICTION_TYPES)
@pytest.mark.parametrize("wanted", PREDICTION_TYPES)
def test_every_prediction_becomes_every_other(make, known, wanted):
    known, wanted = make(prediction_type=known), make(prediction_type=wanted)
    t = np.concatenate([[1, 1000], rng(0).integers(1, 1001, size=98)])
    x_0, eps = rng(1).normal(size=(100, 3)), rng(2).normal(size=(100, 3))
    x_t = known.add_noise(x_0, eps, t)
    seen = known.split(known.target(x_0, eps, t), x_t, t)
    np.testing.assert_allclose(seen, (x_0, eps), rtol=0, atol=1e-10)
    np.testing.assert_allclose(wanted.target(*seen, t), wanted.target(x_0, eps, t), rtol=0, atol=1e-10)


def test_what_a_prediction_is():
    x_0, eps = np.array([[2.0]]), np.array([[3.0]])
    half = NoiseSchedule([0.36], prediction_type="v_prediction")  # √ᾱ = 0.8, √(1 - ᾱ) = 0.6
    assert half.target(x_0, eps, 1) == pytest.approx(0.8 * 3 - 0.6 * 2)
    assert NoiseSchedule([0.36]).target(x_0, eps, 1) == 3
    assert NoiseSchedule([0.36], prediction_type="sample").target(x_0, eps, 1) == 2


# -- one step backwards ------------------------------------------------------------------------------------------------


@given(chains, st.data())
def test_a_step_with_eta_1_is_the_posterior_of_the_chain(betas, data):
    """q(x_s | x_t, x_0) by Bayes: N(x_s; √ᾱ_s x_0, 1 - ᾱ_s) times N(x_t; √α x_s, 1 - α), with α = ᾱ_t/ᾱ_s."""
    schedule = NoiseSchedule(betas)
    t = data.draw(st.integers(1, len(betas)))
    s = data.draw(st.integers(0, t - 1))
    x_0, eps = 0.7, -1.3
    x_t = schedule.add_noise(np.array([[x_0]]), np.array([[eps]]), t).item()
    alpha = np.prod(1 - np.array(betas[s:t]))
    before = 1 - schedule.alpha_bar[s]
    variance = before * (1 - alpha) / (before * alpha + 1 - alpha)
    mean = (np.sqrt(schedule.alpha_bar[s]) * x_0 * (1 - alpha) + np.sqrt(alpha) * x_t * before) / (
        before * alpha + 1 - alpha
    )
    assert schedule.sigma(t, s, eta=1) ** 2 == pytest.approx(variance, rel=1e-9, abs=1e-15)
    x_s = schedule.step(np.array([[x_0]]), np.array([[eps]]), t, s, eta=1, rng=Once(0.0))
    assert x_s.item() == pytest.approx(mean, rel=1e-9, abs=1e-9)


def test_a_step_keeps_the_variance_where_hardly_any_data_is_left():
    schedule, zero, one = NoiseSchedule(rng(0).uniform(0.3, 0.999, size=60)), np.zeros((1, 1)), np.ones((1, 1))
    for s, t in combinations(range(61), 2):
        by_eps = schedule.step(zero, one, t, s, eta=1, rng=Once(0.0)).item()
        by_z = schedule.step(zero, zero, t, s, eta=1, rng=Once(1.0)).item()
        assert by_eps**2 + by_z**2 == pytest.approx(1 - schedule.alpha_bar[s], abs=1e-12)


@given(chains, st.floats(0, 1), st.data())
def test_a_step_keeps_the_marginals(betas, eta, data):
    """Of true x_0 and ε any η makes an x_s of the right mean and variance, and s = 0 gives x_0 back."""
    schedule = NoiseSchedule(betas)
    t = data.draw(st.integers(1, len(betas)))
    s = data.draw(st.integers(0, t - 1))
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    by_x_0, by_eps, by_z = (
        schedule.step(x, e, t, s, eta=eta, rng=Once(z)).item()
        for x, e, z in ((one, zero, 0.0), (zero, one, 0.0), (zero, zero, 1.0))
    )
    assert by_x_0**2 == pytest.approx(schedule.alpha_bar[s], rel=1e-12)
    assert by_eps**2 + by_z**2 == pytest.approx(1 - schedule.alpha_bar[s], rel=1e-9, abs=1e-12)
    if s == 0:
        assert (by_x_0, by_eps, by_z) == (1, 0, 0)


class Once:
    """A generator that always draws the same."""

    def __init__(self, z: float):
        self.z = z

    def standard_normal(self, shape, dtype):
        return np.full(shape, self.z, dtype)


@given(st.integers(1, 1000), st.data())
def test_samplers_visit_falling_times_from_T_to_0(T, data):
    steps = data.draw(st.integers(1, T))
    times = linear_schedule(T).timesteps(steps)
    assert len(times) == steps + 1 and times[0] == T and times[-1] == 0
    gaps = -np.diff(times)
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@given(st.integers(1, 1000), st.sampled_from([1.25, 1.5, 2, 3]), st.data())
def test_with_a_power_they_are_dense_near_the_data(T, power, data):
    steps = data.draw(st.integers(1, T))
    schedule = linear_schedule(T)
    times = schedule.timesteps(steps, power=power)
    assert len(times) == steps + 1 and times[0] == T and times[-1] == 0 and (np.diff(times) < 0).all()
    for i, t in enumerate(reversed(times)):
        assert t == i or t - 1e-9 <= T * (i / steps) ** power < t + 1 + 1e-9
    assert schedule.timesteps(times) == times and schedule.timesteps(np.array(times)) == times


def test_the_first_time_is_not_rounded():
    assert linear_schedule(998).timesteps(581, power=1.5)[0] == 998  # 998 · 581^1.5 / 581^1.5 = 997.9999999999999
