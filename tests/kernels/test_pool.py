"""Index of the largest pixel in a window: equal to the reference, also for ties and NaN, in every layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import compiled, pool, reference
from tinygen.testing.layouts import LAYOUTS

VALUES = np.array([-np.inf, -1, 0, 0, 1, np.inf, np.nan])  # few, so that most windows have ties


@st.composite
def windows(draw):
    """The arguments behind x: kernel size, stride, and a padding of half the kernel at most."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return kernel, stride, tuple(draw(st.integers(0, k // 2)) for k in kernel)


@given(windows(), st.tuples(st.integers(0, 3), *[st.integers(4, 9)] * 2, st.integers(0, 5)), st.integers(0, 2**32 - 1))
def test_indices_equal_the_reference(window, shape, seed):
    rng = np.random.default_rng(seed)
    for x in (rng.choice(VALUES, shape), np.full(shape, -np.inf), rng.normal(size=shape).astype(np.float32)):
        np.testing.assert_array_equal(
            compiled("max_pool2d_indices")(x, *window), reference.max_pool2d_indices(x, *window), strict=True
        )


@pytest.mark.parametrize("shape", [(70, 24, 30, 5), (3, 90, 70, 33)])
def test_several_blocks_on_any_number_of_threads(shape, monkeypatch):
    x, window = np.random.default_rng(0).integers(-3, 4, size=shape).astype(np.float32), ((3, 2), (2, 2), (1, 1))
    expected = reference.max_pool2d_indices(x, *window)
    assert expected.size > 3 * pool.BLOCK
    for threads in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", threads)
        np.testing.assert_array_equal(compiled("max_pool2d_indices")(x, *window), expected, strict=True)


def test_every_layout():
    x, window = np.random.default_rng(0).normal(size=(3, 8, 9, 4)), ((2, 3), (2, 3), (0, 1))
    for lay_out in LAYOUTS.values():
        view = lay_out(x)
        np.testing.assert_array_equal(
            compiled("max_pool2d_indices")(view, *window), reference.max_pool2d_indices(view, *window), strict=True
        )
