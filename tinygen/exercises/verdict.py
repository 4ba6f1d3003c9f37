"""The verdict of a check as text for a terminal of 80 columns."""

import textwrap
from pathlib import Path

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.grading import Grade
from tinygen.io.examples import page_file

WIDTH = 79


def verdict(grade: Grade, options: str = "") -> str:
    """What passed, what failed first and why, with the call that shows it, and where to read.

    `options` are added to the commands that it names, such as " --dir other".
    """
    exercise, stages = grade.exercise, len(grade.exercise.stages)
    if grade.finding is None:
        end = f"{exercise.name} is right. The library's own lines:\n{command('solution', exercise)}{options}"
        return _page(f"{exercise.name}: all {stages} stages passed", *_table(exercise, stages), "", end)
    finding = grade.finding
    rows = {"call": finding.call, "expected": finding.expected, "computed": finding.computed}
    shown = [_row(name, text) for name, text in rows.items() if text]
    head = f"{exercise.name}: stage {grade.passed + 1} of {stages} failed"
    table = _table(exercise, grade.passed, "FAILED")
    return _page(head, *table, "", finding.says, *[""] * bool(shown), *shown, "", *_help(exercise, options))


def ungraded(exercise: Exercise, begun: int, trouble: str, options: str = "") -> str:
    """Why an answer has no grade; `begun` is the stage that was running, or -1 while the file was read."""
    table = ["", *_table(exercise, begun, "STOPPED")] if begun >= 0 else []
    return _page(f"{exercise.name}: not graded", *table, "", trouble, "", *_help(exercise, options))


def command(action: str, exercise: Exercise) -> str:
    """The command line of an action on an exercise."""
    return f"python -m tinygen exercise {action} {exercise.name}"


def place(exercise: Exercise) -> str:
    """The page that derives an exercise, as a path from here, and the heading to look for."""
    name, _, heading = exercise.page.partition("#")
    file = page_file(name)
    path = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f'{path}, at "{heading.replace("-", " ")}"' if heading else str(path)


def _table(exercise: Exercise, passed: int, then: str = "") -> list[str]:
    marks = ["passed"] * passed + [then]
    marks += [""] * (len(exercise.stages) - len(marks))
    return [f"  {mark:7} {stage.name}".rstrip() for mark, stage in zip(marks, exercise.stages)]


def _help(exercise: Exercise, options: str) -> list[str]:
    return [f"hint: {command('hint', exercise)}{options}", f"read: {place(exercise)}"]


def _page(*lines: str) -> str:
    return "\n".join(map(_wrapped, lines))


def _wrapped(text: str) -> str:
    fill = textwrap.TextWrapper(WIDTH, break_on_hyphens=False, break_long_words=False).fill
    return "\n".join(line if line.startswith("  ") else fill(line) for line in text.splitlines())


def _row(name: str, text: str) -> str:
    indent = " " * 10
    fill = textwrap.TextWrapper(WIDTH, subsequent_indent=indent, break_on_hyphens=False).fill
    return "\n".join(fill(f"{name if i == 0 else '':10}{line}") for i, line in enumerate(text.splitlines()))
