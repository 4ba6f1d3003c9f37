"""The picture of a Jacobian: which entries get a frame or a cross, and what is refused."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from tinygen import plot


def frames(picture, panel=0):
    """(left, top, width, height) of the frames in a panel, in entries."""
    found = [p for p in picture.axes[panel].patches if isinstance(p, Rectangle)]
    return sorted((p.get_x() + 0.5, p.get_y() + 0.5, p.get_width(), p.get_height()) for p in found)


def test_equal_jacobians_have_no_frames():
    J = np.arange(6.0).reshape(2, 3)
    assert frames(plot.jacobians(J, J + 1e-9)) == []


def test_a_frame_surrounds_the_wrong_block_of_each_argument_in_all_panels():
    J, wrong = np.eye(4), np.eye(4)
    wrong[1:3, 2:4] += 1
    picture = plot.jacobians(J, wrong, columns={"a": 2, "b": 2})
    assert [frames(picture, panel) for panel in range(3)] == [[(2, 1, 2, 2)]] * 3
    assert frames(plot.jacobians(J, J + 1, columns={"a": 2, "b": 2})) == [(0, 0, 2, 4), (2, 0, 2, 4)]


def test_a_few_wrong_entries_get_a_frame_each():
    assert frames(plot.jacobians(np.eye(4), 2 * np.eye(4))) == [(i, i, 1, 1) for i in range(4)]


def test_a_kink_gets_a_cross_and_no_frame():
    kinked = np.eye(3, dtype=bool) & (np.arange(3) == 1)
    picture = plot.jacobians(np.eye(3), np.diag([1.0, 5.0, 1.0]), kinked=kinked)
    assert frames(picture) == []
    assert [c.get_offsets().tolist() for c in picture.axes[0].collections] == [[[1, 1]]]


def test_an_entry_that_is_not_finite_is_wrong():
    assert frames(plot.jacobians(np.ones((1, 2)), np.array([[1, np.nan]]))) == [(1, 0, 1, 1)]


def test_it_is_drawn():
    picture = plot.jacobians(np.zeros((40, 64)), np.zeros((40, 64)), output="∂y/∂x", title="$x$ <b>")
    assert picture.pixels().std() > 0


def test_what_is_refused():
    with pytest.raises(ValueError, match="of one shape"):
        plot.jacobians(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="of one shape"):
        plot.jacobians(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(ValueError, match="add up to 3"):
        plot.jacobians(np.zeros((2, 3)), np.zeros((2, 3)), columns={"a": 2})
