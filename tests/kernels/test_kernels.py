"""Each fast kernel equals its NumPy reference implementation: exactly on whole numbers, within rounding on others."""

from inspect import signature

import numpy as np
import pytest
from helpers.processes import run_tests
from hypothesis import given, settings

from tinygen import kernels
from tinygen.kernels import reference
from tinygen.testing import CASES, draws
from tinygen.testing.strategies import examples

pytestmark = pytest.mark.properties

EXAMPLES = {"quick": 50, "full": 500, "long": 5000}
# The others have files of their own.
OF_OPS = [n for n, row in kernels.COMPILED.items() if row.home in ("conv", "linalg") and n in CASES]
LARGE = {"quick": 5, "full": 50, "long": 500}


def both(name: str):
    """The compiled kernel, which takes no keywords, and the plain one."""
    compiled, plain = kernels.compiled(name), getattr(reference, name)
    return lambda *arrays, **static: compiled(*signature(plain).bind(*arrays, **static).args), plain


def matrices(arrays):
    """What the op makes of vectors before the kernel gets them."""
    a, b = arrays
    return a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None]


def compare(name: str, arrays, static, rng) -> None:
    """All these kernels are sums of products, so the plain one can say how many meet in each entry, and how large."""
    fast, plain = both(name)
    if name == "matmul":  # the op broadcasts batches first
        arrays = matrices(arrays)
        batch = np.broadcast_shapes(arrays[0].shape[:-2], arrays[1].shape[:-2])
        arrays = tuple(np.broadcast_to(a, batch + a.shape[-2:]) for a in arrays)
    whole = [draws.integral(rng, a.shape) for a in arrays]
    terms = plain(*(np.ones(a.shape) for a in arrays), **static)
    size = plain(*(abs(a) for a in arrays), **static)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(
            fast(*(a.astype(dtype) for a in whole), **static), plain(*whole, **static).astype(dtype), strict=True
        )
        got, expected = (f(*(a.astype(dtype) for a in arrays), **static) for f in (fast, plain))
        assert got.dtype == dtype
        assert (abs(got - expected) <= 4 * np.sqrt(terms) * np.finfo(dtype).eps * size).all()


@pytest.mark.parametrize("name", OF_OPS)
def test_small_shapes(name, profile):
    @settings(max_examples=EXAMPLES[profile])
    @given(example=examples(CASES[name]))
    def equal(example):
        compare(name, *example, np.random.default_rng(0))

    equal()


def large_conv(rng):
    """Shapes that make several blocks for several threads: x (N, H, W, C), w (KH, KW, C, O), g (N, GH, GW, O)."""
    n, c, o = int(rng.integers(1, 4)), int(rng.integers(16, 40)), int(rng.integers(1, 20))
    kernel_size, stride, dilation = (draws.pick(rng, draws.UNEQUAL) for _ in range(3))
    padding = (int(rng.integers(3)), int(rng.integers(3)))
    size = (int(rng.integers(20, 40)), int(rng.integers(20, 40)))
    outputs = [
        (h + 2 * p - d * (k - 1) - 1) // s + 1 for h, p, d, k, s in zip(size, padding, dilation, kernel_size, stride)
    ]
    form = {"stride": stride, "padding": padding, "dilation": dilation}
    return (n, *size, c), (*kernel_size, c, o), (n, *outputs, o), form


def large(name: str, rng):
    if name == "matmul":
        b, n, k, m = (int(rng.integers(*ends)) for ends in ((5, 8), (257, 400), (60, 90), (60, 90)))
        return [(b, n, k), (b, k, m)], {}
    x, w, g, form = large_conv(rng)
    return {
        "conv2d": ([x, w], form),
        "conv_transpose2d": ([g, w], {"size": x[1:3], **form}),
        "conv2d_weight": ([x, g], {"kernel_size": w[:2], **form}),
    }[name]


@pytest.mark.parametrize("name", OF_OPS)
def test_large_shapes(name, profile):
    for seed in range(LARGE[profile]):
        rng = np.random.default_rng(seed)
        shapes, static = large(name, rng)
        compare(name, [rng.normal(size=s) for s in shapes], static, rng)


@pytest.mark.parametrize("name", OF_OPS)
def test_nan_and_infinity_reach_the_same_entries(name):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        arrays, static = CASES[name].sample(rng)
        if not all(a.size for a in arrays):
            continue
        fast, plain = both(name)
        if name == "matmul":
            arrays = [a[(0,) * (a.ndim - 2)].copy() for a in matrices(arrays)]
        arrays[0].flat[0] = draws.pick(rng, (np.nan, np.inf))
        got = fast(*arrays, **static)  # without a warning
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(np.isfinite(got), np.isfinite(plain(*arrays, **static)))


@pytest.mark.parametrize("setting", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_as_plain_python_and_with_bounds_checks(setting, profile, tmp_path):
    if profile == "quick":
        pytest.skip("compiles all kernels again: in the profiles full and long")
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), setting: "1"}
    wanted = "small or large" if setting == "NUMBA_BOUNDSCHECK" else "small"  # plain Python takes its time
    run = run_tests(__file__, "-k", wanted, **settings)
    assert run.returncode == 0, run.stdout + run.stderr
