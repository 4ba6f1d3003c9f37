"""`tinygen examples`: copy the lessons and examples to a folder, where they can be run and changed."""

from pathlib import Path
from typing import Annotated

import tyro

from tinygen.io.examples import about, copy_examples, is_program
from tinygen.io.output import say
from tinygen.io.table import columns
from tinygen.runs.cli import Refused, command


@command
def examples(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="[FOLDER]")] = Path("tinygen_examples"),
) -> None:
    """Copy the lessons and examples to a folder, and list them; no file is overwritten.

    Args:
        folder: folder for the copies; it is created if necessary.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"examples: expected a folder, got the file {folder}: choose another name")
    from tinygen.lessons import CHAPTERS

    order = (".", *CHAPTERS)  # the reading order; the long runs come last
    programs = [path for path in copy_examples(folder) if is_program(folder / path)]
    programs.sort(key=lambda path: order.index(str(path.parent)) if str(path.parent) in order else len(order))
    say(
        columns(
            [["file", "what it shows"], *([path.as_posix(), about(folder / path)] for path in programs)], ruled=True
        )
    )
    say(f"\n{len(programs)} programs are in {folder}. Start with: python {folder / 'tour.py'}")
