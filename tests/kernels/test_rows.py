"""Softmax and its like by rows, and rows that are added up: equal to the references for every length and value."""

import numpy as np
import pytest

from tinygen.kernels import compiled, reference
from tinygen.kernels.machine.vectors import LANES

WIDTHS = [1, 2, 10, LANES - 1, LANES, LANES + 1, 24, 25, 3 * LANES, 3 * LANES + 5, 1000]
NAMES = (
    *("logsumexp", "logsumexp_vjp", "softmax", "softmax_vjp", "log_softmax", "log_softmax_vjp"),
    *("log_softmax_at", "log_softmax_at_vjp"),
)
EPS = np.finfo(np.float32).eps


def logits(width: int) -> np.ndarray:
    """Rows of all kinds: equal, far apart, with infinite entries, with NaN."""
    rng = np.random.default_rng(width)
    x = rng.normal(size=(40, width)) * np.repeat([1, 30], 20)[:, None]
    x[1], x[2], x[3], x[4] = 1, 1e30, -np.inf, np.inf
    x[5, -1], x[6, 0], x[7, -1], x[8, -1], x[9, 0] = np.inf, -np.inf, np.nan, 5e4, np.nan
    return x.astype(np.float32)


def calls(width: int) -> dict[str, tuple]:
    x, g = logits(width), np.random.default_rng(0).normal(size=(40, width)).astype(np.float32)
    y, labels = reference.log_softmax(x), np.random.default_rng(1).integers(width, size=40)
    at_labels = reference.log_softmax_at(x, labels)
    return {
        "logsumexp": (x, (1,)),
        "logsumexp_vjp": (g[:, 0].copy(), x, (1,)),
        "softmax": (x,),
        "softmax_vjp": (g, reference.softmax(x)),
        "log_softmax": (x,),
        "log_softmax_vjp": (g, y),
        "log_softmax_at": (x, labels),
        "log_softmax_at_vjp": (g[:, 0].copy(), x, at_labels, labels),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_rows_equal_the_reference(name, width):
    arguments = calls(width)[name]
    got, plain = compiled(name)(*arguments), getattr(reference, name)(*arguments)
    assert got.dtype == np.float32 and got.shape == plain.shape
    wide = [a.astype(float) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in arguments]
    size = abs(getattr(reference, name)(*wide))
    if name == "log_softmax_vjp":  # of the terms of its sum
        size = abs(wide[0]) + np.exp(wide[1]) * abs(wide[0]).sum(axis=1, keepdims=True)
    if name == "softmax_vjp":
        size = wide[1] * (abs(wide[0]) + (abs(wide[0]) * wide[1]).sum(axis=1, keepdims=True))
    scale = np.nan_to_num(size, nan=0, posinf=0)
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(plain))
    np.testing.assert_array_equal(got[~np.isfinite(got)], plain[~np.isfinite(got)])
    finite = np.isfinite(got)
    least = 1 if name.endswith("vjp") else np.finfo(np.float32).tiny / EPS  # smaller numbers have fewer digits
    assert (abs(got - plain)[finite] <= 8 * EPS * np.maximum(scale, least)[finite]).all()


@pytest.mark.parametrize("distance", [0.0, 10.0, 60.0])
def test_a_certain_class_keeps_its_digits(distance):
    """log softmax of the largest entry is -log(1 + e^-distance): a number near 0, not a difference of large ones."""
    x = np.zeros((1, 2 * LANES), np.float32)
    x[0, 3] = distance
    exact = -np.log1p((2 * LANES - 1) * np.exp(-distance))
    np.testing.assert_allclose(compiled("log_softmax")(x)[0, 3], exact, rtol=4 * EPS)
    np.testing.assert_allclose(compiled("log_softmax_at")(x, np.array([3]))[0], exact, rtol=4 * EPS)


@pytest.mark.parametrize("width", [5, 50])
def test_a_label_outside_is_never_read(width):
    x, labels = np.zeros((60, width), np.float32), np.zeros(60, int)
    labels[7] = -1  # counted from the end, as in NumPy
    np.testing.assert_allclose(compiled("log_softmax_at")(x, labels), -np.log(width), rtol=4 * EPS)
    labels[7] = width
    with pytest.raises(IndexError):
        compiled("log_softmax_at")(x, labels)


def test_several_axes_and_other_layouts():
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 7)).astype(np.float32)
    for view in (x, x[::-1, :, ::2], x.transpose(2, 3, 0, 1)):
        for axes in ((3,), (2, 3), (0, 1, 2, 3), (1, 2)):  # the last are for the reference
            got, plain = compiled("logsumexp")(view, axes), reference.logsumexp(view, axes)
            np.testing.assert_allclose(got, plain, rtol=4 * EPS)
            g = np.ones_like(np.asarray(plain))
            np.testing.assert_allclose(
                compiled("logsumexp_vjp")(g, view, axes), reference.logsumexp_vjp(g, view, axes), rtol=4e-6
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "n, m, c", [(1, 1, 1), (1000, 5000, 3), (50, 3000, 20), (7, 0, 4), (70_000, 9000, 1), (5, 9, 0)]
)
def test_rows_are_added_where_the_index_puts_them(n, m, c, dtype):
    rng = np.random.default_rng(0)
    x, rows = rng.integers(-9, 10, size=(m, c)).astype(dtype), rng.integers(0, n, m)
    np.testing.assert_array_equal(compiled("add_rows")(x, rows, n), reference.add_rows(x, rows, n), strict=True)


def test_a_long_sum_of_rows_keeps_its_small_terms():
    x, rows = np.full((1 << 20, 1), 0.1, np.float32), np.zeros(1 << 20, np.int64)
    assert compiled("add_rows")(x, rows, 2)[0, 0] == np.float32(x.sum(dtype=np.float64))


def test_one_two_and_three_threads_give_the_same_bits(monkeypatch):
    rng = np.random.default_rng(1)
    x, g, rows = *rng.normal(size=(2, 700, 130)).astype(np.float32), rng.integers(0, 300, 700)
    results = []
    for n in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
        made = [
            compiled("logsumexp")(x, (1,)),
            compiled("logsumexp_vjp")(g[:, 0], x, (1,)),
            compiled("softmax")(x),
            compiled("softmax_vjp")(g, x),
            compiled("log_softmax")(x),
            compiled("log_softmax_vjp")(g, x),
            compiled("log_softmax_at")(x, rows % 130),
            compiled("log_softmax_at_vjp")(g[:, 0], x, -abs(g[:, 0]), rows % 130),
            compiled("add_rows")(x, rows, 300),
        ]
        results.append([array.tobytes() for array in made])
    assert results[0] == results[1] == results[2]
