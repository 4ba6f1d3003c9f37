"""What a learner has done so far: plain JSON beside the files of the exercises."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from tinygen.exercises.exercise import Exercise
from tinygen.io.files import write_json
from tinygen.io.output import warn

FILE = "progress.json"


@dataclass
class Entry:
    """One exercise: `passed` and `looked` are dates, or "" if it has not passed, or no one looked at the solution."""

    attempts: int = 0
    furthest: int = 0  # stages passed in the best attempt
    passed: str = ""
    hints: int = 0  # how many of the three were shown
    looked: str = ""  # when the solution was shown before the exercise was passed


@dataclass
class Progress:
    """The entries of all exercises that were tried, by name."""

    folder: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    def of(self, exercise: Exercise) -> Entry:
        """The entry of an exercise, to read and to change; `save` writes it."""
        return self.entries.setdefault(exercise.name, Entry())

    def save(self) -> None:
        write_json(self.folder / FILE, {name: asdict(entry) for name, entry in self.entries.items()})


def read(folder: Path) -> Progress:
    """The progress in a folder. A file that can't be read is renamed, and a line on stderr says so."""
    path = folder / FILE
    if not path.is_file():
        return Progress(folder)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"expected an object, got {type(found).__name__}")
        return Progress(folder, {name: _entry(name, each) for name, each in found.items()})
    except ValueError as error:  # no JSON, no UTF-8, or other values
        kept = free_name(folder / "progress.damaged.json")
        path.rename(kept)
        warn(f"{path} can't be read ({error}): it is now {kept.name}, and the progress begins again")
        return Progress(folder)


def record(folder: Path, exercise: Exercise, passed: int) -> None:
    """Count an attempt at an exercise in which that many stages passed."""
    progress = read(folder)
    entry = progress.of(exercise)
    entry.attempts += 1
    entry.furthest = max(entry.furthest, passed)
    if passed == len(exercise.stages):
        entry.passed = entry.passed or now()
    progress.save()


def folder_of(function: Callable) -> Path | None:
    """The learner's folder for a function: that of its file, or the current one for a notebook; None if it is none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = Path(code.co_filename if code else "")
    folder = file.parent if file.is_file() else Path(".")
    return folder if (folder / FILE).is_file() else None


def free_name(path: Path) -> Path:
    """This path, or the first of NAME.2.json, NAME.3.json, ... that doesn't exist."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_suffix(f".{number}{path.suffix}")
    return free


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _entry(name: str, values: Any) -> Entry:
    defaults = asdict(Entry())
    if not isinstance(values, Mapping):
        raise ValueError(f"expected an object for {name}, got {type(values).__name__}")
    for key in defaults.keys() & values.keys():
        if type(values[key]) is not type(defaults[key]):
            raise ValueError(f"expected {key} of {name} to be like {defaults[key]!r}, got {values[key]!r}")
    return Entry(**{each.name: values[each.name] for each in fields(Entry) if each.name in values})
