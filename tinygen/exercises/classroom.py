"""Grade the files of many learners, each in a process of its own, and write a table."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.folder import is_old
from tinygen.exercises.runner import Result
from tinygen.exercises.submission import SUFFIXES, exercise_of
from tinygen.io.files import printable

HEAD = ("submission", "exercise", "passed", "stage", "stages passed", "message", "seconds")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute a cell that begins like this


def submissions(folder: Path) -> tuple[list[tuple[Path, Exercise]], list[Path]]:
    """The files below a folder with their exercises, in order, and the Python files that solve none.

    A folder has one folder per learner, or the files themselves. Hidden files, and what `reset` has set aside, are
    left out.
    """
    found, others = [], []
    for path in _files(folder):
        exercise = exercise_of(path)
        if exercise is None:
            others.append(path)
        else:
            found.append((path, exercise))
    return found, others


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for path in (Path(root, name) for name in sorted(names)):
            if path.suffix in SUFFIXES and not path.name.startswith(".") and not is_old(path) and path.is_file():
                yield path


def row(folder: Path, file: Path, result: Result) -> list[str]:
    """The row of a submission, with the cells of HEAD."""
    passed = "yes" if result.ok else "no"
    stages = f"{result.passed} of {len(result.exercise.stages)}"
    name = printable(file.relative_to(folder).as_posix())
    message = " ".join(printable(line) for line in result.says.split())
    return [name, result.exercise.name, passed, result.stage, stages, message, f"{result.seconds:.2f}"]


def table(rows: Sequence[Sequence[str]]) -> bytes:
    """The rows as CSV in UTF-8, as spreadsheets read it; an apostrophe precedes what they would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in row] for row in rows)
    return text.getvalue().encode()
