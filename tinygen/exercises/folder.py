"""The folder of a learner: one file per exercise, as a Python file or a notebook, which are never overwritten."""

import json
import shlex
from pathlib import Path

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.progress import FILE as PROGRESS
from tinygen.exercises.progress import free_name
from tinygen.exercises.source import file_text, stub
from tinygen.exercises.submission import SUFFIXES, code_cells, exercise_of
from tinygen.exercises.verdict import command, place
from tinygen.io.files import replace

DEFAULT = Path("exercises")


def default_folder() -> Path:
    """`exercises`, or the current folder if that is where the exercises are."""
    return Path(".") if Path(PROGRESS).is_file() and not DEFAULT.is_dir() else DEFAULT


def option(folder: Path) -> str:
    """What a command needs to find this folder: " --dir FOLDER", or nothing for the default."""
    return "" if folder.resolve() == default_folder().resolve() else f" --dir {shlex.quote(str(folder))}"


def files_of(exercise: Exercise, folder: Path) -> list[Path]:
    """The files of an exercise in a folder, the one that was changed last first."""
    return _newest_first([folder / f"{exercise.name}{suffix}" for suffix in SUFFIXES])


def started(folder: Path) -> list[Path]:
    """The files of all exercises in a folder, the one that was changed last first."""
    found = [path for path in folder.glob("*") if path.suffix in SUFFIXES and not is_old(path)]
    return [path for path in _newest_first(found) if exercise_of(path) is not None]


def is_old(path: Path) -> bool:
    """Whether `reset` has set this file aside: NAME.old.py."""
    return ".old" in path.suffixes[:-1]


def write(exercise: Exercise, folder: Path, *, notebook: bool = False) -> Path:
    """Write the file of an exercise as it starts, and return its path. Raises FileExistsError."""
    path = folder / f"{exercise.name}{SUFFIXES[notebook]}"
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    folder.mkdir(parents=True, exist_ok=True)
    text = file_text(exercise, stub(exercise))
    replace(path, (notebook_text(exercise, text) if notebook else text).encode())
    return path


def set_aside(path: Path) -> Path:
    """Rename NAME.py to NAME.old.py, or the next free NAME.old.2.py, and return the new path."""
    return path.rename(free_name(path.with_suffix(f".old{path.suffix}")))


def notebook_text(exercise: Exercise, text: str) -> str:
    """The file of an exercise as a notebook with three cells: the question, the code, and the check."""
    about, code = code_cells(text)
    heading, _, rest = about.partition("\n")
    question = "" if exercise.bug else f"\n\n{exercise.question}"
    rest = "\n".join(line for line in rest.strip().splitlines() if not line.startswith(("Check it", "Read about")))
    end = f"Read about it: `{place(exercise)}`. A hint: `{command('hint', exercise)}`"
    cells = [
        _cell("markdown", "question", "\n\n".join(filter(None, [f"# {heading}{question}", rest.strip(), end]))),
        _cell("code", "code", code),
        _cell("code", "check", _call(exercise)),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about_code = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about_code, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _call(exercise: Exercise) -> str:
    return f'from tinygen.exercises import check\n\ncheck("{exercise.name}", {exercise.function});'


def _cell(kind: str, name: str, text: str) -> dict:
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _newest_first(paths: list[Path]) -> list[Path]:
    return sorted((path for path in paths if path.is_file()), key=lambda path: -path.stat().st_mtime_ns)
