"""The scoreboard shows every run at its value, and the best model of each measure in colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from tinygen import plot
from tinygen.plot.canvas import PALETTE


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.data())
def test_every_run_is_shown_and_the_best_mean_is_in_colour(seed, models, count, runs, data):
    rng = np.random.default_rng(seed)
    scores = {f"model {i}": rng.normal(size=(runs, count)) for i in range(models)}
    measures = {f"measure {i}": data.draw(st.sampled_from(["high", "low"])) for i in range(count)}
    picture = plot.scoreboard(scores, measures)
    assert len(picture.axes) == count
    for number, (axes, end) in enumerate(zip(picture.axes, measures.values())):
        shown, means = axes.lines[::2], axes.lines[1::2]
        assert [label.get_text() for label in axes.get_yticklabels()] == list(scores)
        for line, (points, values) in enumerate(zip(shown, scores.values())):
            np.testing.assert_array_equal(points.get_xdata(), values[:, number])
            assert set(points.get_ydata()) == {line}
            np.testing.assert_allclose(means[line].get_xdata(), values[:, number].mean())
        averages = [values[:, number].mean() * (1 if end == "high" else -1) for values in scores.values()]
        coloured = [to_hex(points.get_color()) == PALETTE[1] for points in shown]
        assert coloured == [line == np.argmax(averages) for line in range(models)]
        assert axes.get_xlabel() == {"high": "more is better →", "low": "← less is better"}[end]


def test_one_run_needs_no_second_axis_and_long_names_stay_in_their_panel():
    name = "a measure with a name much longer than its panel, dB"
    picture = plot.scoreboard({"plain": [1.0, 12.04]}, {name: "low", "other": "high"}, title="all", width=500)
    picture.pixels()
    left, right = (axes.get_window_extent() for axes in picture.axes)
    title = picture.axes[0].title if picture.axes[0].get_title() else picture.axes[0]._left_title
    assert title.get_text().split() == name.split() and title.get_window_extent().x1 < right.x0
    assert left.y0 == right.y0
    assert [text.get_text() for axes in picture.axes for text in axes.texts] == ["1.00", "12.0"]


@pytest.mark.parametrize(
    "scores, measures, message",
    [
        ({}, {"error": "low"}, r'expected a model and a measure, got none: write \{"plain": \[0.9\]\}'),
        ({"a": [1.0]}, {}, "expected a model and a measure, got none"),
        ({"a": [1.0, 2.0]}, {"error": "low"}, r"expected \(1,\) or \(runs, 1\) for 'a'.* got \(2,\)"),
        ({"a": np.ones((2, 1, 1))}, {"error": "low"}, r"got \(2, 1, 1\)"),
        ({"a": [np.nan]}, {"error": "low"}, "expected finite values for 'a', got NaN or infinity: leave the model out"),
        ({"a": [1.0]}, {"error": "small"}, r"measures\['error'\]"),
    ],
)
def test_what_can_not_be_drawn_is_refused(scores, measures, message):
    with pytest.raises(ValueError, match=message):
        plot.scoreboard(scores, measures)
