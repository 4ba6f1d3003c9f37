"""Find lessons, run one, and keep its claims and figures."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from tinygen.claims import Claim, recording
from tinygen.io import files
from tinygen.io.examples import examples_folder

CHAPTERS = ("backprop", "layers", "autoencoders", "variational", "adversarial", "diffusion", "applications")
RESULTS = Path("runs/lessons")
LONGEST = 600  # seconds after which a lesson is stopped; it should take 20


class Lesson(NamedTuple):
    """A lesson, as a file in the folder of its chapter."""

    path: Path

    @property
    def chapter(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        """`backprop/two_moons`"""
        return f"{self.chapter}/{self.path.stem}"

    @property
    def title(self) -> str:
        """The first line of the lesson's docstring."""
        return (ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or self.path.stem).splitlines()[0]


class Result(NamedTuple):
    """What a run of a lesson gave."""

    lesson: str  # its name
    digest: str  # of the lesson and of tinygen
    seconds: float
    claims: list[Claim]
    figures: list[str]  # names of the files in the folder of the result
    error: str = ""  # why the lesson failed; empty if it ended

    @property
    def ok(self) -> bool:
        """Did the lesson end, with at least one claim, and all of them met?"""
        return not self.error and bool(self.claims) and all(claim.ok for claim in self.claims)


# -- find --------------------------------------------------------------------------------------------------------------


def find(names: Sequence[str] = (), *, folder: Path | None = None) -> list[Lesson]:
    """The lessons with these names, chapter by chapter; all of them if no name is given.

    Args:
        names: chapters ("backprop"), lessons ("two_moons", "backprop/two_moons"), or paths of lessons.
        folder: folder with the chapters; by default that of the checkout or of the installed package.

    Raises ValueError for an unknown name; the error lists the known names that are similar.
    """
    folder = folder or examples_folder()
    lessons = [Lesson(path) for chapter in CHAPTERS for path in sorted((folder / chapter).glob("[!_]*.py"))]
    chosen = []
    for name in names:
        wanted = name.replace(os.sep, "/").removesuffix(".py").rstrip("/").removeprefix("./").removeprefix("examples/")
        matching = [each for each in lessons if wanted in (each.chapter, each.path.stem, each.name)]
        if not matching:
            from difflib import get_close_matches

            known = [*dict.fromkeys(each.chapter for each in lessons), *(each.path.stem for each in lessons)]
            near = get_close_matches(wanted.split("/")[-1], known, n=3) or known
            raise ValueError(f"expected names of chapters or lessons, got {name!r}: choose from {', '.join(near)}")
        chosen += matching
    return list(dict.fromkeys(chosen)) if names else lessons


# -- run ---------------------------------------------------------------------------------------------------------------


def result(lesson: Lesson, *, reuse: bool = True, results: Path = RESULTS) -> Result:
    """The result of a lesson: the one that is kept if `reuse` and nothing has changed since, else that of a new run.

    A lesson that isn't met is never reused. The lesson runs in a process of its own, without a display.
    """
    if reuse and (kept := current(lesson, results)) is not None and kept.ok:
        return kept
    folder = results / lesson.name
    command = [sys.executable, "-m", "tinygen.lessons.runner", str(lesson.path), str(results)]
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
    began, why = perf_counter(), f"it took more than {LONGEST} seconds"
    _clear(folder)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=LONGEST
        )
        why = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
    except subprocess.TimeoutExpired:
        pass
    if (made := current(lesson, results)) is not None:
        return made
    return Result(lesson.name, _digest(lesson), perf_counter() - began, [], [], why or "it ended without a result")


@contextmanager
def kept(lesson: Lesson, results: Path = RESULTS) -> Iterator[None]:
    """Record the claims and figures that are made inside the `with`, and keep them as the result of the lesson.

    An error inside is kept too, and raised.
    """
    from tinygen.plot import saving  # here, because it imports matplotlib

    folder = results / lesson.name
    _clear(folder)
    error, began = "", perf_counter()
    with recording() as claims, saving(folder) as figures:
        try:
            yield
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            names = [path.name for path in figures]
            made = Result(lesson.name, _digest(lesson), perf_counter() - began, list(claims), names, error)
            folder.mkdir(parents=True, exist_ok=True)
            files.write_json(folder / "result.json", made._asdict() | {"claims": [c._asdict() for c in claims]})


def current(lesson: Lesson, results: Path = RESULTS) -> Result | None:
    """The result that is kept of this state of the lesson and of tinygen, or None."""
    try:
        fields: dict[str, Any] = json.loads((results / lesson.name / "result.json").read_text(encoding="utf-8"))
        fields["claims"] = [Claim(**each) for each in fields["claims"]]
        found = Result(**fields)
    except (OSError, ValueError, TypeError, KeyError):  # none yet, or of another version
        return None
    whole = all((results / lesson.name / name).exists() for name in found.figures)
    return found if whole and found.digest == _digest(lesson) else None


def _clear(folder: Path) -> None:
    """Delete what an earlier run of the lesson left."""
    for pattern in ("result.json", "*.png", "*.svg", "*.html"):
        for path in folder.glob(pattern):
            path.unlink()


def _digest(lesson: Lesson) -> str:
    return sha256((_package_digest() + lesson.path.read_text(encoding="utf-8")).encode()).hexdigest()


@cache
def _package_digest() -> str:
    """Of all that a result may depend on: tinygen's files, Python and the packages for numbers and pictures."""
    package = Path(__file__).parents[1]
    parts = [sys.version, *(version(name) for name in ("numpy", "scipy", "numba", "matplotlib"))]
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.npz")]):
        if path.relative_to(package).parts[0] != "examples":
            parts.append(f"{path.relative_to(package)} {sha256(path.read_bytes()).hexdigest()}")
    return sha256("\n".join(parts).encode()).hexdigest()
