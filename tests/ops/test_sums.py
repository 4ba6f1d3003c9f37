"""Sums of many float32 numbers: their rounding does not grow with how many there are, along any axes, in any layout."""

import math
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels
from tinygen.kernels import linalg, norm, reference
from tinygen.kernels.conv import choice as conv
from tinygen.testing.layouts import LAYOUTS

REDUCTIONS = {  # each as an op, and in float64
    "sum": (tg.sum, np.sum),
    "mean": (tg.mean, np.mean),
    "var": (tg.var, np.var),
    "logsumexp": (tg.logsumexp, lambda x, axis: np.log(np.exp(x).sum(axis=axis))),
}
LIMIT = 1e-6
ORDERS = [(50_000, 3, 2), (3, 50_000, 2), (2, 3, 50_000), (49_999, 5, 1), (1, 1, 100_003), (700, 1, 300)]


def numbers(shape, seed=0):
    """Between 0.1 and 1, most of them equal: then each rounding goes the same way."""
    rng = np.random.default_rng(seed)
    x = np.full(shape, rng.uniform(0.1, 1), np.float32)
    x[rng.random(shape) < 0.1] = rng.uniform(0.1, 1)
    return x


def assert_near(got, true):
    np.testing.assert_allclose(got, true, rtol=LIMIT, atol=0)


@pytest.mark.parametrize("shape", ORDERS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_along_any_axes(name, shape):
    x = numbers(shape)
    op, true = REDUCTIONS[name]
    for n in range(1, 4):
        for axes in combinations(range(3), n):
            if math.prod(shape[a] for a in axes) > 1:
                for keepdims in (False, True):
                    got = op(tg.Tensor(x), axis=axes, keepdims=keepdims).numpy()
                    assert_near(got.reshape(-1), true(x.astype(np.float64), axis=axes).reshape(-1))


@given(repeats=st.integers(2, 300_000), rows=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_at_one_index_again_and_again(repeats, rows, seed):
    """The gradient of looking up the same row, as an embedding of a frequent word has it."""
    x = numbers((repeats, 2), seed)
    at = np.random.default_rng(seed).integers(rows, size=repeats)
    got = tg.scatter(tg.Tensor(x), index=at, shape=(rows, 2)).numpy()
    assert got.dtype == np.float32
    assert_near(got, [x[at == row].astype(np.float64).sum(axis=0) for row in range(rows)])


@pytest.mark.parametrize("version", [kernels.compiled, partial(getattr, reference)], ids=["compiled", "plain"])
@given(rows=st.integers(1, 40_000), c=st.integers(1, 3), batch=st.integers(1, 2), seed=st.integers(0, 2**32 - 1))
def test_in_any_layout(version, rows, c, batch, seed):
    """Both kernels, whatever number of rows: of a prime number none can be joined."""
    x = numbers((batch, rows, c), seed)
    for lay_out in LAYOUTS.values():
        view = lay_out(x)
        for axes in ((0,), (1,), (0, 1), (1, 2), (0, 2), (0, 1, 2)):
            true = view.astype(np.float64)
            assert_near(version("sum_along")(view, axes), true.sum(axis=axes))
            assert_near(version("sum_of_products")(view, view, axes), np.square(true).sum(axis=axes))
            spread = true.var(axis=axes)
            got = version("variance")(view, axes)
            assert (abs(got - spread) <= LIMIT * spread + 1e-13).all()


def test_what_is_repeated_by_strides_only():
    """What broadcasting spreads, its gradient adds up."""
    for shape, axes in [((200_000, 1), (0,)), ((1, 3), (0,)), ((200_000, 1), (1,))]:
        x = tg.Parameter(np.full(tuple(1 if i in axes else n for i, n in enumerate(shape)), 0.1, np.float32))
        y = tg.broadcast_to(x, shape=(200_000, 3))
        g = tg.grad(y, x, tg.broadcast_to(tg.Tensor(np.array(0.7, np.float32)), shape=y.shape)).numpy()
        assert_near(g, np.float64(np.float32(0.7)) * (y.size / x.size))


@pytest.mark.parametrize("version", [kernels.compiled, partial(getattr, reference)], ids=["compiled", "plain"])
def test_one_number_again_and_again(version):
    """The gradient of a mean is one; along any axes it counts as an array of it."""
    x = numbers((40, 50, 60))
    number = np.broadcast_to(np.float32(0.1), x.shape)
    for axes in ((0,), (1, 2), (0, 2), (0, 1, 2)):
        assert_near(version("sum_along")(number, axes), number.astype(np.float64).sum(axis=axes))
        assert_near(version("sum_of_products")(number, abs(x), axes), (np.float64(number) * abs(x)).sum(axis=axes))


def test_one_number_that_is_infinite_or_small_counts_as_an_array_of_it():
    """A finite sum times infinity is no sum of infinite products; and a sum may overflow where one of products fits."""
    kernel, axes = kernels.compiled("sum_of_products"), (0, 1)
    x = np.ones((200, 300), np.float32)
    x[::3] = -0.5
    assert np.isnan(kernel(np.broadcast_to(np.float32(np.inf), x.shape), x, axes))
    huge = np.full(x.shape, 1e35, np.float32)
    np.testing.assert_allclose(kernel(np.broadcast_to(np.float32(1e-20), x.shape), huge, axes), 6e19, rtol=1e-5)


@pytest.mark.parametrize("positions", [49_999, 50_000, 200_000])  # a prime number; one piece; several
@pytest.mark.parametrize("groups", [1, 2])
def test_moments_of_normalisation(positions, groups):
    x = numbers((1, positions, 2))
    for module in (norm, reference):
        got = module.moments(x, groups)
        assert_near(got, reference.moments(x.astype(np.float64), groups))


@pytest.mark.parametrize("positions", [49_999, 50_000, 200_000])
def test_gradients_of_weight_and_bias_of_normalisation(positions):
    g, x = np.full((1, positions, 2), 0.1, np.float32), numbers((1, positions, 2), 1)
    weight, bias = np.ones((2, 2), np.float32)
    for module in (norm, reference):
        got = module.group_norm_vjp(g, x, weight, bias, None, 2, 1e-5, None, 0)[x.size :]
        assert_near(got[2:], np.full(2, np.float64(np.float32(0.1)) * positions))


@pytest.mark.parametrize("rows", [256, 1000, linalg.LONGEST, linalg.LONGEST + 1, 100_000])
def test_gradient_of_a_bias(rows):
    x, g = np.ones((rows, 20), np.float32), np.full((rows, 32), 0.1, np.float32)
    assert_near(linalg.linear_weight(x, g)[1], np.full(32, np.float64(np.float32(0.1)) * rows))


def test_a_matrix_product_of_long_rows():
    """More than 2²⁴ ones: added one by one in float32 they give 2²⁴, so a part of the rows is enough."""
    k = 20 * linalg.LONGEST + 3
    for m in (1, 16, 33):
        a, b = numbers((2, k)), np.ones((k, m), np.float32)
        true = np.repeat(a.astype(np.float64).sum(axis=1)[:, None], m, axis=1)
        np.testing.assert_allclose(linalg.matmul(a, b), true, rtol=1e-4)
        np.testing.assert_allclose(linalg.matmul(a, b, np.ones(m, np.float32)), true + 1, rtol=1e-4)


@pytest.mark.parametrize("kernel_size, c, o", [(1, 4, 16), (3, 16, 16), (3, 3, 5), (4, 16, 16)])
def test_the_weight_gradient_of_many_images(kernel_size, c, o, monkeypatch):
    """In parts as if the images were many: the same as of all together, and no part is left out."""
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, size=(7, 8, 8, c)).astype(np.float32)
    stride, size = (2, 2) if kernel_size == 4 else (1, 1), 4 if kernel_size == 4 else 8
    g = rng.integers(-3, 4, size=(7, size, size, o)).astype(np.float32)
    form = (kernel_size, kernel_size), stride, (kernel_size // 2 - (kernel_size == 4),) * 2, (1, 1)
    whole = conv.conv2d_weight(x, g, *form)
    monkeypatch.setattr(conv, "LONGEST", 2 * size * size)
    np.testing.assert_allclose(conv.conv2d_weight(x, g, *form), whole, rtol=0, atol=1e-3)


def test_twenty_million(not_quick):
    x = tg.Tensor(np.ones((20_000_000, 2), np.float32))
    assert_near(x.mean(axis=0).numpy(), 1)
    assert_near(x.sum(axis=0, keepdims=True).numpy(), 2e7)
    assert_near(tg.logsumexp(x, axis=0).numpy(), 1 + math.log(2e7))
