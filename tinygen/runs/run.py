"""A run: a folder with its arguments, log, checkpoints and results, and the table of results at the end.

The training loop itself stays in the example:

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
from typing import Any, Literal, NamedTuple, SupportsFloat

from tinygen.io import checkpoint, html
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.files import real, replace
from tinygen.io.output import one_line, say
from tinygen.io.progress import as_number
from tinygen.io.table import columns, format_number
from tinygen.runs.lock import Lock, hold
from tinygen.runs.loop import Loop
from tinygen.runs.record import (
    CONFIG,
    ELSEWHERE,
    OVERWRITE,
    RESUME,
    RunError,
    as_bytes,
    identity,
    new_record,
    other_arguments,
    other_arithmetic,
    read_config,
    same_again,
)

LOG, FIGURES, MODEL, CHECKPOINT = "log.jsonl", "figures.json", "model.npz", "checkpoint{}.npz"

# -- the folder of a run -----------------------------------------------------------------------------------------------


def open_run(
    out: str | Path,
    config: Mapping,
    *,
    data: Mapping[str, str] | None = None,
    model: Mapping[str, Mapping] | None = None,
    resume: bool | Literal["auto"] = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> "Run":
    """Start a run in the folder `out`, with a new `config.json` and an empty `log.jsonl`, or continue the one in it.

    The name of the calling script, the versions of all packages, the kernels and the processor are recorded too. All
    errors come before anything is written or deleted.

    Args:
        out: the folder.
        config: the arguments of the run, including the seed, as JSON.
        data: from names of data sets to their SHA-256: `{digits.name: digits.sha256()}`.
        model: what `models.build` needs to build the model of `model.npz`: {"VAE.dense": {"latent": 50, ...}}.
        resume: continue the run in `out`; "auto" starts one if there is none, so that a cell of a notebook can be run
            again after it was interrupted.
        overwrite: start over, and delete the files of that run and no others.
        quiet: print no messages.

    Returns the `Run`. Raises NotADirectoryError if `out` is a file, TypeError or ValueError if `config` is not JSON,
    RunError if `out` contains a run and neither option is given, or if `resume` finds no run, or a run with other
    arguments or data.

    >>> from tempfile import mkdtemp
    >>> from tinygen.runs import open_run
    >>> folder = mkdtemp()
    >>> run = open_run(folder, {"lr": 1e-3, "seed": 0}, resume="auto")
    >>> run.finish({"loss": 0.5})
    >>> run
    Run(..., finished)
    """
    folder = Path(out)
    if resume not in (False, True, "auto"):
        raise ValueError(f'open_run: expected resume to be True, False or "auto", got {resume!r}: write resume="auto"')
    resume = (folder / CONFIG).exists() if resume == "auto" else resume
    if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        kind = "a file" if folder.exists() else "a broken link"
        raise NotADirectoryError(f"open_run: expected a folder, got {kind}, {folder}: {ELSEWHERE}")
    if resume and overwrite:
        raise ValueError("open_run: expected resume or overwrite, got both: leave out one of them")
    if resume and not (folder / CONFIG).exists():
        raise RunError(f"{folder} contains no run to continue: start without {RESUME}")
    script = Path(sys._getframe(1).f_globals.get("__file__") or "").name  # "" in a notebook
    record = new_record(script, config, data or {}, model or {})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder)
    except OSError as error:
        raise OSError(error.errno, f"{folder} can't be written ({error.strerror}): {ELSEWHERE}") from None
    if resume:
        return _continue(folder, lock, record, quiet=quiet)
    _clear(folder, overwrite=overwrite)
    run = Run(folder, lock, record, quiet=quiet)
    replace(run.path(CONFIG), as_bytes(record))
    replace(run.path(LOG), b"")
    return run


def _continue(folder: Path, lock: Lock, now: Mapping[str, Any], *, quiet: bool) -> "Run":
    """The run in this folder, ready to continue from its checkpoints."""
    then = read_config(folder)
    if found := other_arguments(then, now):
        what = f"{folder} contains a run with other arguments or data, and can't be continued: {'; '.join(found)}"
        raise RunError(f"{what}: continue with {same_again(then, now)}, or start over with {OVERWRITE}")
    run = Run(folder, lock, then, resume=True, quiet=quiet)
    finished, saved = run.path(FIGURES).exists(), run.path(CHECKPOINT.format("")).exists()
    if finished and not saved:
        raise RunError(f"{folder} contains a finished run without a checkpoint: start over with {OVERWRITE}")
    if finished:
        run.say("this run is finished: no training up to its end, only the results are computed again")
    run.path(LOG).touch()
    if not saved:
        run.say("this run has no checkpoint yet: it starts from the beginning")
        replace(run.path(LOG), b"")
    if found := other_arithmetic(then, now):
        run.say(f"results may differ in the last bits, because {'; '.join(found)}")
    return run


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Delete the files of an earlier run; RunError without `overwrite`, or if they don't belong to a run."""
    found = [path for name in (FIGURES, LOG, MODEL, CHECKPOINT.format("")) if (path := folder / name).exists()]
    if not (folder / CONFIG).exists():
        if found:
            raise RunError(f"{folder} contains {found[0].name} but no {CONFIG}: move that file, or {ELSEWHERE}")
        return
    earlier = read_config(folder)  # raises if it isn't the record of a run: then the files are not ours to delete
    if not overwrite:
        kind, how = ("a finished", "") if folder / FIGURES in found else ("an unfinished", f"continue with {RESUME}, ")
        raise RunError(f"{folder} contains {kind} run: {how}start over with {OVERWRITE}, or {ELSEWHERE}")
    for path in [*found, *_later_checkpoints(folder, identity(earlier))]:
        if path.name != LOG:  # the new log replaces it; the folder of a run always has a log
            path.unlink()


def _later_checkpoints(folder: Path, run: str) -> Iterator[Path]:
    """The checkpoints of the second and later loops that this run wrote; a user may keep copies with similar names."""
    for i in itertools.count(2):
        path = folder / CHECKPOINT.format(f"_{i}")
        if not path.exists():
            return
        with suppress(CheckpointError):
            if checkpoint.load(path)[1].get("run") == [run, i]:
                yield path


class Run:
    """The folder of a run; `open_run` makes one."""

    def __init__(
        self, folder: Path, lock: Lock, record: Mapping[str, Any], *, resume: bool = False, quiet: bool = False
    ):
        self.folder, self._identity, self._resume, self._quiet = folder, identity(record), resume, quiet
        self._lock: Lock | None = lock  # held until the run is finished, or this object is deleted
        self._loops = 0

    def path(self, name: str) -> Path:
        """The path of a file of this run: `run.path("loss.png")`. Raises RunError if it is outside the folder."""
        path = self.folder / name
        if not real(path).is_relative_to(real(self.folder)):
            raise RunError(f"Run.path: expected a name inside {self.folder}, got {name!r}")
        return path

    def log(self, step: int, **figures: SupportsFloat) -> None:
        """Append one line of JSON to `log.jsonl`: the step, then the figures.

        It contains no clock time, so equal runs write equal bytes. NaN and infinities, which JSON lacks, are written as
        the strings "nan", "inf", "-inf".
        """
        line = {"step": as_number("step", step)}
        line |= {name: _json_number(as_number(name, value)) for name, value in figures.items()}
        with self.path(LOG).open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def loop(self, **state: Any) -> Loop:
        """A loop that can be stopped and resumed; `state` is everything that changes in it, and goes into checkpoints.

        A value of `state` has a `state_dict` (models, optimizers, averages, Batches), or is a generator, a list of
        numbers or arrays that the loop appends to, or a dict of these. When a run is resumed, all of them get their
        values from the newest checkpoint at once, and so does the log. A run may have several loops, one after the
        other; each has its own checkpoint file.
        """
        self._loops += 1
        name = CHECKPOINT.format("" if self._loops == 1 else f"_{self._loops}")
        loop = Loop(self.path(name), self.path(LOG), state, run=[self._identity, self._loops])
        if loop.path.exists():
            if not self._resume:
                raise RunError(f"{loop.path} was not written by this run, which needs that name: rename that file")
            try:
                loop.load()
            except CheckpointError as error:
                raise CheckpointError(f"{error}, or start over with {OVERWRITE}") from None
            except ValueError as error:
                hint = f"run the program that wrote it, or start over with {OVERWRITE}"
                reasons = one_line(str(error), most=4)
                raise RunError(f"{loop.path} doesn't fit the state of this loop: {reasons}: {hint}") from None
            self.say(f"continuing from {name}, after {loop}")
        return loop

    def finish(self, figures: Mapping[str, float]) -> None:
        """Write the results to `figures.json`. The run is then finished, and the lock on its folder is released."""
        results = {name: _json_number(as_number(name, value)) for name, value in figures.items()}
        replace(self.path(FIGURES), (json.dumps(results, indent=2, allow_nan=False) + "\n").encode())
        self._lock = None

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self._status()})"

    def _repr_html_(self) -> str:
        """For notebooks: the arguments, the state, the files, and the last lines of the log."""
        try:
            record = read_config(self.folder)
            facts = {"state": self._status(), **{name: json.dumps(value) for name, value in record["config"].items()}}
            facts |= {"data": ", ".join(record["data"])}
        except RunError as error:
            return html.block(f"Run {self.folder}", note=str(error))
        log = html.table(*self._last_lines()) if self.path(LOG).exists() else ""
        files = ", ".join(sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))[:20])
        return html.block(f"Run {self.folder}", html.facts(facts | {"files": files}), log)

    def _status(self) -> str:
        if self.path(FIGURES).exists():
            return "finished"
        return "interrupted, or still running" if self.path(CHECKPOINT.format("")).exists() else "no checkpoint yet"

    def _last_lines(self) -> tuple[list[str], list[list[str]]]:
        """The names of the figures in the log, and its last ten lines."""
        with self.path(LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 20_000))
            lines = file.read().decode("utf-8", "replace").splitlines()[-10:]
        figures = []
        for line in lines:
            with suppress(ValueError):
                figures.append(json.loads(line))
        names = list(dict.fromkeys(name for line in figures for name in line))[:8]
        return names, [[format_number(line.get(name, ""), 4) for name in names] for line in figures]

    def say(self, text: str) -> None:
        """Print a line about this run, unless it is quiet."""
        if not self._quiet:
            say(f"{self.folder}: {text}")


def _json_number(value: int | float) -> int | float | str:
    """A number as it is, and NaN and infinities as strings."""
    return value if abs(value) < math.inf else str(value)


# -- the table of results ----------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """One line of the table of results: a metric with its unit, its value, a reference value, and the verdict."""

    metric: str
    value: float | str
    reference: float | str = ""
    verdict: str = ""


def figures_table(rows: Sequence[Result], *, quiet: bool = False) -> str:
    """Print results as an aligned table of plain text, and return the text; `quiet` doesn't print."""
    text = columns([Result._fields, *(tuple(map(format_number, Result(*row))) for row in rows)], ruled=True)
    if not quiet:
        say(text)
    return text
