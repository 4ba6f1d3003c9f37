"""`python -m tinygen check`: are the derivative rules right?"""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import tyro

from tinygen.io.files import write_json
from tinygen.io.output import say
from tinygen.io.table import paragraphs
from tinygen.runs.cli import NewFile, Refused, Seed, command


@command
def check(
    ops: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[OP ...]")] = (),
    *,
    json: Annotated[Path | None, NewFile()] = None,
    seed: Seed = 0,
    quiet: bool = False,
) -> None:
    """Check the derivative rules of all ops, or of some, and print a table; the exit code is 1 if a rule is wrong.

    Args:
        ops: names of the ops; all ops if none is given.
        json: file for the results as JSON.
        seed: seed for the random inputs, directions and cotangents.
        quiet: print only the last line.
    """
    from tinygen.tensor import OPS
    from tinygen.testing import CASES, table

    for name in ops:
        if name in OPS and name not in CASES:
            raise Refused(f"check: expected a row for {name} in tinygen/testing/cases/, got none: add one")
        if name not in CASES:
            near = get_close_matches(name, CASES, n=3) or sorted(CASES)
            raise Refused(f"check: expected names of ops, got {name!r}: choose from {', '.join(near)}")
    rows = table.run([CASES[name] for name in ops or CASES], seed=seed, quiet=quiet)
    say(paragraphs(table.verdict(rows)) if quiet else table.format(rows))
    if json is not None:
        write_json(json, [row._asdict() for row in rows])
    sys.exit(0 if all(row.ok for row in rows) else 1)
