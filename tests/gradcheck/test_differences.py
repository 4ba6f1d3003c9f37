"""Derivatives by complex steps and by differences: their accuracy, and the rounding that they report."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygen.gradcheck.differences import complex_step, five_points, ladder
from tinygen.gradcheck.limits import EPS, FLOOR, LADDER, STEP
from tinygen.gradcheck.point import normal


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_five_points_are_exact_for_quartics(seed, n):
    rng = np.random.default_rng(seed)
    x, t, c = rng.normal(size=n), rng.normal(size=n) / n, rng.normal(size=5)
    powers = np.arange(5)

    def f(x):
        return (c * x[:, None] ** powers).sum(axis=1)

    true = (c * powers * x[:, None] ** np.maximum(powers - 1, 0)).sum(axis=1) * t
    slope = five_points(f, x, t, f(x))
    reached = np.abs(c) @ (np.abs(x).max() + 2 * STEP) ** powers  # an upper bound of all values in between
    assert np.abs(slope.value - true).max() <= 20 * EPS * reached / STEP
    assert not slope.kinked.any()


@given(st.floats(1e-4, 1e-2), st.floats(0.5, 2))
def test_the_ladder_finds_slopes_near_a_pole_and_their_accuracy(x, t):
    x, t = np.array([x]), np.array([t])
    slope = ladder(lambda x: 1 / x, x, t, 1 / x, LADDER)
    true = -t / x**2
    assert abs(slope.value - true) <= 8 * slope.doubt <= 1e-6 * abs(true)


@given(st.floats(1e-5, 1e-3), st.booleans())
def test_the_ladder_steps_between_the_point_and_a_kink(distance, right):
    x = np.array([distance if right else -distance])
    slope = ladder(lambda x: np.maximum(x, 0), x, np.ones(1), np.maximum(x, 0), LADDER)
    assert abs(slope.value[0] - right) <= 1e-10
    assert not slope.kinked.any()


@given(st.floats(0, 1e-16), st.floats(0.01, 100))
def test_a_point_on_a_kink_is_reported(distance, steepness):
    x = np.array([distance])
    f = lambda x: steepness * np.abs(x)
    assert five_points(f, x, np.ones(1), f(x)).kinked.all()
    assert ladder(f, x, np.ones(1), f(x), LADDER).kinked.all()


@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 10))
def test_curvature_is_not_a_kink(seed, shift, curvature):
    x = np.random.default_rng(seed).normal(size=3)
    f = lambda x: np.array([np.sin(curvature * x[0]), np.exp(x[1]) + shift, x[2] ** 2])
    t = np.ones(3) / math.sqrt(3)
    assert not five_points(f, x, t, f(x)).kinked.any()
    assert not ladder(f, x, t, f(x), LADDER).kinked.any()


@given(st.floats(-3, 3))
def test_complex_steps_are_exact_to_rounding(x):
    slope = complex_step(lambda x: np.exp(x) * np.sin(x), np.array([x]), np.ones(1))
    true = math.exp(x) * (math.sin(x) + math.cos(x))
    assert abs(slope.value[0] - true) <= 4 * EPS * math.exp(x)


@given(st.integers(0, 2**32 - 1))
def test_no_component_of_a_direction_is_near_zero(seed):
    x = normal(np.random.default_rng(seed), (100,))
    assert np.abs(x).min() >= FLOOR
    assert (x < 0).any() and (x > 0).any()
