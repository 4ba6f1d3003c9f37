"""Exercises: functions of the library to write again, and graders that say what is wrong.

    python -m tinygen exercise list

Reading order: exercise (what one is made of), source (how its file is cut from the library), outcome, show, stages and
refusals (what an answer must do), grading, verdict; draws and tracks, the exercises themselves; proof (that the graders
are right). Around them: folder, submission and progress (the files of a learner), worker, limits and runner (grading in
a process of its own), classroom (grading many), listing.
"""

from collections.abc import Callable

from tinygen.exercises.learner import elementwise, op

__all__ = ["check", "elementwise", "op"]


def check(name: str, function: Callable) -> bool:
    """Grade an answer to an exercise and print the verdict.

    An attempt counts as progress if the file of the function, or else the current folder, is a learner's folder.

    Args:
        name: name of the exercise, as `python -m tinygen exercise list` shows it.
        function: the answer, with the signature of the exercise.

    Returns:
        Whether it passed all stages.

    Raises:
        ValueError: there is no exercise of this name.
        TypeError: the answer is not a function.
    """
    from tinygen.errors.hints import did_you_mean
    from tinygen.exercises import folder, progress
    from tinygen.exercises.grading import grade
    from tinygen.exercises.tracks import EXERCISES
    from tinygen.exercises.verdict import verdict

    if name not in EXERCISES:
        near = did_you_mean(str(name), EXERCISES)
        raise ValueError(f"check: expected the name of an exercise, got {name!r}{near}: `exercise list` shows all")
    if not callable(function):
        raise TypeError(f"check: expected a function, got {type(function).__name__}: write check({name!r}, {name})")
    result = grade(EXERCISES[name], function)
    where = progress.folder_of(function)
    print(verdict(result, folder.option(where) if where else ""))
    if where is not None:
        progress.record(where, EXERCISES[name], result.passed)
    return result.ok
