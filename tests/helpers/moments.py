"""Data with known moments: orthonormal columns, points of exactly a mean and a covariance."""

import math

import numpy as np


def orthonormal(rng, d, k):
    return np.linalg.qr(rng.standard_normal((d, k)))[0]


def with_moments(rng, n, mean, covariance):
    """n points of exactly this mean and covariance (over n - 1)."""
    noise = rng.standard_normal((n, len(mean)))
    white = np.linalg.qr(np.column_stack([np.ones(n), noise]))[0][:, 1:]  # orthonormal columns that sum to zero
    return mean + math.sqrt(n - 1) * white @ np.linalg.cholesky(covariance).T
