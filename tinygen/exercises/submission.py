"""The file of a learner: which exercise it solves, its text, and why it can't be read."""

import ast
import json
import re
from collections.abc import Callable
from importlib.util import decode_source
from pathlib import Path

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.source import load
from tinygen.exercises.tracks import EXERCISES

SUFFIXES = (".py", ".ipynb")
MOST_BYTES = 1_000_000  # of a file; an exercise has about a thousand
_TITLE = re.compile(r"\b(?:Exercise|Find the bug) (\w+):")  # in the first line of a file, or the first cell


class Unreadable(Exception):
    """The file defines no function to grade; the message says why."""


def exercise_of(file: Path) -> Exercise | None:
    """The exercise that a file solves: its first line names it, or else the name of the file does."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(2000).decode("utf-8", "replace")
    except OSError:
        head = ""
    found = _TITLE.search(head)
    name = found[1] if found and found[1] in EXERCISES else file.stem
    return EXERCISES.get(name)


def function_of(exercise: Exercise, file: Path) -> Callable:
    """The function that a learner's file defines. Raises Unreadable, and MemoryError."""
    shown = f"{file.stem}.py"  # as tracebacks name it
    try:
        return load(exercise, text_of(file), shown)
    except SyntaxError as error:
        line = f": {error.text.strip()}" if error.text else ""
        place = f" in line {error.lineno}" if error.lineno else ""
        raise Unreadable(f"{type(error).__name__}{place}, {error.msg}{line}") from error
    except (MemoryError, Unreadable):
        raise
    except SystemExit as error:
        raise Unreadable(f"It ends the program{where(error, shown)}: leave out sys.exit() and exit()") from error
    except ValueError as error:
        if error.__traceback__ and where(error, shown):
            raise Unreadable(f"ValueError{where(error, shown)}: {error}") from error
        raise Unreadable(str(error)) from error
    except BaseException as error:  # whatever a learner's module raises
        raise Unreadable(f"{type(error).__name__}{where(error, shown)}: {error}".removesuffix(": ")) from error


def text_of(file: Path) -> str:
    """The code of a Python file or of a notebook. Raises Unreadable."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Unreadable(f"The file can't be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise Unreadable(f"expected a file of at most {MOST_BYTES:,} bytes, got {len(content):,}")
    try:
        return code_of_notebook(content) if file.suffix == ".ipynb" else decode_source(content)
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected text in UTF-8, got the byte 0x{content[error.start]:02x}: save it again") from error


def code_of_notebook(content: bytes) -> str:
    """The code of all cells but those that call `check`; magics are left out. Raises Unreadable."""
    try:
        cells = json.loads(content)["cells"]
        sources = ["".join(each["source"]) for each in cells if each["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable("expected a notebook, whose cells are JSON: save it again") from error
    kept = [source for source in sources if not re.search(r"^check\(", source, re.MULTILINE)]
    return "\n\n".join(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE) for source in kept) + "\n"


def where(error: BaseException, shown: str) -> str:
    """The last line of a file that an exception went through, as " in line 3"; or nothing."""
    step, line = error.__traceback__, 0
    while step is not None:
        if step.tb_frame.f_code.co_filename == shown:
            line = step.tb_lineno
        step = step.tb_next
    return f" in line {line}" if line else ""


def code_cells(text: str) -> tuple[str, str]:
    """A file of an exercise without its last statement, as its docstring and its code: the cells of a notebook."""
    tree, lines = ast.parse(text), text.splitlines()
    first, last = tree.body[1], tree.body[-2]
    return ast.get_docstring(tree) or "", "\n".join(lines[first.lineno - 1 : last.end_lineno])
