"""Sums: exact on whole numbers, near to it on long rows of others, and the same bits on any number of threads."""

from itertools import combinations

import numpy as np
import pytest

import tinygen as tg
from tinygen import kernels
from tinygen.kernels import COMPILED, compiled, reduce, reference
from tinygen.testing.layouts import LAYOUTS

LEAST = COMPILED["sum_along"].least


def relu_vjp_sum(g, y):
    return (compiled("relu_vjp_sum") if g.size else kernels.relu_vjp_sum)(g, y)


def sum_along(x, axes):
    return (compiled("sum_along") if x.size else kernels.sum_along)(x, axes)


SHAPES = [
    *((1, 1), (5, 3), (0, 4), (3, 0), (LEAST, 1), (LEAST + 1, 1), (3001, 13), (513, 64), (17, 4097)),
    *((64, 28, 28, 3), (9, 14, 14, 33), (2, 3, 70, 128), (40, 6272), (2, 30_000)),
]
AXES = (0, 1, 2), (1, 2), (1,), (0, 3), (1, 2, 3), (0, 1, 2, 3)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def leading(x):
    return tuple(range(x.ndim - 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_exact_on_whole_numbers(shape):
    x = np.random.default_rng(1).integers(-8, 9, size=shape).astype(np.float32)
    for n in range(len(shape) + 1):
        for axes in combinations(range(len(shape)), n):
            expected = x.astype(np.float64).sum(axis=axes).astype(np.float32)
            for kernel in (sum_along, reference.sum_along):
                np.testing.assert_array_equal(kernel(x, axes), expected)
            for version in (
                compiled("sum_of_products") if x.size else reference.sum_of_products,
                reference.sum_of_products,
            ):
                np.testing.assert_array_equal(version(x, np.sign(x), axes), np.abs(x).sum(axis=axes))


@pytest.mark.parametrize("shape", [*SHAPES, (3, 5, reduce.TILE + 7), (40, 3, 2, 50)])
def test_the_first_of_the_largest_entries_is_found_and_gets_the_gradient(shape):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 4, size=shape).astype(np.float32)  # with many ties
    x[rng.random(shape) < 0.01] = np.nan
    for n in range(1, len(shape)):
        for axes in combinations(range(len(shape)), n):
            rest = tuple(i for i in range(x.ndim) if i not in axes)
            if 0 in [shape[i] for i in axes] or not x.size:
                continue
            rows = np.moveaxis(x, rest, range(len(rest))).reshape(*[shape[i] for i in rest], -1)
            largest = rows.argmax(axis=-1)
            for version in (compiled("max_along"), reference.max_along):
                values, places = version(x, axes)
                np.testing.assert_array_equal(places, largest)
                np.testing.assert_array_equal(values, np.take_along_axis(rows, largest[..., None], -1)[..., 0])
            expected = np.zeros_like(rows)
            np.put_along_axis(expected, largest[..., None], largest[..., None] + np.float32(1), -1)
            for version in (compiled("max_along_vjp"), reference.max_along_vjp):
                found = version((largest + 1).astype(np.float32), largest.astype(np.int32), x.shape, axes)
                np.testing.assert_array_equal(np.moveaxis(found, rest, range(len(rest))).reshape(rows.shape), expected)


@pytest.mark.parametrize("axis", [(0, 1, 2), (2, 0, 1), (1, 2), (-2, 1), (0, 3), 3, None])
def test_the_op_adds_up_along_the_axes_that_it_is_told(axis):
    x = np.random.default_rng(1).integers(-8, 9, size=(60, 30, 10, 9)).astype(np.float32)
    np.testing.assert_array_equal(tg.sum(tg.Tensor(x), axis=axis).numpy(), x.sum(axis=axis))
    shape = [n if axis is not None and i not in np.atleast_1d(axis) % 4 else 1 for i, n in enumerate(x.shape)]
    np.testing.assert_array_equal(tg.sum_to(tg.Tensor(x), shape=shape).numpy(), x.sum(axis=axis).reshape(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_where_relu_is_closed_nothing_goes_back_and_the_rest_is_added_up(shape):
    rng = np.random.default_rng(2)
    y, g = rng.integers(-1, 3, size=shape).astype(np.float32), rng.integers(-8, 9, size=shape).astype(np.float32)
    for lay_out in LAYOUTS.values():
        views = lay_out(g), lay_out(y)
        for got, true in zip(relu_vjp_sum(*views), reference.relu_vjp_sum(*views)):
            np.testing.assert_array_equal(got, true, strict=True)
    g[y <= 0] = np.nan
    assert not any(np.isnan(got).any() for got in relu_vjp_sum(g, y))


@pytest.mark.parametrize("shape", [(64, 28, 28, 3), (7, 5)])
def test_every_layout(shape):
    x = numbers(shape)
    for lay_out in LAYOUTS.values():
        view = lay_out(x)
        np.testing.assert_array_equal(sum_along(view, leading(x)), sum_along(np.array(view, order="C"), leading(x)))


def test_float64_equals_the_reference_to_the_bit():
    x = numbers((500, 130)).astype(np.float64)
    np.testing.assert_array_equal(sum_along(x, (0,)), x.sum(axis=0), strict=True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_stays_in_its_column(bad):
    x = numbers((70, 20, 33))
    x[-1, -1, 5] = bad
    np.testing.assert_array_equal(np.isfinite(sum_along(x, (0, 1))), np.arange(33) != 5)


@pytest.mark.parametrize("shape", [(64, 28, 28, 3), (33, 14, 14, 33)])
def test_one_two_and_three_threads_give_the_same_bits(shape, monkeypatch):
    x, results = numbers(shape), []
    assert x.size >= 3 * reduce.BLOCK
    for n in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
        made = (
            *(sum_along(x, axes) for axes in AXES),
            *(compiled("sum_of_products")(x, x, axes) for axes in AXES),
            *relu_vjp_sum(x, x[::-1]),
        )
        results.append([array.tobytes() for array in made])
    assert results[0] == results[1] == results[2]
