"""The samplers DDIM and DDPM, compared with exact solutions for Gaussians and mixtures."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tinygen.evaluate import metrics
from tinygen.models import (
    GaussianMixture,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    ddpm,
    gaussian_recursion,
    linear_schedule,
    reverse,
)
from tinygen.models.schedules import PREDICTION_TYPES


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
each_schedule = pytest.mark.parametrize("schedule", [f() for f in SCHEDULES.values()], ids=SCHEDULES)
chains = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30)  # β₁ ... β_T


# -- one step backwards ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", [ddim, ddpm])
@pytest.mark.parametrize(
    "steps", [0, -1, True, 2.5, 21, np.float64(3), [20, 10, 1], [], [5, 5, 0], [5, 10, 0], [30, 0]]
)
def test_samplers_refuse_steps_that_do_not_lead_from_noise_to_data(sampler, steps):
    with pytest.raises((TypeError, ValueError), match=r"^timesteps: [^\n]*got [^\n]*$"):
        sampler(linear_schedule(20), lambda x, t: x, np.zeros((2, 1)), rng(0), steps=steps)


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_samplers_take_times_or_their_number_of_any_type(sampler):
    schedule = linear_schedule(20)
    drawn = [
        sampler(schedule, lambda x, t: 0.1 * x, np.ones((3, 1)), rng(0), steps=steps).tolist()
        for steps in (2, np.int64(2), np.array(2), [20, 10, 0], (20, 10, 0), np.array([20, 10, 0]))
    ]
    assert all(x == drawn[0] for x in drawn)


# -- the samplers as functions -----------------------------------------------------------------------------------------


def test_a_sampler_can_be_watched():
    schedule, mixture = linear_schedule(100, beta_start=1e-3, beta_end=0.2), GaussianMixture([[1.0, 2.0]], 0.1)
    x_T = rng(0).standard_normal((4, 2), dtype=np.float32)
    states = list(reverse(schedule, mixture.denoiser(schedule), x_T, rng(1), steps=10, eta=1))
    assert [state.t for state in states] == [100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0]
    assert states[0].x is x_T and states[-1].x_0 is states[-1].x
    assert all(state.x.dtype == state.x_0.dtype == np.float32 for state in states)
    np.testing.assert_allclose(states[0].x_0, [[1, 2]] * 4, atol=0.1)  # of noise alone the best guess is the mean
    np.testing.assert_array_equal(states[-1].x, ddpm(schedule, mixture.denoiser(schedule), x_T, rng(1), steps=10))


def test_ddim_draws_nothing_and_ddpm_draws_from_the_generator_it_is_given():
    schedule = linear_schedule(100, beta_start=1e-3, beta_end=0.2)
    denoiser, x_T = GaussianMixture([[0.0]], 1.0).denoiser(schedule), rng(0).standard_normal((5, 1))
    untouched = rng(1)
    np.testing.assert_array_equal(ddim(schedule, denoiser, x_T, untouched), ddim(schedule, denoiser, x_T))
    assert untouched.random() == rng(1).random()
    np.testing.assert_array_equal(ddpm(schedule, denoiser, x_T, rng(1)), ddpm(schedule, denoiser, x_T, rng(1)))
    assert (ddpm(schedule, denoiser, x_T, rng(1)) != ddpm(schedule, denoiser, x_T, rng(2))).all()


def test_clip_keeps_the_guess_in_range_and_the_noise_in_step_with_it():
    schedule = linear_schedule(100, beta_start=1e-3, beta_end=0.2)

    def wrong(x, t):
        return np.full_like(x, 3.0)

    for state in reverse(schedule, wrong, rng(0).standard_normal((6, 2)), steps=100, eta=0, clip=1):
        assert np.abs(state.x_0).max() <= 1
        following = state.x
    assert np.abs(following).max() <= 1
    assert np.abs(ddim(schedule, wrong, rng(0).standard_normal((6, 2)))).max() > 10
    one = schedule.alpha_bar[100]
    first, second, *_ = reverse(schedule, wrong, np.full((1, 1), 40.0), steps=100, eta=0, clip=1)
    eps = (40 - np.sqrt(one) * first.x_0) / np.sqrt(1 - one)
    ahead = schedule.alpha_bar[99]
    np.testing.assert_allclose(second.x, np.sqrt(ahead) * first.x_0 + np.sqrt(1 - ahead) * eps, rtol=1e-12)


# -- one Gaussian: every step is linear, so all that comes out is known ------------------------------------------------


class Silence:
    """A generator that draws zeros."""

    def standard_normal(self, shape, dtype):
        return np.zeros(shape, dtype)


class Probe:
    """A generator whose k-th draw is 1 for the k-th example and 0 for all others: it reads off a linear sampler."""

    def __init__(self):
        self.draws = 0

    def standard_normal(self, shape, dtype):
        z = np.zeros(shape, dtype)
        z[self.draws] = 1
        self.draws += 1
        return z


def mean_and_variance(schedule, denoiser, *, steps, eta):
    """Mean and variance of the samples from N(0, 1): the output without noise, and for each source of noise alone."""
    n = steps if isinstance(steps, int) else len(steps) - 1
    x_T = np.zeros((n + 1, 1))
    x_T[n] = 1
    probe = Probe()
    nothing = ddim(schedule, denoiser, np.zeros((n + 1, 1)), Silence(), steps=steps, eta=eta)[0, 0]
    outputs = ddim(schedule, denoiser, x_T, probe, steps=steps, eta=eta)[:, 0] - nothing
    assert probe.draws == (n - 1 if eta else 0)  # none at the last step
    return nothing, (outputs**2).sum()


def recursion(schedule, mean, sd, *, steps, eta):
    """The same by the rules of joint Gaussians: (x_t, x_0 | x_t, z) to x_s, in the sampler's own mean and variance."""
    mu, var = 0.0, 1.0
    evenly = lambda n: [schedule.num_train_timesteps * i // n for i in range(n, -1, -1)]
    times = evenly(steps) if isinstance(steps, int) else steps
    for t, s in pairwise(times):
        a, b = np.sqrt(schedule.alpha_bar[t]), np.sqrt(1 - schedule.alpha_bar[t])
        alpha = np.prod(1 - schedule.betas[s + 1 : t + 1])
        sigma2 = eta**2 * (1 - schedule.alpha_bar[s]) * (1 - alpha) / b**2
        gain = a * sd**2 / (a**2 * sd**2 + b**2)  # Cov(x_0, x_t) / Var(x_t)
        guess = mean + gain * (mu - a * mean)
        along_eps = np.sqrt(max(0, 1 - schedule.alpha_bar[s] - sigma2)) / b
        mu, slope = (
            np.sqrt(schedule.alpha_bar[s]) * guess + along_eps * (mu - a * guess),
            (np.sqrt(schedule.alpha_bar[s]) * gain + along_eps * (1 - a * gain)),
        )
        var = slope**2 * var + sigma2
    return mu, var


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize(
    "steps, prediction_type",
    [
        *((n, "epsilon") for n in (1, 2, 3, 7, 50, 1000)),
        *((10, name) for name in PREDICTION_TYPES[1:]),
        ([1000, 640, 360, 160, 40, 0], "epsilon"),
    ],
)
def test_the_sampler_has_the_mean_and_variance_of_the_recursion(make, steps, prediction_type):
    schedule = make(prediction_type=prediction_type)
    for mean, sd in ((0.8, 0.3), (-2.0, 1.5)):
        denoiser = GaussianMixture([[mean]], sd).denoiser(schedule)
        for eta in (0, 0.3, 1):
            expected = recursion(schedule, mean, sd, steps=steps, eta=eta)
            assert gaussian_recursion(schedule, mean, sd, steps=steps, eta=eta) == pytest.approx(expected, abs=1e-10)
            sampled = mean_and_variance(schedule, denoiser, steps=steps, eta=eta)
            assert sampled == pytest.approx(expected, abs=1e-10)


@given(chains, st.floats(0, 1), st.floats(-3, 3), st.floats(0.01, 3), st.data())
def test_so_it_has_for_any_chain_any_times_and_any_eta(betas, eta, mean, sd, data):
    schedule, T = NoiseSchedule(betas), len(betas)
    times = sorted({T, 0} | data.draw(st.sets(st.integers(1, T))), reverse=True)
    expected = recursion(schedule, mean, sd, steps=times, eta=eta)
    assert gaussian_recursion(schedule, mean, sd, steps=times, eta=eta) == pytest.approx(expected, abs=1e-10)
    sampled = mean_and_variance(schedule, GaussianMixture([[mean]], sd).denoiser(schedule), steps=times, eta=eta)
    assert sampled == pytest.approx(expected, abs=1e-10)


@given(chains, st.data())
def test_for_data_as_wide_as_the_noise_ddim_is_a_product_of_cosines(betas, data):
    """Where √ᾱ = cos θ, a step from θ_t to θ_s multiplies by cos(θ_t - θ_s)."""
    schedule = NoiseSchedule(betas)
    steps = data.draw(st.integers(1, len(betas)))
    angles = np.arccos(np.sqrt(schedule.alpha_bar[schedule.timesteps(steps)]))
    product = np.prod(np.cos(np.diff(angles)))
    mean, variance = gaussian_recursion(schedule, 3.0, 1.0, steps=steps, eta=0)
    assert variance == pytest.approx(product**2, abs=1e-10)
    assert mean == pytest.approx(3 * (1 - np.cos(angles[0]) * product), abs=1e-10)


@each_schedule
@pytest.mark.parametrize("steps", [2, 10, 100])
@pytest.mark.parametrize("eta", [0, 0.5, 1])
def test_samples_have_that_mean_and_variance_too(schedule, steps, eta):
    n, draw = 20_000, rng(steps)
    denoiser = GaussianMixture([[0.8, -0.5]], 0.3).denoiser(schedule)
    x = ddim(schedule, denoiser, draw.standard_normal((n, 2)), draw, steps=steps, eta=eta)
    for i, centre in enumerate((0.8, -0.5)):
        mean, variance = gaussian_recursion(schedule, centre, 0.3, steps=steps, eta=eta)
        assert abs(x[:, i].mean() - mean) < 4 * np.sqrt(variance / n)
        assert abs(x[:, i].var() - variance) < 4 * variance * np.sqrt(2 / n)


@each_schedule
@pytest.mark.parametrize("eta", [0, 1])
def test_the_bias_falls_as_one_over_the_steps(schedule, eta):
    def bias(steps):
        return 0.5 - np.sqrt(gaussian_recursion(schedule, 0.8, 0.5, steps=steps, eta=eta)[1])

    assert bias(1000) < 0.006
    assert bias(250) > 1.6 * bias(500) > 2.5 * bias(1000) > 0


def test_times_that_are_dense_near_the_data_keep_narrow_components():
    """The ring, scaled to unit variance, has modes 0.014 wide; before the last of 50 even steps the noise is 0.04."""
    schedule = cosine_schedule()

    def width(steps):
        return np.sqrt(gaussian_recursion(schedule, 1.0, 0.014, steps=steps, eta=0)[1]) / 0.014

    assert width(50) < 0.35 and width(schedule.timesteps(50, power=2)) > 0.8
    assert width(schedule.timesteps(1000, power=2)) < 0.9  # what is left is the noise at t = 1, which no step splits


# -- mixtures ----------------------------------------------------------------------------------------------------------


LOPSIDED = GaussianMixture([[-1.5], [0.2], [1.1]], [0.4, 0.1, 0.6], weights=[0.5, 0.2, 0.3])


@each_schedule
def test_the_more_steps_the_nearer_ddim_comes_to_a_mixture(schedule):
    """In one dimension DDIM is increasing, so quantiles go to quantiles: the error is W₁, with nothing drawn."""
    levels = (np.arange(400) + 0.5) / 400
    grid = np.linspace(-5, 5, 200_001)
    below = sum(w * special.ndtr((grid - m) / s) for w, (m,), s in zip(LOPSIDED.weights, LOPSIDED.means, LOPSIDED.sd))
    quantiles = np.interp(levels, below, grid)

    def error(steps):
        x = ddim(schedule, LOPSIDED.denoiser(schedule), special.ndtri(levels)[:, None], steps=steps)[:, 0]
        assert (np.diff(x) > 0).all()
        return np.abs(x - quantiles).mean()

    errors = [error(steps) for steps in (5, 10, 20, 50, 100, 200, 1000)]
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.005


@each_schedule
@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_with_a_thousand_steps_samples_are_as_good_as_data(schedule, sampler):
    """Sliced Wasserstein within the floor of real against real, and what the recursion says the sampler lacks."""
    n, draw = 3000, rng(5)
    circle = 2 * np.pi * np.arange(5) / 5
    mixture = GaussianMixture(1.3 * np.stack([np.cos(circle), np.sin(circle)], axis=1), 0.35)
    assert 0.3 < 0.35 / np.sqrt(1.3**2 / 2 + 0.35**2) < 0.4  # the components' sd as a part of the data's

    def distance(x):
        return metrics.sliced_wasserstein(x, mixture.sample(n, draw), draw, projections=64)

    floor = [distance(mixture.sample(n, draw)) for _ in range(20)]
    x = sampler(schedule, mixture.denoiser(schedule), draw.standard_normal((n, 2)), draw, steps=1000)
    assert distance(x) < np.mean(floor) + 4 * np.std(floor, ddof=1) + bias(
        schedule, mixture, eta=float(sampler is ddpm)
    )


def bias(schedule, mixture, *, eta):
    """The mean Wasserstein distance of each component to what the recursion makes of it."""
    total = 0.0
    for centre, sd in zip(mixture.means, mixture.sd):
        made = [gaussian_recursion(schedule, m, sd, steps=1000, eta=eta) for m in centre]
        shift = np.linalg.norm([m - mean for m, (mean, _) in zip(centre, made)])
        total += shift + np.sqrt(2 / np.pi) * abs(sd - np.sqrt(made[0][1]))
    return total / len(mixture.means)
