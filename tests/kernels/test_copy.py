"""Arrays moved, joined and placed, and blocks of pixels made or added up, in all layouts, on 1 to 3 threads."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen import kernels
from tinygen.kernels import COMPILED, compiled, copy, reference
from tinygen.ops.support.taps import window_sums
from tinygen.testing.layouts import LAYOUTS

EXAMPLES = {"quick": 100, "full": 1000, "long": 10_000}
NAMES = ["concat", "upsample_nearest", "sum_blocks"]
SHAPES = [(2, 6, 6, 4), (1, 6, 12, 1), (0, 6, 6, 2), (2, 6, 6, 0), (5, 48, 42, 33), (40, 12, 30, 16)]  # of sixes: tiled
SCALES = [(1, 1), (2, 2), (3, 2), (1, 3)]


def images(shape, dtype=np.float32):
    """Whole numbers, whose sums are exact in any order."""
    return np.random.default_rng(0).integers(-8, 9, size=shape).astype(dtype)


def plain(name):
    return getattr(reference, name)


def call(kernel, name, x, scale):
    """`kernel` is `compiled` or `plain`: three parts side by side, or blocks of pixels that are made or added up."""
    if name == "concat":
        return (kernel if x.size else plain)("concat")([x, 2 * x, x], scale[0])
    if name == "sum_blocks":
        maps = [window_sums(n, n // s, s, s, 0) for n, s in zip(x.shape[1:3], scale)]
    else:
        maps = [window_sums(n * s, n, s, s, 0).T for n, s in zip(x.shape[1:3], scale)]
    return kernel("resample")(x, [each.rows for each in maps])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_bits_equal_those_of_the_reference(name, shape, scale):
    for dtype in (np.float32, np.float64):
        x = images(shape, dtype)
        np.testing.assert_array_equal(call(compiled, name, x, scale), call(plain, name, x, scale), strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_layout(name):
    x = images((5, 48, 42, 20))
    for lay_out in LAYOUTS.values():
        view = lay_out(x)
        np.testing.assert_array_equal(call(compiled, name, view, (2, 3)), call(plain, name, view, (2, 3)))


@pytest.mark.parametrize(
    "index",
    [(..., slice(5, 9)), (slice(1, 40), ..., slice(3)), (slice(None), slice(2, 20)), (..., slice(None, None, 2))],
)
def test_a_part_is_the_same_numbers(index):
    x = np.random.default_rng(0).normal(size=(60, 30, 40, 10)).astype(np.float32)
    part = x[index]
    assert part.size >= COMPILED["contiguous"].least
    np.testing.assert_array_equal(kernels.contiguous(part), part, strict=True)
    if index == (..., slice(5, 9)):
        assert kernels.contiguous(part).flags.c_contiguous


@st.composite
def views(draw):
    """An array of up to six axes, as a view: in another order of the axes, with steps, turned round, or repeated."""
    shape = draw(st.lists(st.integers(1, 5), max_size=6))
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype(np.float32)
    x = x.transpose(draw(st.permutations(range(x.ndim))))
    x = x[(..., *[slice(None, None, draw(st.sampled_from([-2, -1, 1, 2]))) for _ in shape])]
    return np.broadcast_to(x, (3, *x.shape)) if draw(st.booleans()) else x


@st.composite
def places(draw, shape):
    """A part of this shape in a larger array, and the shape of that: steps of 1, 2 or -2 along each axis."""
    parts = [draw(st.sampled_from([slice(2, 2 + n), slice(1, 1 + 2 * n, 2), slice(2 + 2 * n, 2, -2)])) for n in shape]
    return (*parts, ...), tuple(2 * n + 3 for n in shape)


def test_every_view_is_moved(profile):
    @settings(max_examples=EXAMPLES[profile])
    @given(views(), st.data())
    def is_moved(x, data):
        in_order = compiled("in_order")(x)
        np.testing.assert_array_equal(in_order, x, strict=True)
        assert in_order.flags.c_contiguous or x.ndim > 5
        index, shape = data.draw(places(x.shape))
        y = np.zeros(shape, x.dtype)
        y[index] = x
        for worth in (copy.WORTH, 0):
            with mock.patch.object(copy, "WORTH", worth):
                np.testing.assert_array_equal(compiled("placed")(x, index, shape), y, strict=True)
                inner = tuple(slice(2, 2 + n) for n in x.shape)
                np.testing.assert_array_equal(compiled("placed")(x, inner, shape)[inner], x, strict=True)
                assert np.count_nonzero(compiled("placed")(x, inner, shape)) == np.count_nonzero(x)
        if x.ndim:
            axis = data.draw(st.integers(0, x.ndim - 1))
            parts = [x, np.take(x, [0, 0], axis), -x]
            np.testing.assert_array_equal(compiled("concat")(parts, axis), np.concatenate(parts, axis), strict=True)

    is_moved()


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("shape", [(3, 40, 50), (5, 8, 37), (70, 16, 9), (2, 100, 7)])
def test_rows_become_columns(shape, order):
    """Strips of many and of few rows, and what is left of them."""
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for view in (x, x[:, ::-1], x[..., 1:], np.broadcast_to(x[:, :1], shape)):
        turned = view.transpose(order)
        np.testing.assert_array_equal(compiled("in_order")(turned), turned, strict=True)
        index = (slice(1, None), slice(None, None, 2), slice(2, -1))
        part_of = tuple((turned.shape[0] + 1, 2 * turned.shape[1] - 1, turned.shape[2] + 3))
        y = np.zeros(part_of, x.dtype)
        y[index] = turned
        np.testing.assert_array_equal(compiled("placed")(turned, index, part_of), y, strict=True)


def test_past_the_caches_a_copy_is_the_same(monkeypatch):
    x = np.random.default_rng(0).normal(size=(80, 60, 160)).astype(np.float32)
    monkeypatch.setattr(copy, "past_caches", lambda *arrays: True)
    for view in (x[:, ::2], x[..., 16:], x[..., 3:], x.transpose(1, 0, 2)):
        parts = [view, -view, view]
        np.testing.assert_array_equal(compiled("in_order")(view), view, strict=True)
        for axis in range(3):
            np.testing.assert_array_equal(compiled("concat")(parts, axis), np.concatenate(parts, axis), strict=True)


def test_an_index_that_makes_a_copy_places_too():
    x = np.arange(8, dtype=np.float32)
    np.testing.assert_array_equal(compiled("placed")(x[None], True, (8,)), x)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_parts_of_different_size(axis):
    sizes = [(3, 50, 60, 20), (3, 50, 60, 20)]
    sizes[1] = tuple(7 if i == axis else n for i, n in enumerate(sizes[1]))
    parts = [images(size) for size in sizes]
    np.testing.assert_array_equal(compiled("concat")(parts, axis), reference.concat(parts, axis), strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_one_two_and_three_threads_give_the_same_bits(name, monkeypatch):
    x, results = np.random.default_rng(0).normal(size=(20, 30, 30, 16)).astype(np.float32), []
    for n in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
        results.append(call(compiled, name, x, (2, 2)).tobytes())
    assert results[0] == results[1] == results[2]


def test_sums_of_other_numbers_are_rounded_like_the_reference():
    x = np.random.default_rng(0).normal(size=(3, 40, 60, 5)).astype(np.float32)
    got, true, size = (
        call(compiled, "sum_blocks", x, (4, 3)),
        *(call(plain, "sum_blocks", a.astype(np.float64), (4, 3)) for a in (x, abs(x))),
    )
    assert (abs(got - true) <= 4 * np.finfo(np.float32).eps * size).all()
