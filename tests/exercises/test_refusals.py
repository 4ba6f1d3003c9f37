"""Errors that a docstring promises are part of the task, and are graded."""

import re

import numpy as np
import pytest

from tinygen.exercises.exercise import call
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.source import shipped
from tinygen.exercises.tracks import EXERCISES

STAGE = Refuses({"x is negative.": lambda: call(np.array([-1.0]))})


def root(x):
    if x.min() < 0:
        raise ValueError("expected no negative numbers")
    return np.sqrt(x)


def other(x):
    return x[3]


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_each_promised_error_has_a_stage_and_is_in_the_question(exercise):
    promised = set(re.findall(r"[A-Z]\w+Error", shipped(exercise).__doc__ or ""))
    tested = [stage for stage in exercise.stages if isinstance(stage, Refuses)]
    assert promised <= {stage.error.__name__ for stage in tested}
    assert exercise.bug or not promised or re.search(r"[Rr]aise", exercise.question)
    assert all(stage.run(shipped(exercise), shipped(exercise)) is None for stage in tested)


def test_the_right_error_passes():
    assert STAGE.run(root, root) is None


@pytest.mark.parametrize(
    "f, says, computed",
    [
        (np.sqrt, "x is negative. Raise ValueError, as the docstring says.", "[nan]"),
        (other, "x is negative. Raise ValueError, as the docstring says. It raises IndexError: ", "IndexError"),
        (lambda x: None, "x is negative. Raise ValueError, as the docstring says. It returns nothing", "nothing"),
    ],
)
def test_a_value_or_another_error_does_not(f, says, computed):
    finding = STAGE.run(f, root)
    assert (
        finding is not None
        and finding.says.startswith(says)
        and (finding.expected, finding.computed) == ("ValueError", computed)
    )
