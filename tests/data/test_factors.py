"""Each image shows its factors: area, centroid, hue and outline, measured on the pixels with derived bounds."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygen.data import KINDS, Factors, render_shapes, shapes
from tinygen.data.factors import AREAS, POSITIONS, SUB_ROWS

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(8, 33)
ROUNDING = 1e-5  # a sum of at most 33² float32 pixels, each exact to 6e-8


def one(kind, area=0.1, x=0.5, y=0.5, hue=0.0):
    return Factors(*(np.array([value]) for value in (kind, area, x, y, hue)))


def extent(kind, area):
    """Width and height of each shape, of circle, square and equilateral triangle."""
    triangle = 2 * np.sqrt(area / np.sqrt(3))
    sides = [2 * np.sqrt(area / np.pi), np.sqrt(area), triangle]
    return np.choose(kind, sides), np.choose(kind, [sides[0], sides[1], triangle * np.sqrt(3) / 2])


def coverage_of(images):
    return images.max(axis=3).astype(np.float64)  # (N, H, W): the strongest channel of a pure hue is 1


@given(SEEDS, SIZES)
def test_the_sum_of_the_pixels_is_the_area(seed, size):
    images, factors = shapes(20, np.random.default_rng(seed), size=size)
    measured = coverage_of(images).mean(axis=(1, 2))
    width, _ = extent(factors.kind, factors.area)
    # The error of the midpoint rule of step h is at most h/2 times the variation, here twice the width.
    assert np.all(np.abs(measured - factors.area) <= width / (size * SUB_ROWS) + ROUNDING)


@given(SEEDS, SIZES)
def test_the_centroid_of_the_pixels_is_the_position(seed, size):
    images, factors = shapes(20, np.random.default_rng(seed), size=size)
    coverage = coverage_of(images)
    mass = coverage.sum(axis=(1, 2))
    centres = (np.arange(size) + 0.5) / size
    x = (coverage.sum(axis=1) * centres).sum(axis=1) / mass
    y = (coverage.sum(axis=2) * centres).sum(axis=1) / mass
    width, height = extent(factors.kind, factors.area)
    # Horizontally: a scan line is exact except for the pixels at its two ends, whose moments have errors of at most
    # 1/8 pixel² and opposite signs. Vertically: each row of pixels counts at its middle, with at most the same error
    # for each of the varying widths. Both inherit the error of the area, at most half the extent from the centroid.
    area_error = width / (size * SUB_ROWS) + ROUNDING
    measured_area = mass / size**2
    assert np.all(np.abs(x - factors.x) <= (height + 1 / size) / (8 * size**2 * measured_area) + ROUNDING)
    bound = (width / (8 * size**2) * 2 + area_error * height) / measured_area + ROUNDING
    assert np.all(np.abs(y - factors.y) <= bound)


@given(SEEDS)
def test_the_outline_equals_that_of_a_polygon(seed):
    size, fine = 12, 32
    images, factors = shapes(5, np.random.default_rng(seed), size=size)
    grid = (np.arange(size * fine) + 0.5) / (size * fine)
    px, py = np.meshgrid(grid, grid)
    for i, kind in enumerate(factors.kind):
        corners = {"circle": 0, "square": 4, "triangle": 3}[KINDS[kind]]
        dx, dy, area = px - factors.x[i], py - factors.y[i], factors.area[i]
        if corners == 0:
            inside = dx**2 + dy**2 <= area / np.pi
        else:  # a regular polygon: at most the inradius towards each side, one of which is the base
            inradius = np.sqrt(area / (corners * np.tan(np.pi / corners)))
            angles = np.pi / 2 + 2 * np.pi * np.arange(corners) / corners
            inside = np.all([dx * np.cos(a) + dy * np.sin(a) <= inradius for a in angles], axis=0)
        expected = inside.reshape(size, fine, size, fine).mean(axis=(1, 3))
        # A convex outline crosses at most 4·fine of the fine² cells in a pixel, and the scan lines add 1/SUB_ROWS.
        assert np.abs(coverage_of(images[i : i + 1])[0] - expected).max() <= 4 / fine + 1 / SUB_ROWS


@given(SEEDS)
def test_the_hue_equals_that_of_colorsys(seed):
    images, factors = shapes(20, np.random.default_rng(seed))
    total = images.astype(np.float64).sum(axis=(1, 2))  # (N, 3)
    expected = [colorsys.hsv_to_rgb(hue, 1, 1) for hue in factors.hue]
    np.testing.assert_allclose(total / total.max(axis=1, keepdims=True), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("hue", "colour"), [(0, (1, 0, 0)), (1 / 3, (0, 1, 0)), (2 / 3, (0, 0, 1)), (0.5, (0, 1, 1))])
def test_named_hues(hue, colour):
    image = render_shapes(one(1, area=1.0, hue=hue))
    np.testing.assert_allclose(image, np.broadcast_to(colour, (1, 16, 16, 3)), rtol=0, atol=1e-7)


@given(SEEDS, SIZES)
def test_each_image_depends_on_its_own_factors_alone(seed, size):
    images, factors = shapes(6, np.random.default_rng(seed), size=size)
    assert images.shape == (6, size, size, 3) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert np.array_equal(render_shapes(factors, size=size), images)
    for i in range(6):
        alone = Factors(*(array[i : i + 1] for array in vars(factors).values()))
        assert np.array_equal(render_shapes(alone, size=size), images[i : i + 1])


@given(st.integers(0, 2), st.floats(*AREAS), st.integers(-2, 2), st.integers(-2, 2))
def test_a_shape_that_moves_by_whole_pixels_moves_its_pixels(kind, area, right, down):
    still = render_shapes(one(kind, area))[0]
    moved = render_shapes(one(kind, area, 0.5 + right / 16, 0.5 + down / 16))[0]
    # Up to rounding: the positions are exact in binary, their sums with the half widths are not.
    np.testing.assert_allclose(moved, np.roll(still, (down, right), axis=(0, 1)), rtol=0, atol=1e-6)


@given(st.integers(0, 2), st.floats(*AREAS), st.floats(*POSITIONS))
def test_mirror_images(kind, area, x):
    image, mirrored = (render_shapes(one(kind, area, place))[0] for place in (x, 1 - x))
    np.testing.assert_allclose(mirrored, image[:, ::-1], rtol=0, atol=1e-6)
    if KINDS[kind] != "triangle":
        np.testing.assert_allclose(image[::-1], image, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", range(3))
def test_a_shape_across_the_edge_is_clipped(kind):
    inside, over = coverage_of(render_shapes(one(kind))), coverage_of(render_shapes(one(kind, x=0.0)))
    assert over.sum() == pytest.approx(inside.sum() / 2, rel=1e-6)
    assert over[:, :, 8:].sum() == 0


def test_the_factors_are_uniform_and_independent():
    n = 5000
    _, f = shapes(n, np.random.default_rng(0), size=1)
    assert stats.chisquare(np.bincount(f.kind, minlength=3)).pvalue > 1e-9
    for values, (low, high) in ((f.area, AREAS), (f.x, POSITIONS), (f.y, POSITIONS), (f.hue, (0, 1))):
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-9
    correlation = np.corrcoef(np.stack([f.kind, f.area, f.x, f.y, f.hue]))
    assert np.abs(correlation - np.eye(5)).max() < stats.norm.isf(1e-9) / np.sqrt(n)


def test_errors():
    with pytest.raises(TypeError, match="shapes: expected rng to be"):
        shapes(3, 0)
    with pytest.raises(ValueError, match="shapes: expected n to be a whole number"):
        shapes(-3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="render_shapes: expected size to be a whole number"):
        render_shapes(one(0), size=0)
    with pytest.raises(ValueError, match=r"expected kind to be in 0\.\.2, indices into KINDS, got \[3\]"):
        one(3)
    with pytest.raises(ValueError, match=r"expected area to be at least 0, got -0\.1"):
        one(0, area=-0.1)
    with pytest.raises(ValueError, match=r"five arrays of one shape \(N,\)"):
        Factors(np.zeros(2, int), np.ones(3), np.ones(2), np.ones(2), np.ones(2))
