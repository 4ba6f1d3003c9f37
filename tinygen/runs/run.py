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

import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.files import real, replace
from tinygen.io.output import say
from tinygen.io.progress import as_number
from tinygen.io.table import columns, format_number
from tinygen.runs.lock import Lock, hold
from tinygen.runs.loop import Loop
from tinygen.runs.record import (
    CONFIG,
    RunError,
    as_bytes,
    identity,
    new_record,
    other_arguments,
    other_arithmetic,
    read_config,
)

LOG, FIGURES, MODEL, CHECKPOINT = "log.jsonl", "figures.json", "model.npz", "checkpoint{}.npz"

# ---- the run's folder ----------------------------------------------------------------------------------------------


def open_run(
    out: str | Path,
    config: Mapping,
    *,
    data: Mapping[str, str] | None = None,
    model: Mapping[str, Mapping] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> "Run":
    """Start a run in the folder `out`, with a new `config.json` and an empty `log.jsonl`, or continue the one there.

    `config` holds the arguments, the seed among them; `data` names what the run reads, with its SHA-256; `model` says
    how `models.build` makes the model of `model.npz`: {"VAE.dense": {"latent": 50, ...}}. What else decides the bits is
    added: the versions, the kernels and the processor, and the file that calls, because a run belongs to its script.

    `resume` continues the run there, and `overwrite` starts over: the files of that run are deleted, no others. Before
    anything is written or deleted this raises NotADirectoryError if `out` is a file, TypeError or ValueError if
    `config` is not JSON, and RunError: to start, if `out` holds a run, unless `overwrite`; to `resume`, if there is
    none, or if it had other arguments or other data.
    """
    folder = Path(out)
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        kind = "a file" if folder.exists() else "a link that leads nowhere"
        raise NotADirectoryError(f"open_run: {folder} is {kind}; a run needs a folder, choose another name for `out`")
    if resume and overwrite:
        raise ValueError("open_run: expected resume or overwrite, got both: leave one of them out")
    if resume and not (folder / CONFIG).exists():
        raise RunError(f"{folder} contains no run to continue: start without --resume")
    script = Path(sys._getframe(1).f_globals.get("__file__") or "").name  # "" in a notebook
    record = new_record(script, config, data or {}, model or {})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder)
    except OSError as error:
        raise OSError(error.errno, f"{folder} can't be written ({error.strerror}): choose another with --out") from None
    if resume:
        return _continued(folder, lock, record, quiet=quiet)
    _make_way(folder, overwrite=overwrite)
    run = Run(folder, lock, record, quiet=quiet)
    replace(run.path(CONFIG), as_bytes(record))
    replace(run.path(LOG), b"")
    return run


def _continued(folder: Path, lock: Lock, now: Mapping[str, Any], *, quiet: bool) -> "Run":
    """The run in this folder, to continue where its checkpoints are."""
    then = read_config(folder)
    if found := other_arguments(then, now):
        raise RunError(f"{folder} can't continue with other arguments or data than it began with: {'; '.join(found)}")
    run = Run(folder, lock, then, resume=True, quiet=quiet)
    finished, kept = run.path(FIGURES).exists(), run.path(CHECKPOINT.format("")).exists()
    if finished and not kept:
        raise RunError(f"{folder} contains a finished run without a checkpoint: start over with --overwrite")
    if finished:
        run.say("it is finished already: nothing is trained, only the figures are made again")
    run.path(LOG).touch()
    if not kept:
        run.say("it has no checkpoint yet: it starts from the beginning")
        replace(run.path(LOG), b"")
    if found := other_arithmetic(then, now):
        run.say(f"the last bits may come out differently, because {'; '.join(found)}")
    return run


def _make_way(folder: Path, *, overwrite: bool) -> None:
    """Delete the files of an earlier run, if that is wanted; RunError if it isn't, or if they are of no run."""
    found = [path for name in (FIGURES, LOG, MODEL, CHECKPOINT.format("")) if (path := folder / name).exists()]
    instead = "choose another folder with --out"
    if not (folder / CONFIG).exists():
        if found:
            raise RunError(f"{folder} contains {found[0].name} but no run (no {CONFIG}): {instead}, or move that file")
        return
    earlier = read_config(folder)  # of a run, or else it is not ours to delete
    if not overwrite:
        kind, how = ("a finished", "") if folder / FIGURES in found else ("an unfinished", "continue with --resume, ")
        raise RunError(f"{folder} contains {kind} run: {how}start over with --overwrite (overwrite=True), or {instead}")
    for path in [*found, *_later_checkpoints(folder, identity(earlier))]:
        if path.name != LOG:  # a new one takes its place in a moment; a run always has one
            path.unlink()


def _later_checkpoints(folder: Path, run: str) -> Iterator[Path]:
    """The checkpoints of second and later loops, as far as this run wrote them: a user may keep copies beside them."""
    for i in itertools.count(2):
        path = folder / CHECKPOINT.format(f"_{i}")
        if not path.exists():
            return
        with suppress(CheckpointError):
            if checkpoint.load(path)[1].get("run") == [run, i]:
                yield path


class Run:
    """A folder that keeps what a run was asked to do, what happened, and what it made."""

    def __init__(
        self, folder: Path, lock: Lock, record: Mapping[str, Any], *, resume: bool = False, quiet: bool = False
    ):
        self.folder, self._identity, self._resume, self._quiet = folder, identity(record), resume, quiet
        self._lock: Lock | None = lock  # until the run is finished, or this object is gone
        self._loops = 0

    def path(self, name: str) -> Path:
        """A file of this run: `run.path("loss.png")`."""
        path = self.folder / name
        if not real(path).is_relative_to(real(self.folder)):
            raise RunError(f"Run.path: {name!r} leads out of the run's folder {self.folder}")
        return path

    def log(self, step: int, **figures: float) -> None:
        """Append one line of JSON to `log.jsonl`: the step, then the figures.

        No clock time enters it, so that the same run writes the same bytes. JSON knows no NaN or infinity: they are
        written as the strings "nan", "inf", "-inf".
        """
        line = {"step": as_number("step", step)} | {
            name: _strict(as_number(name, value)) for name, value in figures.items()
        }
        with self.path(LOG).open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def loop(self, **kept: Any) -> Loop:
        """A loop that can be stopped and resumed; `kept` is all that changes in it, and what a checkpoint holds.

        That is what has a `state_dict` (models, optimizers, averages, Batches), generators, lists that the loop appends
        numbers or arrays to, and dicts of these. With `resume`, all of it becomes at once what it was at the newest
        checkpoint, and the log too. A run may have several loops, one after the other, each with its own file.
        """
        self._loops += 1
        name = CHECKPOINT.format("" if self._loops == 1 else f"_{self._loops}")
        loop = Loop(self.path(name), self.path(LOG), kept, run=[self._identity, self._loops])
        if loop.path.exists():
            if not self._resume:
                raise RunError(f"{loop.path} was not written by this run, which needs that name: rename it")
            try:
                loop.load()
            except ValueError as error:
                reasons = "; ".join(line.strip() for line in str(error).splitlines()[:4])
                raise RunError(f"{loop.path} doesn't fit what this program keeps: {reasons}") from None
            self.say(f"continuing from {name}, after {loop}")
        return loop

    def finish(self, figures: Mapping[str, float]) -> None:
        """Write `figures.json`, what came out: so the run is finished, and a new one may begin in this folder."""
        figures = {name: _strict(as_number(name, value)) for name, value in figures.items()}
        text = json.dumps(figures, indent=2, allow_nan=False)
        replace(self.path(FIGURES), (text + "\n").encode())
        self._lock = None

    def say(self, text: str) -> None:
        """Print a line about this run, unless it is quiet."""
        if not self._quiet:
            say(f"{self.folder}: {text}")


def _strict(value: int | float) -> int | float | str:
    """A number as JSON has it: no NaN and no infinity, but their names."""
    return value if abs(value) < math.inf else str(value)


# ---- the closing table ---------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """One line of the closing table: a figure with its unit, its value, what to hold it against, and the verdict."""

    figure: str
    value: float | str
    reference: float | str = ""
    verdict: str = ""


def figures_table(rows: Sequence[Result], *, quiet: bool = False) -> str:
    """Print results as an aligned table of plain text, and return it."""
    cells = [Result._fields, *(tuple(format_number(cell) for cell in Result(*row)) for row in rows)]
    text = columns(cells, ruled=True)
    if not quiet:
        say(text)
    return text
