"""Samplers are proved without training: with the best denoiser there is, what comes out is known beforehand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from tinygen.evaluate import metrics
from tinygen.models import (
    GaussianMixture,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    ddpm,
    gaussian_recursion,
    linear_schedule,
)
from tinygen.models.schedules import PREDICTION_TYPES

SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
each_schedule = pytest.mark.parametrize("schedule", [f() for f in SCHEDULES.values()], ids=SCHEDULES)
chains = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30)  # β₁ ... β_T


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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
    """Of what the sampler itself makes of N(0, 1): its answer to no noise, and to each source of noise alone."""
    n = steps if isinstance(steps, int) else len(steps) - 1
    x_T = np.zeros((n + 1, 1))
    x_T[n] = 1
    probe = Probe()
    nothing = ddim(schedule, denoiser, np.zeros((n + 1, 1)), Silence(), steps=steps, eta=eta)[0, 0]
    answers = ddim(schedule, denoiser, x_T, probe, steps=steps, eta=eta)[:, 0] - nothing
    assert probe.draws == (n - 1 if eta else 0)  # none at the last step
    return nothing, (answers**2).sum()


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
        *((n, "epsilon") for n in (1, 2, 3, 7, 10, 50, 333, 1000)),
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
    """The ring of examples/diffusion_2d.py has modes 0.014 wide; before the last of 50 even steps the noise is 0.04."""
    schedule = cosine_schedule()

    def width(steps):
        return np.sqrt(gaussian_recursion(schedule, 1.0, 0.014, steps=steps, eta=0)[1]) / 0.014

    assert width(50) < 0.35 and width(schedule.timesteps(50, power=2)) > 0.8
    assert width(schedule.timesteps(1000, power=2)) < 0.9  # what is left is the noise at t = 1, which no step splits


# -- mixtures ----------------------------------------------------------------------------------------------------------

LOPSIDED = GaussianMixture([[-1.5], [0.2], [1.1]], [0.4, 0.1, 0.6], weights=[0.5, 0.2, 0.3])


@pytest.mark.parametrize("alpha_bar", [0.999, 0.7, 0.1])
def test_the_best_guess_is_an_integral(alpha_bar):
    """E[x_0 | x_t] = ∫ x_0 p(x_0) q(x_t | x_0) / ∫ p(x_0) q(x_t | x_0), with SciPy's densities."""
    for x_t in (-2.0, -0.3, 0.4, 1.5):

        def joint(x, power, x_t=x_t):
            prior = sum(w * stats.norm.pdf(x, m, s) for w, (m,), s in zip([0.5, 0.2, 0.3], LOPSIDED.means, LOPSIDED.sd))
            return x**power * prior * stats.norm.pdf(x_t, np.sqrt(alpha_bar) * x, np.sqrt(1 - alpha_bar))

        grid = np.linspace(-8, 8, 40_001)
        first, evidence = (integrate.simpson(joint(grid, power), x=grid) for power in (1, 0))
        point = np.array([[x_t]])
        assert LOPSIDED.posterior_mean(point, alpha_bar).item() == pytest.approx(first / evidence, abs=1e-9)
        assert LOPSIDED.log_prob(point, alpha_bar).item() == pytest.approx(np.log(evidence), abs=1e-9)


def test_the_noise_it_sees_is_the_score():
    """ε̂ = -√(1 - ᾱ) ∇ log p_t (Tweedie's formula), in two dimensions, by central differences."""
    mixture = GaussianMixture(rng(0).normal(size=(4, 2)), [0.2, 0.3, 0.5, 0.1])
    schedule, x, h = linear_schedule(), rng(1).normal(size=(50, 2)), 1e-5
    for t in (50, 300, 800):
        alpha_bar = schedule.alpha_bar[t]
        slopes = [
            (mixture.log_prob(x + d, alpha_bar) - mixture.log_prob(x - d, alpha_bar)) / (2 * h) for d in h * np.eye(2)
        ]
        eps = mixture.denoiser(schedule)(x, np.full(50, t))
        np.testing.assert_allclose(eps, -np.sqrt(1 - alpha_bar) * np.stack(slopes, axis=1), rtol=0, atol=1e-7)


def test_draws_of_a_mixture_have_its_moments():
    x, n = LOPSIDED.sample(50_000, rng(3))[:, 0], 50_000
    mean = -0.75 + 0.04 + 0.33
    variance = 0.5 * (0.16 + 2.25) + 0.2 * (0.01 + 0.04) + 0.3 * (0.36 + 1.21) - mean**2
    assert abs(x.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(((x - mean) ** 2).mean() - variance) < 4 * np.std((x - mean) ** 2) / np.sqrt(n)


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
