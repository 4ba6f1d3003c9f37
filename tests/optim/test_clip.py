"""Clipping: the norm is at most the limit, and nothing else changes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

seeds = st.integers(0, 2**32 - 1)


def some_gradients(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [tg.Tensor(rng.normal(size=shape).astype(dtype)) for shape in [(3, 2), (4,), ()]]


@given(seed=seeds, share=st.floats(0.01, 3), dtype=st.sampled_from([np.float32, np.float64]))
def test_clip_by_norm(seed, share, dtype):
    """At most the limit, in the same direction, and unchanged if it was below the limit."""
    grads = some_gradients(seed, dtype)
    flat = np.concatenate([g.data.ravel() for g in grads]).astype(np.float64)
    length = np.linalg.norm(flat)
    clipped, norm = optim.clip_by_norm(grads, share * length)
    assert norm == pytest.approx(length, rel=1e-14)
    assert [(g.shape, g.dtype) for g in clipped] == [(g.shape, g.dtype) for g in grads]
    expected = flat * min(1, share)
    found = np.concatenate([g.data.ravel() for g in clipped])
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(dtype).eps)
    if share >= 1 + 1e-12:
        assert all(a is b for a, b in zip(clipped, grads))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_length_that_is_not_finite_scales_nothing(bad):
    clipped, norm = optim.clip_by_norm([np.array([1.0, bad]), np.ones(2)], 0.1)
    assert not math.isfinite(norm)
    np.testing.assert_array_equal(clipped[1].data, 1)


def test_huge_float32_gradients_are_measured():
    clipped, norm = optim.clip_by_norm([np.full(4, 1e30, np.float32)], 1.0)
    assert norm == pytest.approx(2e30, rel=1e-6)
    np.testing.assert_allclose(clipped[0].data, 0.5, rtol=1e-6)


def test_clip_refuses_a_norm_that_is_not_positive():
    with pytest.raises(ValueError, match="expected max_norm to be a number above 0, got 0"):
        optim.clip_by_norm(some_gradients(0), 0)
