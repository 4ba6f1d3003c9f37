"""What is said about a result that differs from the expected one."""

from typing import Any

import numpy as np

from tinygen.exercises.difference import finding
from tinygen.exercises.exercise import call
from tinygen.exercises.grading import grade
from tinygen.exercises.outcome import calls, is_empty
from tinygen.exercises.source import file_text, load
from tinygen.exercises.stages import Made
from tinygen.exercises.tracks import EXERCISES

LOGSUMEXP = EXERCISES["logsumexp"]
BODY = """
@op
def logsumexp(x, *, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    top = x.data.max({max}keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    value = np.log(np.exp(x.data - top).sum(axis=axes, keepdims=True)) + top
    spread = _spread(x, axes)
    return {value}, lambda g, y: spread(g) * exp(x - spread(y))
"""


def graded(**how: str) -> tuple[str, str]:
    """The stage that fails, and what it says."""
    settings = {"max": "axis=axes, ", "value": "value if keepdims else value.squeeze(axes)"} | how
    result = grade(LOGSUMEXP, load(LOGSUMEXP, file_text(LOGSUMEXP, BODY.format(**settings))))
    return result.stage, result.finding.says if result.finding else "passed"


def test_the_example_says_that_the_shape_differs():
    assert graded() == ("", "passed")
    assert graded(value="value") == ("a tiny example", "The shape is (2, 1), it should be (2,).")


def test_empty_arrays_come_after_the_others():
    stage, says = graded(max="")
    assert stage == "extremes"  # where the mistake shows
    assert "largest of all entries" in says


def test_calls_with_empty_arrays_are_the_last():
    for name in ("matmul", "sum_to", "adam"):
        stage: Any = next(each for each in EXERCISES[name].stages if each.name == "values on random inputs")
        graded_by: Any = stage.stage if isinstance(stage, Made) else stage
        empty = [is_empty(make()) for make in calls(graded_by.draw)]
        assert any(empty) and empty == sorted(empty)


def test_of_several_parts_the_wrong_ones_are_shown():
    right, wrong = {"y": np.ones(2), "mean": np.zeros(1)}, {"y": np.ones(2), "mean": np.ones(1)}
    found = finding(wrong, right, lambda: "f(x)", "Look at momentum.")
    assert found == ("y is right, mean is wrong. Look at momentum.", "f(x)", "{mean: [0]}", "{mean: [1]}")
    assert finding(right, right, lambda: "f(x)", "") is None
    assert finding({"y": 0}, right, lambda: "f(x)", "why") == ("why", "f(x)", "{y: [1, 1], mean: [0]}", "{y: 0}")
    assert is_empty(call(1, x=np.ones((2, 0)))) and not is_empty(call(np.ones(2), 3))
