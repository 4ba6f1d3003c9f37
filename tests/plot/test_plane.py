"""The map of a probability over the plane: colours, points and limits are read back from the pixels and the axes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.plot import plane_map
from tinygen.plot.plane import BOX, COLOURS, DARK, LEVELS, SIZE

drawing = settings(max_examples=min(5, settings().max_examples), deadline=None)  # a picture takes 0.1 s
POINTS = np.array([[-1.0, -1.0], [1.0, 1.0], [0.5, -1.0]])
LABELS = np.array([0, 1, 1])
CORNER = (-2.0, 2.0, -2.0, 2.0)


def pixel(picture, x, y):
    """The colour of the map at a point of the plane whose limits are CORNER."""
    column = BOX[0] + (x + 2) / 4 * BOX[2]
    row = SIZE[1] - BOX[1] - (y + 2) / 4 * BOX[3]
    return picture.pixels()[round(row), round(column)] / 255


def constant(p):
    return lambda points: np.full(len(points), p)


@given(p=st.floats(0, 1))
@drawing
def test_the_colour_of_the_map_is_that_of_the_probability(p):
    seen = pixel(plane_map(constant(p), POINTS, LABELS, limits=CORNER), 0.25, 0.25)
    centres = (LEVELS[1:] + LEVELS[:-1]) / 2
    near = [COLOURS(c)[:3] for c in centres if abs(c - p) <= 0.0501]
    assert min(np.abs(seen - colour).max() for colour in near) < 0.02


def test_up_is_up_and_right_is_right():
    picture = plane_map(lambda z: (z[:, 0] + 2 * z[:, 1] > 0).astype(float), POINTS, LABELS, limits=CORNER)
    first, second = COLOURS(0.05)[:3], COLOURS(0.95)[:3]
    for place, colour in [((-1.5, 1.5), second), ((1.5, -1.5), first), ((1.5, 0.0), second), ((-1.5, 0.0), first)]:
        assert np.abs(pixel(picture, *place) - colour).max() < 0.02, place


def test_points_have_the_colours_of_their_classes():
    picture = plane_map(constant(0.5), POINTS, LABELS, limits=CORNER)
    for point, label in zip(POINTS, LABELS):
        assert np.abs(pixel(picture, *point) - DARK[label]).max() < 0.02


def test_the_probability_gets_a_grid_with_all_points_inside_in_their_dtype():
    grids = []
    plane_map(lambda grid: grids.append(grid) or np.zeros(len(grid)), POINTS.astype(np.float32), LABELS)
    (grid,) = grids
    assert grid.dtype == np.float32 and grid.ndim == 2 and grid.shape[1] == 2
    assert (grid.min(axis=0) <= POINTS.min(axis=0)).all() and (grid.max(axis=0) >= POINTS.max(axis=0)).all()
    spans = grid.max(axis=0) - grid.min(axis=0)
    assert np.isclose(spans[0], spans[1])


def test_texts_are_literal_and_named():
    picture = plane_map(constant(0.2), POINTS, LABELS, names=("$a$", "b_c"), title="$t$ of it")
    texts = [text.get_text() for axes in picture.axes for text in axes.texts] + [
        text.get_text() for text in picture.axes[0].get_legend().get_texts()
    ]
    assert texts == ["$t$ of it", "$a$", "b_c"]
    assert picture.axes[1].get_ylabel() == "probability of b_c"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(points=np.zeros((3, 3))), "expected points (N, 2) and labels (N,), got (3, 3) and (3,)"),
        (dict(labels=np.zeros(2)), "expected points (N, 2) and labels (N,), got (3, 2) and (2,)"),
        (dict(points=np.zeros((0, 2)), labels=np.zeros(0)), "expected points (N, 2)"),
        (dict(labels=np.array([0, 1, 2])), "expected labels 0 and 1, got [0 1 2]"),
        (dict(points=np.array([[np.nan, 0.0]] * 3)), "expected finite points"),
        (dict(limits=(1.0, 0.0, 0.0, 1.0)), "limits in order"),
        (dict(probability=constant(1.5)), "[0, 1]"),
        (dict(probability=constant(np.nan)), "the probabilities to be finite, got NaN"),
        (dict(probability=lambda grid: np.zeros((len(grid), 1))), "expected 6561 probabilities for (6561, 2) points"),
    ],
)
def test_what_can_not_be_drawn_is_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        plane_map(**dict(probability=constant(0.5), points=POINTS, labels=LABELS) | change)
