"""Winograd's algorithm stays within its bound for errors, and is left out where it wins nothing."""

import numpy as np
import pytest
from helpers.convolutions import (
    ENOUGH,
    EXAMPLE,
    EXAMPLES,
    FOR_STRIDED,
    FOR_WINOGRAD,
    SEEDS,
    WINOGRAD_ERROR,
    WINOGRADS,
    Geometry,
    by_winograd,
    conv,
    numbers,
    relative_errors,
    sums_agree,
    way,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.kernels import reference
from tinygen.kernels.conv import winograd, winograd_tiles

pytestmark = pytest.mark.usefixtures("small_images_are_enough")


# -- errors within the bound -------------------------------------------------------------------------------------------


def test_winograd_is_within_its_bound(profile):
    settings(max_examples=EXAMPLES[profile])(given(FOR_WINOGRAD, SEEDS)(by_winograd))()


def test_strided_winograd_is_within_its_bound(profile):
    settings(max_examples=EXAMPLES[profile])(given(FOR_STRIDED, SEEDS)(by_winograd))()


def hostile(a, rng):
    """Offsets, alternating signs, and scales that differ by channel or by place: what rounding likes least."""
    place = (*a.shape[:-1], 1)
    checks = (-1.0) ** np.add.outer(*map(np.arange, a.shape[-3:-1] if len(a) > 3 else a.shape[:2]))
    for change in rng.integers(5, size=3):
        if change == 0:
            a = a * 10 ** rng.uniform(-2, 2, size=a.shape[-1])
        elif change == 1:
            a = a * 10 ** rng.uniform(-1, 1, size=place)
        elif change == 2:
            a = a + 3 * rng.normal() * abs(a).mean()
        elif change == 3:
            a = a * np.where(rng.random(a.shape) < 0.2, -1, 1)
        else:
            a = a * (checks[None, :, :, None] if a.shape[1:3] == checks.shape else checks[..., None, None])
    return (a / abs(a).max()).astype(np.float32)


def test_winograd_is_within_its_bound_on_hostile_numbers(profile):
    """The worst of each draw is made worse, a few times: a search for what breaks the bound."""

    def search(geometry, seed):
        rng, arrays = np.random.default_rng(seed), numbers(geometry, seed)[:3]
        for _ in range(3):
            found = [[hostile(a, rng) for a in arrays] for _ in range(2)]
            arrays = max(found, key=lambda arrays: max(relative_errors(geometry, arrays).values()))
            assert max(relative_errors(geometry, arrays).values()) <= WINOGRAD_ERROR

    forms = st.one_of(FOR_WINOGRAD, FOR_STRIDED)
    settings(max_examples=EXAMPLES[profile] // 4)(given(forms, SEEDS)(search))()


@pytest.mark.parametrize("kernel_size, stride, channels", [((3, 3), 1, 16), ((4, 4), 2, 32)])
def test_weights_add_up_many_images_within_winograds_bound(kernel_size, stride, channels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 28, 28, channels)).astype(np.float32)
    g = rng.normal(size=(512, 28 // stride, 28 // stride, channels)).astype(np.float32)
    form = kernel_size, (stride, stride), (1, 1), (1, 1)
    exact = sum(
        reference.conv2d_weight(*(a[i : i + 32].astype(float) for a in (x, g)), *form) for i in range(0, 512, 32)
    )
    assert abs(conv.conv2d_weight(x, g, *form) - exact).max() <= WINOGRAD_ERROR * abs(exact).max()


@pytest.mark.parametrize("name", WINOGRADS)
def test_numbers_that_overflow_only_within_winograd_are_right(name):
    geometry = EXAMPLE[name]
    x, w, g, *_ = numbers(geometry)
    arrays = x * np.float32(1e36), w / np.float32(1e3), g * np.float32(1e36)
    expected = geometry.all_three(reference, *(a.astype(float) for a in arrays))
    del expected["conv2d_weight"]
    for op, y in expected.items():
        got = geometry.all_three(conv, *arrays)[op]
        np.testing.assert_allclose(got, y, atol=WINOGRAD_ERROR * abs(y).max(), equal_nan=False)


# -- where it is left out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(16, 15), (32, 9), (8, 16), (15, 64)])
def test_fewer_than_sixteen_channels_never_go_by_winograd(channels):
    """They win nothing there, and keep the error of plain sums: so does the smallest of images."""
    for size, few in (((12, 12), channels), ((3, 9), (32, 32))):
        geometry = Geometry(2, size, few, (3, 3), (1, 1), (1, 1), (1, 1))
        arrays = [hostile(a, np.random.default_rng(0)) for a in numbers(geometry)[:3]]
        assert all(error <= 2e-6 for error in relative_errors(geometry, arrays).values())


@pytest.mark.parametrize(
    "n, kernel_size, expected", [(3, 3, "direct"), (4, 3, "winograd"), (15, 4, "direct"), (16, 4, "strided")]
)
def test_few_pixels_never_go_by_winograd(n, kernel_size, expected, monkeypatch):
    """Transforming the weights takes as long for one image as for a hundred."""
    for name, number in ENOUGH.items():
        monkeypatch.setattr(winograd, name, number)
    stride = (kernel_size - 2, kernel_size - 2)
    assert way(Geometry(n, (14, 14), (64, 128), (kernel_size, kernel_size), stride, (1, 1), (1, 1))) == expected


@pytest.mark.parametrize("geometries", [FOR_WINOGRAD, FOR_STRIDED], ids=WINOGRADS)
def test_float64_never_goes_by_winograd(geometries, profile):
    settings(max_examples=EXAMPLES[profile] // 10)(given(geometries, SEEDS)(sums_agree))()


# -- tiles and matrices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(3, 3), (3, 17), (4, 4), (4, 5), (5, 4), (8, 9), (17, 6), (7, 18)])
def test_winograd_cuts_its_tiles_at_the_edges(size):
    for padding in ((1, 1), (0, 2), (2, 0)):
        if min(size) > 3:
            by_winograd(Geometry(2, size, (16, 32), (3, 3), (1, 1), padding, (1, 1)), 0)
        if min(size) > 6:
            by_winograd(Geometry(2, size, (32, 32), (4, 4), (2, 2), padding, (1, 1)), 0)


@pytest.mark.parametrize("phases, taps, points", [(1, 3, [0, 0.75, -0.75, 1.5, -1.5]), (2, 2, [0, 0.75, -0.75, 1.5])])
def test_the_matrices_of_winograd_come_from_their_points(phases, taps, points):
    """And from infinity: A and G evaluate polynomials, B interpolates; docs/fast.md says why."""
    count = len(points) + 1
    a, g, v = (np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1:]]) for n in (4, taps, count))
    products = np.array([[np.prod([p - q for q in points if q != p]) for p in points] + [1]]).T
    bt, weights, at = winograd_tiles.MATRICES[phases]
    np.testing.assert_allclose(bt, np.linalg.inv(v).T * products, atol=1e-12)
    np.testing.assert_array_equal(bt * 64, np.rint(bt * 64))
    np.testing.assert_allclose(weights, g / products, atol=1e-15)
    np.testing.assert_array_equal(at, a.T)
