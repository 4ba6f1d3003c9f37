"""The tracks with a learner's progress, as text for a terminal."""

from pathlib import Path

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.folder import files_of, option, started
from tinygen.exercises.progress import Progress
from tinygen.exercises.submission import exercise_of
from tinygen.exercises.tracks import EXERCISES, TRACKS
from tinygen.exercises.verdict import command
from tinygen.io.table import columns


def overview(folder: Path, progress: Progress) -> str:
    """All tracks: each exercise, what one writes, and how far one is."""
    rows = [["exercise", "what to write", "progress"]]
    for track, exercises in TRACKS.items():
        passed = sum(bool(progress.of(each).passed) for each in exercises)
        rows += [["", "", ""], [track, "", f"{passed} of {len(exercises)} passed"]]
        rows += [[f"  {each.name}", each.title, state(each, folder, progress)] for each in exercises]
    seen = any(entry.passed and entry.looked for entry in progress.entries.values())
    return columns(rows, ruled=True) + "\n\n* after a look at the solution" * seen


def state(exercise: Exercise, folder: Path, progress: Progress) -> str:
    """How far a learner is with an exercise, in two or three words."""
    entry = progress.of(exercise)
    if entry.passed:
        return "passed *" if entry.looked else "passed"
    if entry.attempts:
        return f"tried, {entry.furthest} of {len(exercise.stages)}"
    return "started" if files_of(exercise, folder) else "-"


def following(progress: Progress, last: Exercise | None = None) -> Exercise | None:
    """The first exercise from `last` on that has not passed yet; those of its track come first."""
    exercises = [*EXERCISES.values()]
    if last is not None:
        i = exercises.index(last)
        exercises = sorted(exercises[i:] + exercises[:i], key=lambda each: each.track != last.track)
    return next((each for each in exercises if not progress.of(each).passed), None)


def next_step(folder: Path, progress: Progress, last: Exercise | None = None) -> str:
    """What to do next, as one line; `last` is the exercise of today, by default that of the file changed last."""
    if last is None and (files := started(folder)):
        last = exercise_of(files[0])
    exercise = following(progress, last)
    if exercise is None:
        return f"All {len(EXERCISES)} exercises passed."
    action = "check" if files_of(exercise, folder) else "start"
    return f"Next: {command(action, exercise)}{option(folder)}"
