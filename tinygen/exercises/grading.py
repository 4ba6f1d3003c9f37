"""Grading: the stages in order, up to the first that fails; a common wrong answer is recognised by what it computes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tinygen.exercises.exercise import Exercise, Finding
from tinygen.exercises.outcome import same
from tinygen.exercises.source import edited, file_text, load, shipped


@dataclass(frozen=True)
class Grade:
    """The result of one check: `finding` is None if all stages passed."""

    exercise: Exercise
    passed: int  # number of stages that passed
    finding: Finding | None
    seconds: float  # of the processor

    @property
    def ok(self) -> bool:
        return self.finding is None

    @property
    def stage(self) -> str:
        """The name of the stage that failed, or "" if none did."""
        return "" if self.ok else self.exercise.stages[self.passed].name


def grade(exercise: Exercise, answer: Callable, begin: Callable[[int], object] = lambda stage: None) -> Grade:
    """Run the stages on an answer, a function with the signature of the exercise, until one fails.

    `begin` is called with the number of each stage before it runs.
    """
    start, solution = time.process_time(), shipped(exercise)
    for i, stage in enumerate(exercise.stages):
        begin(i)
        finding = stage.run(answer, solution)
        if finding is not None:
            says = recognised(exercise, answer)
            finding = finding._replace(says=says) if says else finding
            return Grade(exercise, i, finding, time.process_time() - start)
    return Grade(exercise, len(exercise.stages), None, time.process_time() - start)


# -- common wrong answers ----------------------------------------------------------------------------------------------


def recognised(exercise: Exercise, answer: Callable) -> str:
    """What to say to this answer if it computes what a common wrong answer computes; else an empty text."""
    left, computed = behaviours(exercise), []
    for i, stage in enumerate(exercise.stages):
        computed.append(stage.behaviour(answer))
        left = [(says, other) for says, other in left if _alike_all(other[i], computed[i])]
        if not left:
            return ""
    if all(isinstance(each, str) for stage in computed for each in stage):
        return ""  # it computes nothing that could be compared
    if all(map(_alike_all, behaviour_of_solution(exercise), computed)):
        return ""  # where it computes what the solution does, the stage knows more
    return left[0][0]


@cache
def behaviours(exercise: Exercise) -> list[tuple[str, list[list[Any]]]]:
    """What to say to each common wrong answer, and its behaviour."""
    texts = [(each.says, file_text(exercise, edited(exercise, each.edits))) for each in exercise.wrong]
    return [(says, behaviour(exercise, load(exercise, text))) for says, text in texts]


@cache
def behaviour_of_solution(exercise: Exercise) -> list[list[Any]]:
    """What the solution computes in each stage."""
    return behaviour(exercise, shipped(exercise))


def behaviour(exercise: Exercise, f: Callable) -> list[list[Any]]:
    """What f computes in each stage: it tells one wrong answer from another."""
    return [stage.behaviour(f) for stage in exercise.stages]


def _alike_all(computed: list[Any], other: list[Any]) -> bool:
    return len(computed) == len(other) and all(map(_alike, computed, other))


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, str) or isinstance(b, str):  # the name of an error
        return isinstance(a, str) and isinstance(b, str) and a == b
    return same(a, b)
