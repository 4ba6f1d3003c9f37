"""The plumbing around a training run: a folder with its arguments, log and checkpoints, the closing table.

It imports no model, and the loop itself stays in the example, in plain sight:

    run = open_run("runs/ae", {"lr": 1e-3, "seed": 0}, data={dataset.name: dataset.sha256()}, resume=resume)
    loop = run.loop(model=model, opt=opt, batches=batches, losses=losses)
    for epoch in loop.epochs(5):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}")):
            ...
            bar.show(loss=loss)
        run.log(len(losses), test=test)
    run.finish({"test": test})
"""

import json
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygen import __version__
from tinygen.checkpoint import CheckpointError
from tinygen.columns import columns
from tinygen.data import DataError
from tinygen.loop import Loop
from tinygen.progress import digits, number

# ---- the run's folder ----------------------------------------------------------------------------------------------


class RunError(ValueError):
    """This run can't begin, or can't go on, in this folder; nothing was written."""


def open_run(
    out: str | Path,
    config: Mapping,
    *,
    data: Mapping[str, str] | None = None,
    model: Mapping[str, Mapping] | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> "Run":
    """Start a run in the folder `out`, with a new `config.json` and an empty `log.jsonl`, or go on with the one there.

    `config` holds the arguments, the seed among them; `data` names what the run reads, with its SHA-256; `model` says
    how `models.build` makes the model of `model.npz`: {"VAE.dense": {"latent": 50, ...}}. The versions are added, since
    the same bytes come out only of the same ones. Before anything is written this raises NotADirectoryError if `out` is
    a file, TypeError or ValueError if `config` is not JSON, and RunError: to start, if `out` holds a run that was never
    finished; to `resume`, if there is no checkpoint, or if the run there had other arguments or other data.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"open_run: {folder} is a file; a run needs a folder, choose another name for `out`")
    record = {
        "config": dict(config),
        "data": dict(data or {}),
        "model": dict(model or {}),
        "versions": {"python": platform.python_version(), "machine": platform.machine(), "tinygen": __version__}
        | {package: version(package) for package in ("numpy", "scipy", "numba")},
    }
    text = json.dumps(record, indent=2, default=_plain, allow_nan=False, ensure_ascii=False)
    run, checkpoints = Run(folder, resume=resume, quiet=quiet), sorted(folder.glob("checkpoint*.npz"))
    done = run.path("figures.json").exists()
    if resume:
        if not checkpoints:
            raise RunError(f"{folder}: there is no checkpoint to go on from; begin without --resume")
        _check_same(run, json.loads(text))
        if done:
            run.say("it is finished already: nothing is trained, only the figures are made anew")
        return run
    if checkpoints and not done:
        raise RunError(
            f"{folder} holds a run that isn't finished: go on with --resume, begin in another folder with --out, "
            f"or delete {', '.join(path.name for path in checkpoints)} there"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*checkpoints, run.path("figures.json")]:
        path.unlink(missing_ok=True)
    run.path("config.json").write_text(text + "\n", encoding="utf-8")
    run.path("log.jsonl").write_bytes(b"")
    return run


def read_config(folder: Path) -> dict[str, Any]:
    """What `config.json` in the folder of a run says. Raises RunError if it isn't there or isn't one."""
    try:
        record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{folder}: no run has been here, for there is no config.json") from None
    except ValueError as error:
        raise RunError(f"{folder}: its config.json is damaged ({error})") from None
    parts = {"config", "data", "model", "versions"}
    if not isinstance(record, dict) or not all(isinstance(record.get(part), dict) for part in parts):
        raise RunError(f"{folder}: its config.json is not that of a run: it should have {', '.join(sorted(parts))}")
    return record


def _check_same(run: "Run", now: Mapping) -> None:
    """Raise RunError unless the run in the folder was begun with these arguments and these data."""
    then = read_config(run.folder)
    found = [
        f"{name} was {json.dumps(then[part].get(name))}, is {json.dumps(now[part].get(name))}"
        for part in ("config", "model")
        for name in sorted(then[part].keys() | now[part].keys())
        if then[part].get(name) != now[part].get(name)
    ]
    if sorted(then["data"].values()) != sorted(now["data"].values()):  # a folder may have moved: the content counts
        was, now_is = (", ".join(f"{k} ({v[:12]})" for k, v in part["data"].items()) for part in (then, now))
        found.append(f"the data were {was or 'none'}, are {now_is or 'none'}")
    if found:
        raise RunError(f"{run.folder} can't go on with other arguments or data than it began with: {'; '.join(found)}")
    if then["versions"] != now["versions"]:
        run.say("it began with other versions (config.json): the last bits may come out differently")


class Run:
    """A folder that keeps what a run was asked to do, what happened, and what it made."""

    def __init__(self, folder: Path, *, resume: bool = False, quiet: bool = False):
        self.folder, self._resume, self._quiet = folder, resume, quiet
        self._loops = 0

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
        line = {"step": number("step", step)} | {name: _strict(number(name, value)) for name, value in figures.items()}
        with self.path("log.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def loop(self, **kept: Any) -> Loop:
        """A loop that can be stopped and resumed; `kept` is all that changes in it, and what a checkpoint holds.

        That is what has a `state_dict` (models, optimizers, averages, Batches), generators, lists that the loop appends
        numbers or arrays to, and dicts of these. With `resume`, all of it becomes at once what it was at the newest
        checkpoint, and the log too. A run may have several loops, one after the other, each with its own file.
        """
        self._loops += 1
        name = "checkpoint.npz" if self._loops == 1 else f"checkpoint_{self._loops}.npz"
        loop = Loop(self.path(name), self.path("log.jsonl"), kept)
        if self._resume and loop.path.exists():
            loop.load()
            self.say(f"going on with {name}, after {loop}")
        return loop

    def finish(self, figures: Mapping[str, float]) -> None:
        """Write `figures.json`, what came out: so the run is finished, and a new one may begin in this folder."""
        figures = {name: _strict(number(name, value)) for name, value in figures.items()}
        text = json.dumps(figures, indent=2, allow_nan=False)
        self.path("figures.json").write_text(text + "\n", encoding="utf-8")

    def say(self, text: str) -> None:
        """Print a line about this run, unless it is quiet."""
        if not self._quiet:
            print(f"{self.folder}: {text}", flush=True)


def _strict(value: int | float) -> int | float | str:
    """A number as JSON has it: no NaN and no infinity, but their names."""
    return value if abs(value) < math.inf else str(value)


def _plain(value):
    """What `json` cannot write, as something it can."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"open_run: config must hold numbers, strings, lists and dicts, got {type(value).__name__}")


def start(main: Callable) -> None:
    """Run an example from the command line: the keyword arguments of its `main` are the options.

    Data that can't be had, a folder that can't be written, a run that can't go on and a loss that is no number are said
    in one line, with exit code 1. After Ctrl-C the exit code is 130, as a shell expects it.
    """
    import tyro

    name = Path(sys.argv[0]).name
    try:
        tyro.cli(main)
    except (DataError, OSError, RunError, CheckpointError, FloatingPointError) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt as stop:
        print(f"{name}: {str(stop) or 'stopped'}", file=sys.stderr)
        sys.exit(130)


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
