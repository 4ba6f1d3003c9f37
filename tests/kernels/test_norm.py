"""Normalisation kernels equal their references for all block sizes, layouts, thread counts and means far from 0."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import norm, reference
from tinygen.testing.layouts import LAYOUTS

pytestmark = pytest.mark.properties

ACTIVATIONS = [None, "leaky_relu", "silu"]
DTYPES = [np.float32, np.float64]

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(  # (N, positions..., groups, channels of a group)
    st.integers(0, 3),
    st.sampled_from([(), (1,), (3,), (5, 7), (8, 8), (2, 3, 4)]),
    st.integers(1, 4),
    st.integers(1, 5),
)


def numbers(seed: int, shape, groups: int, dtype, activation=None) -> tuple[np.ndarray, tuple]:
    """g and the arguments of `group_norm`."""
    rng = np.random.default_rng(seed)
    g, x = rng.normal(size=(2, *shape)).astype(dtype)
    weight, bias = rng.normal(size=(2, shape[-1])).astype(dtype)
    return g, (x, weight, bias, None, groups, 0.125, activation, 0.25)


def in_float64(arrays):
    return tuple(a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arrays)


def compare(seed: int, shape, groups: int, dtype, activation) -> None:
    """Both kernels against the float64 reference: the rounding error grows as the root of the number of terms."""
    g, arguments = numbers(seed, shape, groups, dtype, activation)
    exact_g, exact = in_float64([g])[0], in_float64(arguments)
    y, moments = norm.group_norm(*arguments)
    assert y.dtype == dtype and y.shape == shape and moments.dtype == np.float64
    limit = 8 * math.sqrt(max(math.prod(shape), 1)) * np.finfo(dtype).eps
    true, true_moments = reference.group_norm(*exact)
    z = reference.group_norm(*exact[:-2], None, 0)[0]  # leaky_relu jumps nowhere, but its slope does: stay off
    np.testing.assert_allclose(y, true, rtol=0, atol=limit)
    np.testing.assert_allclose(moments, true_moments, rtol=0, atol=limit)
    np.testing.assert_array_equal(norm.moments(arguments[0], groups), moments)
    if activation == "leaky_relu" and (abs(z) < 1e-4).any():
        return
    flat = norm.group_norm_vjp(g, *arguments)
    assert flat.dtype == dtype
    expected = reference.group_norm_vjp(exact_g, *exact)
    size = math.prod(shape)
    np.testing.assert_allclose(flat[:size], expected[:size], rtol=0, atol=4 * limit)
    np.testing.assert_allclose(flat[size:], expected[size:], rtol=0, atol=4 * limit * math.sqrt(max(size, 1)))


def sizes(monkeypatch, **values: int) -> None:
    """Other sizes of pieces, blocks and rows, so that small arrays are cut as large ones are."""
    for name, value in values.items():
        monkeypatch.setattr(norm, name, value)
    norm._cut.cache_clear()


@pytest.fixture(autouse=True)
def cuts_are_forgotten():
    yield
    norm._cut.cache_clear()


@pytest.mark.parametrize("cut", [(1 << 16, 1 << 14, 256), (16, 8, 4), (16, 24, 16), (1 << 16, 40, 12)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_small_shapes_in_every_cut(cut, dtype, monkeypatch):
    sizes(monkeypatch, EXAMPLE=cut[0], BLOCK=cut[1], WIDTH=cut[2])

    @given(seed=seeds, shape=shapes, activation=st.sampled_from(ACTIVATIONS))
    def equal(seed, shape, activation):
        n, positions, groups, each = shape
        compare(seed, (n, *positions, groups * each), groups, dtype, activation)

    equal()


LARGE = [((64, 28, 28, 32), 8), ((5, 7, 7, 48), 3), ((1, 40, 30, 30, 20), 20), ((2, 91, 61, 24), 4), ((3000, 24), 1)]


@pytest.mark.parametrize("shape, groups", LARGE)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_large_shapes(shape, groups, activation):
    compare(0, shape, groups, np.float32, activation)


def test_the_large_shapes_are_cut_in_every_way():
    cuts = [norm._cut(shape) for shape, _ in LARGE]
    assert {cut.pieces > 1 for cut in cuts} == {cut.examples > 1 for cut in cuts} == {True, False}
    assert any(cut.height % cut.rows for cut in cuts), "a last piece that is smaller"
    assert any(shape[0] % cut.examples for (shape, _), cut in zip(LARGE, cuts)), "a last block that is smaller"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=seeds)
def test_every_layout_and_nothing_written_to(activation, dtype, seed):
    g, (x, *rest) = numbers(seed, (2, 3, 4, 6), 3, dtype, activation)
    for name, lay_out in LAYOUTS.items():
        views = lay_out(g), lay_out(x), lay_out(rest[0]), lay_out(rest[1])
        plain = [np.array(v, order="C") for v in views]
        np.testing.assert_array_equal(
            norm.group_norm(*views[1:], *rest[2:])[0], norm.group_norm(*plain[1:], *rest[2:])[0], err_msg=name
        )
        np.testing.assert_array_equal(norm.group_norm_vjp(*views, *rest[2:]), norm.group_norm_vjp(*plain, *rest[2:]))
        for view, before in zip(views, plain):
            np.testing.assert_array_equal(view, before)


@pytest.mark.parametrize("shape, groups", LARGE)
def test_the_same_bits_on_one_two_and_three_threads(shape, groups, monkeypatch):
    g, arguments = numbers(1, shape, groups, np.float32, "silu")
    found = []
    for threads in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", threads)
        y, moments = norm.group_norm(*arguments)
        found.append([a.tobytes() for a in (y, moments, norm.group_norm_vjp(g, *arguments))])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shape, groups", LARGE)
def test_known_moments_are_taken_as_they_are(shape, groups):
    _, (x, weight, bias, _, *rest) = numbers(2, shape, groups, np.float32)
    y, moments = norm.group_norm(x, weight, bias, None, *rest)
    again, same = norm.group_norm(x, weight, bias, moments, *rest)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(same, moments)
    others = np.stack([np.full_like(moments[:, 0], 3), np.full_like(moments[:, 1], 4 - 0.125)], axis=1)
    np.testing.assert_allclose(
        norm.group_norm(x, weight, bias, others, *rest)[0], (x - 3) / 2 * weight + bias, atol=2e-6
    )


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape, groups", [((3, 4, 5, 6), 2), ((2, 91, 61, 24), 4)])
def test_what_is_not_finite_spoils_its_own_group_and_no_other(wrong, activation, shape, groups):
    g, (x, *rest) = numbers(3, shape, groups, np.float32, activation)
    each = shape[-1] // groups
    x[1, 2, 3, each] = wrong  # the first channel of the second group
    spoilt = np.zeros(shape, bool)
    spoilt[1, :, :, each : 2 * each] = True
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isfinite(norm.group_norm(x, *rest)[0]), ~spoilt)
        gx = norm.group_norm_vjp(g, x, *rest)[: x.size].reshape(shape)
        np.testing.assert_array_equal(np.isfinite(gx), ~spoilt)


@pytest.mark.parametrize("shape, groups", [((4, 14, 14, 16), 4), ((1, 8, 40, 40, 16), 16)])
def test_a_large_mean_takes_no_digits_from_a_small_variance(shape, groups):
    """The mean of squares less the square of the mean would be rounding: 10⁴ squared has 8 digits."""
    g, (x, *rest) = numbers(4, shape, groups, np.float32, "silu")
    x = (10_000 + x).astype(np.float32)
    y, moments = norm.group_norm(x, *rest)
    true, true_moments = reference.group_norm(*in_float64((x, *rest)))
    np.testing.assert_allclose(moments, true_moments, rtol=1e-6)
    np.testing.assert_allclose(y, true, rtol=0, atol=2e-6 * abs(true).max())
    flat, expected = norm.group_norm_vjp(g, x, *rest), reference.group_norm_vjp(*in_float64((g, x, *rest)))
    np.testing.assert_allclose(flat[: x.size], expected[: x.size], rtol=0, atol=4e-6 * abs(expected[: x.size]).max())
    np.testing.assert_allclose(flat[x.size :], expected[x.size :], rtol=0, atol=1e-5 * abs(expected[x.size :]).max())


@pytest.mark.parametrize("value", [0.1, 300.7, -3e-30])
def test_a_constant_becomes_the_bias(value):
    """Its variance is 0, and never less."""
    _, (_, weight, bias, *rest) = numbers(5, (2, 9, 6), 2, np.float32)
    x = np.full((2, 9, 6), value, np.float32)
    y, moments = norm.group_norm(x, weight, bias, *rest)
    assert (moments[:, 1] >= 0).all()
    np.testing.assert_allclose(y, np.broadcast_to(bias, y.shape), atol=1e-6 * max(1, abs(value)))
