"""Maps of latent codes and curves of losses show the values of the arrays."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.plot import PALETTE, latent_map, loss_curves
from tinygen.plot.curves import _spread

SEEDS = st.integers(0, 2**32 - 1)
drawing = settings(max_examples=min(20, settings().max_examples // 2), deadline=None)  # a picture takes some 0.1 s


@drawing
@given(SEEDS, st.integers(1, 200), st.integers(1, 10))
def test_a_latent_map_puts_each_code_in_its_place_and_colour(seed, n, kinds):
    rng = np.random.default_rng(seed)
    codes, labels = rng.standard_normal((n, 2)), rng.integers(kinds, size=n) * 7
    axes = latent_map(codes, labels).axes[0]
    points, *_ = axes.collections
    assert np.array_equal(points.get_offsets(), codes)
    legend = {
        text.get_text(): tuple(handle.get_facecolor()[0])
        for text, handle in zip(axes.get_legend().get_texts(), axes.get_legend().legend_handles, strict=True)
    }
    assert list(legend) == [str(label) for label in np.unique(labels)] and len(set(legend.values())) == len(legend)
    for colour, label in zip(points.get_facecolors(), labels, strict=True):
        assert tuple(colour[:3]) == legend[str(label)][:3]


def test_a_latent_map_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5,\): project longer codes by models.pca_2d"):
        latent_map(np.zeros((5, 3)), np.zeros(5))
    with pytest.raises(ValueError, match=r"got \(5, 2\) and \(4,\)"):
        latent_map(np.zeros((5, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="NaN"):
        latent_map(np.full((5, 2), np.inf), np.zeros(5))
    with pytest.raises(ValueError, match="expected at most ten classes, got 11"):
        latent_map(np.zeros((11, 2)), np.arange(11))


# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB; OKLab after Ottosson 2020.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_CONES = [[0.412221, 0.536333, 0.051446], [0.211903, 0.6807, 0.107397], [0.088302, 0.281719, 0.629979]]
TO_LAB = [[0.210454, 0.793618, -0.004072], [1.977998, -2.428592, 0.450594], [0.025904, 0.782772, -0.808676]]


@pytest.mark.parametrize("vision", VISION)
def test_the_ten_colours_stay_apart_for_every_eye(vision):
    rgb = np.array([matplotlib.colors.to_rgb(colour) for colour in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISION[vision]), 0, 1)
    lab = np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_LAB)
    distances = np.linalg.norm(lab[:, None] - lab, axis=2)[np.triu_indices(10, 1)]
    assert distances.min() >= (0.16 if vision == "normal" else 0.12)


@drawing
@given(st.lists(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30), min_size=1, max_size=6), st.booleans())
def test_curves_are_drawn_and_their_names_neither_collide_nor_leave_the_picture(values, log):
    curves = {f"curve {i}": v for i, v in enumerate(values)}
    picture = loss_curves(curves, reference={"the best line": 0.5, "PCA": 26.714}, log=log, title="Losses")
    axes = picture.axes[0]
    picture.pixels()
    *drawn, best, pca = axes.lines
    for line, v in zip(drawn, values, strict=True):
        assert line.get_ydata().tolist() == v and line.get_xdata().tolist() == list(range(1, len(v) + 1))
    assert set(best.get_ydata()) == {0.5} and set(pca.get_ydata()) == {26.714}
    names = [f"{name}  {v[-1]:.4g}" for name, v in curves.items()]
    assert [text.get_text() for text in axes.texts] == [*names, "the best line  0.5", "PCA  26.71"]
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(boxes))
    assert all(box.x0 > axes.bbox.x1 and box.x1 <= picture.bbox.x1 for box in boxes)


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([30, 13], False, ["15", "20", "25", "30"]),
        ([60, 9], True, ["10", "20", "50"]),
        ([30, 13], True, ["15", "20", "25", "30"]),
        ([10, 0.0001], True, ["0.0001", "0.001", "0.01", "0.1", "1", "10"]),
    ],
)
def test_ticks_are_round_and_plainly_written(values, log, ticks):
    axes = loss_curves({"a": values}, log=log).axes[0]
    axes.figure.pixels()
    for axis, expected in ((axes.xaxis, ["1", "2"]), (axes.yaxis, ticks)):
        low, high = axis.get_view_interval()
        assert [t.label1.get_text() for t in axis.get_major_ticks() if low <= t.get_loc() <= high] == expected
        assert not axis.get_minor_ticks()


def test_curves_may_have_an_x_of_their_own():
    curves = {"train": [3, 2, np.nan], "test": [4.0]}
    train, test = loss_curves(curves, x={"train": [0, 10, 20], "test": [20]}).axes[0].lines
    assert train.get_xdata().tolist() == [0, 10, 20] and test.get_xdata().tolist() == [20]
    with pytest.raises(ValueError, match=r"expected x and values \(N,\) for 'test', got \(3,\) and \(1,\)"):
        loss_curves(curves, x=[0, 10, 20])


def test_long_curves_become_means_of_segments():
    curves = {"long": [1.0, 3.0, 5.0, 7.0, 9.0], "short": [4.0, 2.0]}
    long, short = loss_curves(curves, max_points=2).axes[0].lines
    assert (long.get_xdata().tolist(), long.get_ydata().tolist()) == ([3, 5], [3.0, 8.0])
    assert (short.get_xdata().tolist(), short.get_ydata().tolist()) == ([1, 2], [4.0, 2.0])


@pytest.mark.parametrize("log", [False, True])
def test_curves_that_cannot_be_drawn_are_refused(log):
    with pytest.raises(ValueError, match=f"expected {'positive' if log else 'finite'} values for 'a'"):
        loss_curves({"a": [np.nan]}, log=log)
    if log:
        with pytest.raises(ValueError, match=r"expected positive values for 'a', got \[1. 0.\]"):
            loss_curves({"a": [1, 0]}, log=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.5), SEEDS)
def test_spread_keeps_the_order_and_the_distance_and_moves_as_little_as_it_can(heights, gap, seed):
    heights, rng = np.array(heights), np.random.default_rng(seed)
    spread = _spread(heights, gap)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(spread[order]) >= gap - 1e-12).all()
    moved = ((spread - heights) ** 2).sum()
    for _ in range(20):  # no other way to keep them apart moves them less
        other = np.empty(len(heights))
        other[order] = rng.uniform(-0.5, 1) + np.cumsum(gap + rng.exponential(0.1, len(heights)))
        assert moved <= ((other - heights) ** 2).sum()
    if (np.diff(heights[order]) >= gap + 1e-12).all():
        np.testing.assert_allclose(spread, heights, atol=1e-12)
