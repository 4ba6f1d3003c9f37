"""The plumbing around a training loop: a folder with its log, the closing table. It imports no model.

The loop itself stays in the example, in plain sight:

    run = open_run("runs/ae", {"lr": 1e-3, "seed": 0}, data={dataset.name: dataset.sha256()})
    for step, batch in enumerate(bar := progress(batches, label="epoch 1")):
        ...
        bar.show(loss=loss)
    run.log(step, loss=loss)
"""

import json
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygen import __version__
from tinygen.columns import columns
from tinygen.data import DataError
from tinygen.progress import digits, number

# ---- the run's folder ----------------------------------------------------------------------------------------------


def open_run(out: str | Path, config: Mapping, *, data: Mapping[str, str] | None = None) -> "Run":
    """Start a run in the folder `out`: write `config.json` and an empty `log.jsonl`, over those of a run before.

    `config` holds the arguments, the seed among them; `data` names what the run reads, with its SHA-256. The versions
    are added, since the same bytes come out only of the same ones. Raises NotADirectoryError if `out` is a file,
    TypeError or ValueError if `config` is not JSON; nothing is written then.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"open_run: {folder} is a file; a run needs a folder, choose another name for `out`")
    record = {
        "config": dict(config),
        "data": dict(data or {}),
        "versions": {"python": platform.python_version(), "machine": platform.machine(), "tinygen": __version__}
        | {package: version(package) for package in ("numpy", "scipy", "numba")},
    }
    text = json.dumps(record, indent=2, default=_plain, allow_nan=False, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(folder)
    run.path("config.json").write_text(text + "\n", encoding="utf-8")
    run.path("log.jsonl").write_bytes(b"")
    return run


class Run:
    """A folder that keeps what a run was asked to do, what happened, and what it made."""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, name: str) -> Path:
        """A file of this run: `run.path("loss.png")`."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"Run.path: {name!r} leads out of the run's folder {self.folder}")
        return path

    def log(self, step: int, **figures: float) -> None:
        """Append one line of JSON to `log.jsonl`: the step, then the figures.

        No clock time enters it, so that the same run writes the same bytes. JSON knows no NaN or infinity: they are
        written as the strings "nan", "inf", "-inf".
        """
        line = {"step": number("step", step)} | {name: number(name, value) for name, value in figures.items()}
        line = {name: value if abs(value) < math.inf else str(value) for name, value in line.items()}
        with self.path("log.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def _plain(value):
    """What `json` cannot write, as something it can."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"open_run: config must hold numbers, strings, lists and dicts, got {type(value).__name__}")


def start(main: Callable) -> None:
    """Run an example from the command line: the keyword arguments of its `main` are the options.

    Data that can't be had, and a folder that can't be written, are said in one line.
    """
    import tyro

    try:
        tyro.cli(main)
    except (DataError, OSError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")


# ---- the closing table ---------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """One line of the closing table: a figure with its unit, its value, what to hold it against, and the verdict."""

    figure: str
    value: float | str
    reference: float | str = ""
    verdict: str = ""


def figures_table(rows: Sequence[Result], *, quiet: bool = False) -> str:
    """Print results as an aligned table of plain text, and return it."""
    cells = [Result._fields, *(tuple(digits(cell) for cell in Result(*row)) for row in rows)]
    text = columns(cells, ruled=True)
    if not quiet:
        print(text, flush=True)
    return text
