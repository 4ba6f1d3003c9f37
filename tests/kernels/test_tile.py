"""The tiles and the vectors under all products: against plain NumPy, compiled, as Python, and on narrower vectors."""

import numpy as np
import pytest
from helpers.processes import run_tests
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.machine import microkernel as tile
from tinygen.kernels.machine.vectors import LANES, WIDE, load, nothing, store

EXAMPLES = {"quick": 100, "full": 2000, "long": 20_000}
DTYPES = [np.float32, np.float64]
MARGIN = 5  # numbers before and after each array, which must not be touched
FORMS = st.fixed_dictionaries({
    "n": st.integers(1, 33),
    "m": st.integers(1, 5).map(lambda vectors: vectors * LANES),
    "sizes": st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 7)),
    "walk": st.tuples(*[st.integers(0, 9)] * 4),
    "between": st.integers(0, 3),  # numbers between the rows of y, and between those of w
    "starts": st.booleans(),  # whether each row has a start of its own
})  # fmt: skip


@njit
def multiply(*arguments):
    """As a part of a kernel, for only there it becomes machine code."""
    tile.multiply(*arguments)


def call(n, m, sizes, walk, between, starts, numbers, rows=None):
    """multiply's result (N, M), and NumPy's; all rows at once, or `rows` at a time."""
    k, row, start_row = int(np.prod(sizes)), m + between, m + 1 if starts else 0
    x = numbers(MARGIN + n * walk[0] + sum((size - 1) * step for size, step in zip(sizes, walk[1:])) + 1)
    w, start = numbers(MARGIN + k * row), numbers(MARGIN + n * start_row + m)
    y = np.full(MARGIN + n * row + MARGIN, np.nan, x.dtype)
    for i in range(0, n, rows or n):
        count, at = min(rows or n, n - i), (MARGIN + i * walk[0], MARGIN + i * start_row, MARGIN + i * row)
        multiply(x, at[0], walk, sizes, w, MARGIN, row, start, at[1], start_row, y, at[2], row, count, m)
    windows = as_strided(x[MARGIN:], (n, *sizes), [x.itemsize * step for step in walk]).reshape(n, k).astype(float)
    starts = as_strided(start[MARGIN:], (n, m), (x.itemsize * start_row, x.itemsize)).astype(float)
    got = as_strided(y[MARGIN:], (n, m), (x.itemsize * row, x.itemsize))
    elsewhere = np.delete(y, (MARGIN + np.arange(n)[:, None] * row + np.arange(m)).ravel())
    assert np.isnan(elsewhere).all(), "written where nothing belongs"
    return got, starts + windows @ w[MARGIN:].reshape(k, row)[:, :m].astype(float)


def whole(dtype, seed):
    rng = np.random.default_rng(seed)
    return lambda size: rng.integers(-8, 9, size).astype(dtype)


def real(seed):
    rng = np.random.default_rng(seed)
    return lambda size: rng.normal(size=size).astype(np.float32)


def test_exact_on_whole_numbers(profile):
    @settings(max_examples=EXAMPLES[profile])
    @given(FORMS, st.sampled_from(DTYPES), st.integers(0, 2**32 - 1))
    def exact(form, dtype, seed):
        np.testing.assert_array_equal(*call(**form, numbers=whole(dtype, seed)))

    exact()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vectors", range(1, 6))
def test_every_height_and_width(vectors, dtype):
    for n in range(1, 44):
        form = dict(n=n, m=vectors * LANES, sizes=(1, 3, 5), walk=(5, 0, 7, 1), between=0)
        for starts in (False, True):
            np.testing.assert_array_equal(*call(**form, starts=starts, numbers=whole(dtype, n)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sum_goes_on_where_it_stands(dtype):
    """The start of each row being the row itself: what is done twice would be added twice."""
    for n in range(1, 44):
        x, w, y = (whole(dtype, n + i)(shape) for i, shape in enumerate(((n, 6), (6, 3 * LANES), (n, 3 * LANES))))
        expected, flat, m = y + x @ w, y.reshape(-1), 3 * LANES
        multiply(x.ravel(), 0, (6, 0, 0, 1), (1, 1, 6), w.ravel(), 0, m, flat, 0, m, flat, 0, m, n, m)
        np.testing.assert_array_equal(y, expected)


def test_a_row_has_the_same_bits_in_whatever_company():
    form = dict(m=3 * LANES, sizes=(1, 1, 50), walk=(50, 0, 0, 1), between=0, starts=False)
    for n in (1, 7, 13, 28, 31):
        together = call(n=n, **form, numbers=real(n))[0]
        for rows in (1, 3, 4, 5, 9):
            assert together.tobytes() == call(n=n, **form, numbers=real(n), rows=rows)[0].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_are_what_their_plain_versions_say(dtype):
    def python(a, b, number, y):
        for i in range(0, len(y), LANES):
            u, v = load(a, i + 1), load(b, i)
            store(y, i, (u + v) * number + number * v + (nothing(y) + 3.0 * v) + u)

    a, b, number = whole(dtype, 0)(3 * LANES + 1), whole(dtype, 1)(3 * LANES), dtype(5)
    compiled, plain = np.zeros((2, 3 * LANES), dtype)
    python(a, b, number, plain)
    njit(python)(a, b, number, compiled)
    u = a[1:]
    np.testing.assert_array_equal(plain, (u + b) * 5 + 5 * b + 3 * b + u)
    np.testing.assert_array_equal(compiled, plain)


NARROW = """
import sys
import llvmlite.binding as llvm

def narrow(of_host=llvm.get_host_cpu_features):
    features = of_host()
    for name in features:
        if name.startswith("avx512") or name.startswith("amx") or name.startswith("avx10"):
            features[name] = False
    return features

llvm.get_host_cpu_features = narrow  # before numba and tinygen ask
import pytest
from tinygen.kernels.machine.vectors import LANES
assert LANES == 8
sys.exit(pytest.main(sys.argv[1:]))
"""
UNKNOWN = """
import sys
import numpy as np
import pytest

def unknown(*args, of_numpy=np.empty, **options):
    array = of_numpy(*args, **options)
    if array.dtype.kind == "f":
        array.fill(np.nan)  # new memory may hold anything: reading it before writing shows
    return array

np.empty = unknown
sys.exit(pytest.main(sys.argv[1:]))
"""
STARTS = {
    "NUMBA_DISABLE_JIT": UNKNOWN,
    "narrow": NARROW,
    "NUMBA_BOUNDSCHECK": "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))",
}
SMALL = "exact_on or every_height or company or vectors or cuts or no_images or matrices_of"


@pytest.mark.parametrize("how", STARTS)
def test_as_plain_python_with_bounds_checks_and_on_narrower_vectors(how, profile, tmp_path):
    if profile == "quick":
        pytest.skip("compiles the kernels again, or not at all: in the profiles full and long")
    if how == "narrow" and not WIDE:
        pytest.skip("here vectors are narrow anyway")
    files = [f"tests/kernels/test_{name}.py" for name in ("tile", "conv", "winograd", "matmul")]
    chosen = SMALL if how == "NUMBA_DISABLE_JIT" else "not narrower"
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), how: "1"}
    run = run_tests(*files, "-k", chosen, start=("-c", STARTS[how]), **settings)
    assert run.returncode == 0, run.stdout + run.stderr
