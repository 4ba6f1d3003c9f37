"""Every algorithm for a convolution agrees with plain NumPy, for any geometry, layout, number of threads and values."""

import numpy as np
import pytest
from helpers.convolutions import (
    EXAMPLE,
    EXAMPLES,
    FOR_DIRECT,
    FOR_STRIDED,
    FOR_WINOGRAD,
    SEEDS,
    WINOGRADS,
    Geometry,
    by_winograd,
    conv,
    geometries,
    numbers,
    sums_agree,
    way,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygen.kernels import reference
from tinygen.kernels.machine.vectors import LANES
from tinygen.testing.layouts import LAYOUTS

pytestmark = pytest.mark.usefixtures("small_images_are_enough")


# -- values ------------------------------------------------------------------------------------------------------------


def test_direct(profile):
    def agree(geometry, seed):
        assume(way(geometry) not in WINOGRADS)
        sums_agree(geometry, seed)

    settings(max_examples=EXAMPLES[profile])(given(FOR_DIRECT, SEEDS)(agree))()


def test_channels_that_fill_no_vector(profile):
    settings(max_examples=EXAMPLES[profile])(given(geometries(), SEEDS)(sums_agree))()


@pytest.mark.parametrize("geometry", EXAMPLE.values(), ids=EXAMPLE)
def test_several_blocks(geometry):
    (by_winograd if way(geometry) in WINOGRADS else sums_agree)(geometry, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXAMPLE)
def test_relu_in_the_same_pass_is_relu_afterwards_to_the_bit(name, dtype):
    geometry = EXAMPLE[name]
    x, w, g, bias_o, bias_c = numbers(geometry, dtype=dtype)
    x[0, 9:13, 9:13] = g[0, 9:13, 9:13] = np.nan  # which is not below zero
    plain = geometry.all_three(conv, x, w, g, bias_o, bias_c)
    activated = {
        "conv2d": conv.conv2d(x, w, *geometry.form, bias_o, "relu"),
        "conv_transpose2d": conv.conv_transpose2d(g, w, geometry.size, *geometry.form, bias_c, "relu"),
    }
    for op, y in activated.items():
        np.testing.assert_array_equal(y, np.maximum(plain[op], 0), strict=True)
        assert 0 < (y == 0).sum() < y.size and np.isnan(y).any()


@pytest.mark.parametrize("channels", [(1, 1), (1, 16), (16, 1), (16, 16), (3, 5)])
def test_no_images(channels):
    geometry = Geometry(0, (6, 5), channels, (3, 3), (1, 1), (1, 1), (1, 1))
    expected = geometry.all_three(reference, *numbers(geometry))
    for name, got in geometry.all_three(conv, *numbers(geometry)).items():
        np.testing.assert_array_equal(got, expected[name], strict=True)


@pytest.mark.parametrize("width", [LANES - 1, LANES, 2 * LANES])
@pytest.mark.parametrize("k, stride, padding", [(2, 2, 0), (1, 3, 0), (3, 3, 1)])
def test_pixels_to_the_right_of_all_copies_of_a_kernel_are_the_bias(k, stride, padding, width):
    """The widest image that a convolution sends to this width, made of rows that fill whole vectors."""
    rng, size = np.random.default_rng(0), stride * (width - 1) + k - 2 * padding + stride - 1
    g, w = rng.integers(-4, 5, (2, width, width, 8)), rng.integers(-4, 5, (k, k, 1, 8))
    form = (size, size), (stride, stride), (padding, padding), (1, 1), np.ones(1, np.float32)
    arrays = g.astype(np.float32), w.astype(np.float32)
    np.testing.assert_array_equal(conv.conv_transpose2d(*arrays, *form), reference.conv_transpose2d(*arrays, *form))


# -- layouts, threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", EXAMPLE)
def test_every_layout_gives_the_same_bits_and_stays_as_it_is(name, layout):
    arrays = [LAYOUTS[layout](a) for a in numbers(EXAMPLE[name])]
    before = [np.array(a, order="C") for a in arrays]
    expected = EXAMPLE[name].all_three(conv, *before)
    for op, got in EXAMPLE[name].all_three(conv, *arrays).items():
        np.testing.assert_array_equal(got, expected[op], strict=True)
    for array, copy in zip(arrays, before):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", EXAMPLE)
def test_one_two_and_three_threads_give_the_same_bits_every_time(name, profile, monkeypatch):
    arrays, seen = numbers(EXAMPLE[name]), {}
    for _ in range({"quick": 3, "full": 30, "long": 1000}[profile]):
        for n in "123":
            monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
            for op, got in EXAMPLE[name].all_three(conv, *arrays).items():
                assert seen.setdefault(op, got.tobytes()) == got.tobytes(), op


# -- NaN and infinity --------------------------------------------------------------------------------------------------


def reaches_what_it_is_part_of(geometry, seed, bad):
    """One number of x, w or g: the plain sums, which never meet the zeros around an image, say where it shows."""
    rng = np.random.default_rng(seed)
    for place in range(3):
        arrays = numbers(geometry, seed)
        arrays[place].flat[rng.integers(arrays[place].size)] = bad
        with np.errstate(invalid="ignore"):
            expected = geometry.all_three(reference, *arrays)
        for op, got in geometry.all_three(conv, *arrays).items():
            for kind in (np.isnan, np.isposinf, np.isneginf):
                np.testing.assert_array_equal(kind(got), kind(expected[op]), op)
            finite = np.isfinite(got)
            error = abs(got[finite] - expected[op][finite]).max(initial=0)
            assert error <= 1e-4 * abs(expected[op][finite]).max(initial=0), op


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", EXAMPLE)
def test_what_is_not_finite_reaches_the_entries_that_it_is_part_of(name, bad):
    for seed in range(3):
        reaches_what_it_is_part_of(EXAMPLE[name], seed, bad)


@pytest.mark.parametrize("forms", [FOR_WINOGRAD, FOR_STRIDED, FOR_DIRECT, geometries()])
def test_it_does_so_on_every_way(forms, profile):
    bad = st.sampled_from([np.nan, np.inf, -np.inf])
    settings(max_examples=EXAMPLES[profile] // 4)(given(forms, SEEDS, bad)(reaches_what_it_is_part_of))()
