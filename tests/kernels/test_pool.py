"""Max pooling by windows: equal to the reference, also for ties and NaN, in every layout, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import compiled, reference
from tinygen.kernels.machine import threads
from tinygen.testing.layouts import LAYOUTS

VALUES = np.array([-np.inf, -1, 0, 0, 1, np.inf, np.nan])  # few, so that most windows have ties


@st.composite
def windows(draw):
    """The size of an image and the arguments behind it: how many windows, their size, stride and padding.

    The padding is half a window at most. As with `ceil_mode`, a last window may begin in the image and end behind it.
    """
    size = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    outputs = []
    for n, k, s, p in zip(size, kernel, stride, padding):
        whole = (n + 2 * p - k) // s + 1
        outputs.append(whole + (draw(st.booleans()) and s * whole - p < n))
    return size, (tuple(outputs), kernel, stride, padding)


def compare(x, window):
    """The compiled kernel equals the reference in both directions, to the bit for the whole numbers that go back."""
    results = compiled("max_pool2d")(x, *window)
    for got, expected in zip(results, reference.max_pool2d(x, *window), strict=True):
        np.testing.assert_array_equal(got, expected, strict=True)
    back = np.random.default_rng(1).integers(-9, 9, results[0].shape).astype(x.dtype), results[1], x.shape[1:3]
    np.testing.assert_array_equal(
        compiled("max_pool2d_vjp")(*back, *window[1:]), reference.max_pool2d_vjp(*back, *window[1:]), strict=True
    )


@given(windows(), st.integers(0, 3), st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_windows_equal_the_reference(drawn, n, channels, seed):
    size, window = drawn
    rng, shape = np.random.default_rng(seed), (n, *size, channels)
    for x in (rng.choice(VALUES, shape), np.full(shape, -np.inf), rng.normal(size=shape).astype(np.float32)):
        compare(x, window)


@pytest.mark.parametrize("shape", [(70, 24, 30, 5), (3, 90, 70, 33)])
def test_several_blocks_on_any_number_of_threads(shape, monkeypatch):
    x = np.random.default_rng(0).integers(-3, 4, size=shape).astype(np.float32)
    outputs = (shape[1] - 1) // 2 + 1, shape[2] // 2 + 1
    assert x.size > 3 * threads.LEAST
    for count in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", count)
        compare(x, (outputs, (3, 2), (2, 2), (1, 1)))


def test_every_layout():
    x, window = np.random.default_rng(0).normal(size=(3, 8, 9, 4)), ((4, 3), (2, 3), (2, 3), (0, 1))
    for lay_out in LAYOUTS.values():
        compare(lay_out(x), window)


def test_windows_of_many_pixels_add_up_in_float64():
    """A pixel that is the largest of 10⁴ windows: float32 would lose the small terms."""
    x, window = np.zeros((1, 199, 199, 1), np.float32), ((100, 100), (100, 100), (1, 1), (0, 0))
    x[0, 99, 99] = 1
    g = np.full((1, 100, 100, 1), 0.1, np.float32)
    g[0, 0, 0] = 1 << 20
    found = compiled("max_pool2d")(x, *window)[1]
    exact = np.float32(g.sum(dtype=np.float64))
    assert compiled("max_pool2d_vjp")(g, found, (199, 199), *window[1:])[0, 99, 99, 0] == exact
