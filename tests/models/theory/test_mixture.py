"""Gaussian mixtures: the exact denoiser, the score and the samples, compared with integrals and differences."""

import numpy as np
import pytest
from scipy import integrate, stats

from tinygen.models import (
    GaussianMixture,
    linear_schedule,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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
