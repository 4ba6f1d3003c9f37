"""Helpers that belong to an answer are in the solution, and not in the learner's file."""

import re

import pytest

from tinygen.exercises.source import edited, file_text, solution, stub
from tinygen.exercises.tracks import EXERCISES

WITH_PARTS = [exercise for exercise in EXERCISES.values() if exercise.parts]


@pytest.mark.parametrize("exercise", WITH_PARTS, ids=lambda exercise: exercise.name)
def test_parts_are_in_the_solution_alone(exercise):
    for part in exercise.parts:
        assert f"def {part}(" in solution(exercise)
        assert not re.search(rf"\b{part}\b", file_text(exercise, stub(exercise)))


def test_edits_reach_the_parts_too():
    walk = EXERCISES["walk"]
    assert "reverse=True" in edited(walk, [('key=attrgetter("birth")', 'key=attrgetter("birth"), reverse=True')])


def test_the_parts_of_an_exercise_keep_the_order_of_the_file():
    text = solution(EXERCISES["walk"])
    assert text.index("def _walk(") < text.index("def _between(")
