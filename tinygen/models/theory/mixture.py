"""Gaussian mixtures, whose best denoiser is known in closed form: samplers can be tested without training.

For a mixture of Gaussians the noisy data are a mixture too, and E[x_0 | x_t] is a formula. For a single Gaussian
every step of a sampler is linear, so the mean and the variance of its samples are known without sampling.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tinygen.models.samplers import Denoiser
from tinygen.models.schedules import NoiseSchedule


class GaussianMixture:
    """Σₖ wₖ N(μₖ, sₖ² I) in d dimensions: means (K, d), sd (K,) or one for all, weights (K,) or equal ones."""

    def __init__(
        self,
        means: Sequence[Sequence[float]] | np.ndarray,
        sd: float | Sequence[float] | np.ndarray,
        *,
        weights: Sequence[float] | np.ndarray | None = None,
    ):
        self.means = np.array(means, np.float64)
        if self.means.ndim != 2 or not self.means.size:
            raise ValueError(
                f"GaussianMixture: expected means (K, d), got shape {self.means.shape}: write one row per component"
            )
        k = len(self.means)
        self.sd = np.broadcast_to(np.array(sd, np.float64), (k,))
        weights = np.full(k, 1 / k) if weights is None else np.array(weights, np.float64)
        if weights.shape != (k,) or (weights < 0).any() or not math.isclose(weights.sum(), 1):
            raise ValueError(
                f"GaussianMixture: expected weights ({k},) >= 0 with sum 1, got {weights}: divide them by their sum"
            )
        if not (self.sd > 0).all():
            raise ValueError(
                f"GaussianMixture: expected sd above 0, got {sd}: it is a standard deviation, not a logarithm"
            )
        self.weights = weights

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n samples, (n, d) float64."""
        k = rng.choice(len(self.means), size=n, p=self.weights)
        return self.means[k] + self.sd[k, None] * rng.standard_normal((n, self.means.shape[1]))

    def log_prob(self, x_t: np.ndarray, alpha_bar: float = 1.0) -> np.ndarray:
        """The log density (N,) of noisy data at x_t (N, d); of the data themselves for ᾱ = 1."""
        return _logsumexp(self._log_joint(x_t, alpha_bar))[:, 0]

    def posterior_mean(self, x_t: np.ndarray, alpha_bar: float) -> np.ndarray:
        """E[x_0 | x_t], (N, d): the mean given each component, weighted by the probability of the component."""
        log_joint = self._log_joint(x_t, alpha_bar)  # (N, K)
        shares = np.exp(log_joint - _logsumexp(log_joint))
        gains = math.sqrt(alpha_bar) * self.sd**2 / (alpha_bar * self.sd**2 + 1 - alpha_bar)  # (K,)
        # Σₖ shareₖ (μₖ + gainₖ (x_t - √ᾱ μₖ)), collected by x_t and μₖ, so that no array (N, K, d) is made
        return (shares @ gains)[:, None] * x_t + shares @ ((1 - math.sqrt(alpha_bar) * gains)[:, None] * self.means)

    def denoiser(self, schedule: NoiseSchedule) -> Denoiser:
        """The best denoiser: it has the smallest loss of all functions of x_t and t."""

        def predict(x_t: np.ndarray, t: np.ndarray) -> np.ndarray:
            if np.ptp(t):
                raise ValueError(
                    f"denoiser: expected one time for all points, got {np.unique(t)}: call it once for each time"
                )
            alpha_bar = float(schedule.alpha_bar[t[0]])
            x_0 = self.posterior_mean(x_t, alpha_bar).astype(x_t.dtype)
            eps = (x_t - math.sqrt(alpha_bar) * x_0) / math.sqrt(1 - alpha_bar)
            return schedule.target(x_0, eps, int(t[0]))

        return predict

    def _log_joint(self, x_t: np.ndarray, alpha_bar: float) -> np.ndarray:
        """log(wₖ N(x_t; √ᾱ μₖ, (ᾱ sₖ² + 1 - ᾱ) I)), (N, K)."""
        x, centres = np.asarray(x_t, np.float64), math.sqrt(alpha_bar) * self.means
        variances = alpha_bar * self.sd**2 + 1 - alpha_bar  # (K,)
        squares = ((x[:, None] - centres) ** 2).sum(axis=2)  # (N, K)
        with np.errstate(divide="ignore"):  # a component of weight 0 is never likely
            return np.log(self.weights) - squares / (2 * variances) - x.shape[1] / 2 * np.log(2 * np.pi * variances)


def gaussian_recursion(
    schedule: NoiseSchedule, mean: float, sd: float, *, steps: int | Sequence[int], eta: float
) -> tuple[float, float]:
    """Mean and variance of the samples from N(0, 1) noise, for data N(mean, sd²) and their best denoiser.

    For x_t the best prediction is x̂_0 = mean + gain (x_t - √ᾱ_t mean), so each step is x_s = √ᾱ_s mean +
    slope (x_t - √ᾱ_t mean) + σ z. With many steps the result tends to (mean, sd²); the
    difference is the bias of the sampler.
    """
    off, variance = -math.sqrt(schedule.alpha_bar[-1]) * mean, 1.0  # of x_t - √ᾱ_t mean, at t = T
    for t, s in pairwise(schedule.timesteps(steps)):
        here, ahead = schedule.alpha_bar[t], schedule.alpha_bar[s]
        sigma = schedule.sigma(t, s, eta=eta)
        total = here * sd**2 + 1 - here  # variance of x_t under the data
        # x̂_0 moves by √ᾱ_t sd²/total, ε̂ by √(1 - ᾱ_t)/total, for each unit that x_t moves
        kept = max(0.0, 1 - ahead - sigma**2)
        slope = (math.sqrt(ahead * here) * sd**2 + math.sqrt(kept * (1 - here))) / total
        off, variance = slope * off, slope**2 * variance + sigma**2
    return mean + off, variance


def _logsumexp(rows: np.ndarray) -> np.ndarray:  # (N, K) to (N, 1)
    peak = rows.max(axis=1, keepdims=True)
    return peak + np.log(np.exp(rows - peak).sum(axis=1, keepdims=True))
