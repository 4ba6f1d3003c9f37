"""The matrix product against plain NumPy in float64: sizes around the edges of the tiles, any layout, any threads."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygen import kernels
from tinygen.kernels import linalg, reference
from tinygen.kernels.machine.vectors import LANES
from tinygen.testing.layouts import LAYOUTS

EXAMPLES = {"quick": 200, "full": 2000, "long": 20_000}
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(1, 70))
LARGE = [(1, 300, 70, 45), (3, 257, 33, 64), (1, 64, 784, 500), (2, 1000, 3, 33), (40, 9, 64, 20), (1, 2, 500, 2000)]
LARGE += [(1, 600, 850, 1100)]  # blocks of several panels, and K in pieces


def numbers(sizes, seed=0, whole=False, dtype=np.float64):
    """a (B, N, K), b (B, K, M) and a bias (M,)."""
    batch, n, k, m = sizes
    rng = np.random.default_rng(seed)
    shapes = (batch, n, k), (batch, k, m), (m,)
    return [(rng.integers(-4, 5, s) if whole else rng.normal(size=s)).astype(dtype) for s in shapes]


def agrees(sizes, seed):
    for whole in (True, False):
        a, b, bias = numbers(sizes, seed, whole)
        true, largest = reference.matmul(a, b, bias), reference.matmul(abs(a), abs(b), abs(bias))
        for dtype in (np.float32, np.float64):
            got = (linalg if 0 not in sizes else kernels).matmul(*(x.astype(dtype) for x in (a, b, bias)))
            assert got.dtype == dtype and got.shape == true.shape
            within = 0 if whole else 4 * np.sqrt(sizes[2] + 1) * np.finfo(dtype).eps * largest
            assert (abs(got - true) <= within).all()


def test_every_size(profile):
    @settings(max_examples=EXAMPLES[profile])
    @given(SIZES, st.integers(0, 2**32 - 1))
    @example((2, 5, 1, LANES), 0)
    def agree(sizes, seed):
        agrees(sizes, seed)

    agree()


def turned(x):
    """The same matrix in a transpose's layout."""
    return np.array(x.T, order="C").T


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layouts", [(a, b) for a in (np.array, turned) for b in (np.array, turned)])
def test_a_few_rows_or_columns(layouts, dtype, profile, monkeypatch):
    """In any layout, each with its own way to add up: right, and the same bits on any number of threads."""

    @settings(max_examples=EXAMPLES[profile] // 10)
    @given(st.integers(1, linalg.FEW), st.integers(1, 600), st.integers(1, 600), st.booleans(), st.integers(0, 999))
    def agree(few, k, many, rows, seed):
        n, m = (few, many) if rows else (many, few)
        rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
        a, b, bias = (rng.normal(size=s) for s in ((n, k), (k, m), (m,)))
        given = [lay_out(x.astype(dtype)) for lay_out, x in zip((*layouts, np.array), (a, b, bias))]
        got = linalg.matmul(*given)
        assert got.dtype == dtype and got.flags.c_contiguous
        assert (abs(got - (a @ b + bias)) <= 8 * np.sqrt(k + 2) * eps * (abs(a) @ abs(b) + abs(bias))).all()
        for threads in "123":
            monkeypatch.setenv("TINYGEN_NUM_THREADS", threads)
            assert linalg.matmul(*given).tobytes() == got.tobytes()
        whole = [lay_out(rng.integers(-4, 5, x.shape).astype(dtype)) for lay_out, x in zip(layouts, (a, b))]
        np.testing.assert_array_equal(linalg.matmul(*whole), np.array(whole[0], float) @ np.array(whole[1], float))

    agree()


@pytest.mark.parametrize("sizes", [(2, 5, 0, 32), (2, 0, 5, 32), (0, 5, 5, 32), (2, 5, 5, 0)])
def test_nothing_to_multiply(sizes):
    agrees(sizes, 0)


@pytest.mark.parametrize("sizes", LARGE)
def test_several_blocks(sizes):
    agrees(sizes, 0)
    for without_bias in (numbers(sizes, dtype=np.float32)[:2], numbers(sizes)[:2]):
        none = np.zeros(sizes[-1], without_bias[0].dtype)
        np.testing.assert_array_equal(
            linalg.matmul(*without_bias), linalg.matmul(*without_bias, bias=none), strict=True
        )


@pytest.mark.parametrize("sizes", [*LARGE, (1, 3, 5, 7), (1, 5, 0, 32), (1, 0, 5, 32)])
def test_the_gradients_of_a_layer(sizes):
    """Of X (N, K) and G (N, M): Xᵀ G and the sum of G's rows."""
    _, k, n, m = sizes
    rng, module = np.random.default_rng(0), linalg if 0 not in sizes else kernels
    for whole in (True, False):
        x, g = (rng.integers(-4, 5, s) if whole else rng.normal(size=s) for s in ((n, k), (n, m)))
        x, g = x.astype(np.float32), g.astype(np.float32)
        for got, true, largest in zip(
            module.linear_weight(x, g),
            reference.linear_weight(x.astype(np.float64), g.astype(np.float64)),
            reference.linear_weight(abs(x), abs(g)),
        ):
            assert got.dtype == np.float32 and got.shape == true.shape
            within = 0 if whole else 4 * np.sqrt(n + 1) * np.finfo(np.float32).eps * largest
            assert (abs(got - true) <= within).all()
        np.testing.assert_array_equal(module.linear_weight(x, g)[0], module.matmul(x.T, g), strict=True)


@pytest.mark.parametrize("of_b", [*LAYOUTS, "matrix_transposed"])
@pytest.mark.parametrize("of_a", [*LAYOUTS, "matrix_transposed"])
@pytest.mark.parametrize("sizes", [(1, 300, 70, 45), (3, 257, 33, 64)])
def test_every_layout_gives_the_same_bits_and_stays_as_it_is(sizes, of_a, of_b):
    layouts = {**LAYOUTS, "matrix_transposed": lambda x: np.array(x.transpose(0, 2, 1), order="C").transpose(0, 2, 1)}
    a, b, bias = numbers(sizes, dtype=np.float32)
    views = layouts[of_a](a), layouts[of_b](b), LAYOUTS["gaps"](bias)
    copies = [np.array(view, order="C") for view in views]
    np.testing.assert_array_equal(linalg.matmul(*views), linalg.matmul(*copies), strict=True)
    for view, copy in zip(views, copies):
        np.testing.assert_array_equal(view, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", LARGE)
def test_one_two_and_three_threads_give_the_same_bits_every_time(sizes, dtype, profile, monkeypatch):
    arrays, seen = numbers(sizes, dtype=dtype), set()
    for _ in range({"quick": 2, "full": 20, "long": 1000}[profile]):
        for n in "123":
            monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
            seen.add(linalg.matmul(*arrays).tobytes())
    assert len(seen) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("sizes", [(2, 33, 9, 45), *LARGE])
def test_what_is_not_finite_stays_in_its_row_and_its_column(sizes, bad):
    a, b, bias = numbers(sizes, dtype=np.float32)
    a[0, -1, 1] = b[-1, 2, -1] = bad
    lost = np.zeros((*a.shape[:2], b.shape[2]), bool)
    lost[0, -1] = lost[-1, :, -1] = True
    np.testing.assert_array_equal(~np.isfinite(linalg.matmul(a, b, bias)), lost)
