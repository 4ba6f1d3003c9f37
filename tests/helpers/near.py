"""A comparison of arrays by their largest entry."""

import numpy as np


def near(got, expected, limit):
    """Finite, and equal up to `limit` times the largest entry."""
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit * max(1e-30, float(abs(expected).max())))
