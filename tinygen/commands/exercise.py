"""`python -m tinygen exercise ACTION`: exercises for learners, and grading for teachers; one function per action."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import tyro

from tinygen.errors.hints import did_you_mean
from tinygen.exercises import classroom, folder, listing, progress
from tinygen.exercises.exercise import Exercise
from tinygen.exercises.runner import MEGABYTES, SECONDS, Runner
from tinygen.exercises.source import solution as text_of_solution
from tinygen.exercises.submission import SUFFIXES, exercise_of
from tinygen.exercises.tracks import EXERCISES
from tinygen.exercises.verdict import command as command_line
from tinygen.exercises.verdict import place
from tinygen.io.files import printable, replace
from tinygen.io.output import say, warn
from tinygen.io.progress import progress as bar_of
from tinygen.io.table import columns, paragraphs
from tinygen.runs.cli import NewFile, Number, Refused, Whole, command

Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
SHOWN_LINES = 10  # of what a file prints
Seconds = Annotated[float, Number(above=0, most=3600)]
ABOUT = "Write functions of the library again, and see what is wrong with your answer: exercises with graders."


@command
def list_exercises(*, dir: Path | None = None) -> None:
    """List the tracks of exercises, and what is done.

    Args:
        dir: folder of your files; by default `exercises`.
    """
    where = dir or folder.default_folder()
    done = progress.read(where)
    say(listing.overview(where, done))
    say("\n" + listing.next_step(where, done))


@command
def start(name: Name, *, dir: Path | None = None, notebook: bool = False) -> None:
    """Write the file of an exercise: a function of the library without its body. No file is overwritten.

    Args:
        name: name of an exercise that `exercise list` shows.
        dir: folder of your files; by default `exercises`.
        notebook: write a notebook, NAME.ipynb, instead of NAME.py.
    """
    exercise, where = _exercise(name), dir or folder.default_folder()
    _check_folder(where)
    try:
        path = folder.write(exercise, where, notebook=notebook)
    except FileExistsError as error:
        begin_again = command_line("reset", exercise) + " --notebook" * notebook + folder.option(where)
        raise Refused(f"{error}: continue with it, or begin again with {begin_again}") from error
    progress.read(where).save()  # marks the folder, for `check` in a notebook
    say(f"wrote {path}: {exercise.title}")
    if others := [each.name for each in folder.files_of(exercise, where) if each != path]:
        say(paragraphs(f"{others[0]} exists too: `check {exercise.name}` grades the file that you changed last"))
    say("")
    say(_steps(exercise, path, where))


@command
def check(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME|FILE]")] = "",
    *,
    dir: Path | None = None,
    seconds: Seconds = SECONDS,
) -> None:
    """Grade your answer, and say what is wrong with it; the exit code is 0 if it passed, else 1.

    Args:
        name: name of an exercise, or its file; by default the file that you have changed last.
        dir: folder of your files; by default `exercises`.
        seconds: time limit, in seconds of a processor.
    """
    exercise, file = _file(name, dir or folder.default_folder())
    say(f"{file}")
    with Runner(seconds=seconds) as runner:
        result = runner.run(exercise, file)
    if result.printed:
        say(_quoted(result.printed))
    progress.record(file.parent, exercise, result.passed)  # before the verdict, because it marks a learner's folder
    say(result.text(folder.option(file.parent)))
    if result.ok:
        say("\n" + listing.next_step(file.parent, progress.read(file.parent), exercise))
    sys.exit(0 if result.ok else 1)


@command
def hint(name: Name, *, dir: Path | None = None) -> None:
    """Show the next of the three hints for an exercise.

    Args:
        name: name of an exercise.
        dir: folder of your files; by default `exercises`.
    """
    exercise, where = _exercise(name), dir or folder.default_folder()
    _check_folder(where)
    done = progress.read(where)
    entry = done.of(exercise)
    entry.hints = min(max(entry.hints, 0) + 1, len(exercise.hints))
    done.save()
    for i, text in enumerate(exercise.hints[: entry.hints], 1):
        say(paragraphs(f"hint {i} of {len(exercise.hints)}: {text}"))
    if entry.hints == len(exercise.hints):
        noted = "" if entry.passed else "; `list` shows if you look before you pass"
        say(f"\nThis is the last one. The solution{noted}:")
        say(command_line("solution", exercise) + folder.option(where))


@command
def solution(name: Name, *, dir: Path | None = None) -> None:
    """Show the library's own lines, and the page that derives them.

    Args:
        name: name of an exercise.
        dir: folder of your files; by default `exercises`.
    """
    exercise, where = _exercise(name), dir or folder.default_folder()
    _check_folder(where)
    done = progress.read(where)
    entry = done.of(exercise)
    if not entry.passed and not entry.looked:
        entry.looked = progress.now()
        done.save()
    if entry.looked:
        say(paragraphs(f"Noted: you looked at this before you passed {exercise.name}. `list` shows that.") + "\n")
    module, _, function = exercise.source.partition(":")
    say(f"{function} in {module}:\n\n{text_of_solution(exercise)}")
    say(f"Read about it: {place(exercise)}")


@command
def reset(name: Name, *, dir: Path | None = None, notebook: bool = False) -> None:
    """Begin an exercise again: your file is kept as NAME.old.py, and the file is as at the start.

    Args:
        name: name of an exercise.
        dir: folder of your files; by default `exercises`.
        notebook: begin the notebook again, if there is NAME.py too.
    """
    exercise, where = _exercise(name), dir or folder.default_folder()
    files = {each.suffix: each for each in folder.files_of(exercise, where)}
    suffix = SUFFIXES[notebook or SUFFIXES[False] not in files]
    if suffix not in files:
        begin = command_line("start", exercise) + " --notebook" * notebook + folder.option(where)
        missing = where / f"{exercise.name}{SUFFIXES[notebook]}"
        raise Refused(f"expected {missing}, which doesn't exist: begin with {begin}")
    kept = folder.set_aside(files[suffix])
    path = folder.write(exercise, where, notebook=suffix != SUFFIXES[False])
    say(f"{path} is as at the start; your file is kept as {kept.name}")


@command
def grade(
    submissions: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
    *,
    csv: Annotated[Path, NewFile(".csv")],
    overwrite: bool = False,
    seconds: Seconds = SECONDS,
    memory: Annotated[int, Whole(64, 10**6)] = MEGABYTES,
    quiet: bool = False,
) -> None:
    """Grade a folder of submissions, each in a process of its own, and write a table; this is no security boundary.

    Args:
        submissions: folder with one folder per learner, whose files have the names of exercises; or with files.
        csv: file for the table.
        overwrite: replace the table if it exists.
        seconds: time limit for each file, in seconds of a processor.
        memory: limit for the memory that each file allocates, in MB; on Linux only.
        quiet: hide the progress bar.
    """
    if not submissions.is_dir():
        raise Refused(f"expected a folder of submissions, got {submissions}: choose one that exists")
    if csv.exists() and not overwrite:
        raise Refused(f"{csv} exists already: choose another file, or add --overwrite")
    if not csv.absolute().parent.is_dir():
        raise Refused(f"expected a folder for {csv}, got none: make it first")
    found, others = classroom.submissions(submissions)
    if not found:
        names = f"such as {next(iter(EXERCISES))}.py"
        raise Refused(f"expected files with the names of exercises, {names}, got none in {submissions}")
    for path in others:
        warn(f"not graded, because it is no exercise: {printable(path)}")
    rows, passed, tried = [], Counter(), Counter()
    with Runner(seconds=seconds, megabytes=memory) as runner:
        for file, exercise in bar_of(found, label="grading", quiet=quiet):
            result = runner.run(exercise, file)
            rows.append(classroom.row(submissions, file, result))
            tried[exercise.name] += 1
            passed[exercise.name] += result.ok
    replace(csv, classroom.table(rows))
    counts = [[name, str(passed[name]), str(tried[name])] for name in EXERCISES if tried[name]]
    say(columns([["exercise", "passed", "submissions"], *counts], numbers=2, ruled=True))
    say(f"\nwrote {csv}: {len(rows)} submissions, {sum(passed.values())} passed")


ACTIONS = {
    "list": list_exercises,
    "start": start,
    "check": check,
    "hint": hint,
    "solution": solution,
    "reset": reset,
    "grade": grade,
}

# -- names, files and texts --------------------------------------------------------------------------------------------


def _exercise(name: str) -> Exercise:
    if name not in EXERCISES:
        raise Refused(f"expected the name of an exercise, got {name!r}{did_you_mean(name, EXERCISES)}: see `list`")
    return EXERCISES[name]


def _check_folder(where: Path) -> None:
    if where.exists() and not where.is_dir():
        raise Refused(f"expected a folder, got the file {where}: choose another name with --dir")


def _file(name: str, where: Path) -> tuple[Exercise, Path]:
    """The exercise and the file that `check NAME`, `check FILE` or `check` means."""
    path = Path(name)
    if not name:
        files = folder.started(where)
        if not files:
            begin = command_line("start", next(iter(EXERCISES.values())))
            raise Refused(f"expected the file of an exercise in {where}, got none: begin with {begin}")
        path = files[0]
    elif path.suffix not in SUFFIXES and len(path.parts) == 1:
        exercise = _exercise(name)
        files = folder.files_of(exercise, where)
        if not files:
            start_it = command_line("start", exercise) + folder.option(where)
            raise Refused(f"expected {where / exercise.name}.py, which doesn't exist: begin with {start_it}")
        return exercise, files[0]
    if not path.is_file():
        raise Refused(f"expected the file of an exercise, got {path}, which doesn't exist: see `list`")
    exercise = exercise_of(path)
    if exercise is None:
        raise Refused(f"expected the file of an exercise, got {path}: keep its first line, or name it NAME.py")
    return exercise, path


def _steps(exercise: Exercise, path: Path, where: Path) -> str:
    task = "find the defect and fix it" if exercise.bug else f"write {exercise.function} in place of the `...`"
    test = "run its last cell" if path.suffix == ".ipynb" else command_line("check", exercise) + folder.option(where)
    return (
        f"1. Open it, and {task}.\n2. Check it:  {test}\n"
        f"3. A hint:    {command_line('hint', exercise)}{folder.option(where)}\n\nRead about it: {place(exercise)}"
    )


def _quoted(printed: str) -> str:
    """The first lines of what a file prints, so that they differ from our own."""
    lines = [f"| {line[:77]}" for line in printed.splitlines()]
    return "\n".join(["It prints:", *lines[:SHOWN_LINES], *["| ..."] * (len(lines) > SHOWN_LINES), ""])
