"""Draws from distributions: their expectations, by quadrature and within standard errors."""

import numpy as np

from tinygen.distributions import Normal

SPREAD = 4.5  # standard errors; a correct mean is further away once in 150,000 tries
PAIRS = [(0.0, 0.0), (1.5, 1.0), (-2.0, -1.2), (0.3, 2.0)]  # of μ and log σ²


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(mu: float, log_var: float, shape=(1,), dtype=np.float64) -> Normal:
    return Normal(np.full(shape, mu, dtype), log_var=np.full(shape, log_var, dtype))


def expectation(f, q: Normal) -> float:
    """∫ f(z) q(z) dz with the density that `log_prob` gives, by the trapezium rule: exact here to 14 digits."""
    z = np.linspace(-60, 60, 24_001)[:, None]  # (24001, 1)
    return float(np.sum(f(z) * np.exp(q.log_prob(z).numpy())) * (z[1, 0] - z[0, 0]))


def assert_near(draws: np.ndarray, expected: np.ndarray | float) -> None:
    """The mean over the first axis is the expected one, within SPREAD of its standard errors."""
    mean, error = draws.mean(axis=0), draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(mean - expected) <= SPREAD * error).all(), f"{mean} ± {error}, expected {expected}"
