"""A training loop that can be stopped anywhere and continues with the same bits: checkpoints, Ctrl-C and SIGTERM.

    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses)
    for epoch in loop.epochs(5):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}")):
            ...

The body of the loop stays in the caller's code. `epochs` and `steps` yield what is left to do, and after each turn they
write a checkpoint if it is time for one.
"""

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import numpy as np

from tinygen.io import checkpoint
from tinygen.io.files import replace
from tinygen.runs.record import RESUME

T = TypeVar("T")
SECONDS = 60.0  # between checkpoints inside an epoch: the most work that a power cut costs
LEAST = 5.0  # between checkpoints at the ends of epochs: short epochs don't need one each
_LOG = "log.jsonl"  # the log is one of the arrays of a checkpoint: on resume, later lines are dropped and written again
_FACTS = "kept"  # the key of everything in the state that is JSON


class Loop:
    """The position and the state of a loop; `Run.loop` makes one.

    `epoch` is the number of finished epochs, `step` the number of finished steps in the current epoch.
    """

    def __init__(self, path: Path, log: Path, state: Mapping[str, Any], *, run: list[str | int]):
        """`state` by name: objects with a `state_dict`, generators, lists of numbers or of arrays, dicts of these.

        `run` is the identity of the run and the number of this loop in it; checkpoints of other loops are refused.
        """
        self.path, self._log, self._state, self._run = path, log, dict(state), run
        self.epoch = self.step = 0
        self._epochs, self._saved = 0, monotonic()  # how many there will be: 0 without epochs
        self._interrupt = _Interrupt()
        self._snapshot()  # a state that can't be saved is refused now, not after an hour of training

    def epochs(self, count: int) -> "Remaining[int]":
        """The numbers of the epochs that are left, up to `count`; epochs are numbered from 1.

        A checkpoint is written after the last epoch, and after an epoch if the newest checkpoint is older than 5 s.
        """

        def turns() -> Iterator[int]:
            self._epochs = count
            with self._interrupt:
                while self.epoch < count:
                    yield self.epoch + 1
                    self.epoch, self.step = self.epoch + 1, 0
                    self._end_of_turn(LEAST, last=self.epoch == count)

        return Remaining(turns, self.epoch, count)

    def steps(self, items: Iterable[T]) -> "Remaining[T]":
        """The items that are left in this epoch, or in the only pass if there are no epochs; a checkpoint each minute.

        `items` is a sequence such as `range(1000)`, or Batches, which know their position and must be in the state of
        the loop. Raises TypeError for other iterables, whose position a checkpoint can't hold.
        """
        left: Iterable[T]
        if hasattr(items, "state_dict"):
            if not any(value is items for _, value in leaves(self._state)):
                raise ValueError(
                    "Loop.steps: expected Batches in the state of the loop: run.loop(..., batches=batches)"
                )
            left = items
        elif hasattr(items, "__getitem__"):
            left = items[self.step :]  # pyright: ignore[reportIndexIssue]  # a sequence, by the line above
        else:
            kind = type(items).__name__
            raise TypeError(f"Loop.steps: expected Batches, or a sequence such as range(1000); got {kind}")

        def turns() -> Iterator[T]:
            with self._interrupt:
                for item in left:
                    yield item
                    self.step += 1
                    self._end_of_turn(SECONDS)
                if not self._epochs:
                    self._end_of_turn(SECONDS, last=True)

        length = len(items)  # pyright: ignore[reportArgumentType]  # Batches and sequences have one
        return Remaining(turns, self.step, length, before=self.epoch * length, whole=max(1, self._epochs) * length)

    def save(self) -> None:
        """Write a checkpoint; the state of the loop does not change.

        Raises FloatingPointError if weights or optimizer states are not finite; the last good checkpoint stays.
        """
        checkpoint.save(self.path, *self._snapshot())
        self._saved = monotonic()

    def load(self) -> None:
        """Restore the state of the loop, its position and the log from the checkpoint.

        Raises CheckpointError for a damaged file and ValueError for one that doesn't fit; then nothing changes.
        """
        arrays, info = checkpoint.load(self.path)
        counted = all(type(info.get(name)) is int for name in ("epoch", "step"))
        if not counted or not isinstance(info.get(_FACTS), dict) or _LOG not in arrays:
            raise checkpoint.CheckpointError(
                f"{self.path}: expected the checkpoint of a loop, got another file of arrays: move it away"
            )
        if info.get("run") != self._run:
            raise checkpoint.CheckpointError(f"{self.path} belongs to another run or another loop: move it away")
        log = arrays.pop(_LOG)
        restore(self._state, arrays, info[_FACTS])
        self.epoch, self.step = info["epoch"], info["step"]
        replace(self._log, log.tobytes())

    def _snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The contents of a checkpoint; raises if they can't be saved."""
        arrays, facts = snapshot(self._state)
        lists = {name for name, value in leaves(self._state) if isinstance(value, list)}  # a loss may be infinite
        checkpoint.check_finite("run.loop", {name: a for name, a in arrays.items() if name not in lists})
        arrays[_LOG] = np.frombuffer(self._log.read_bytes(), np.uint8)
        info = {"run": self._run, "epoch": self.epoch, "step": self.step, _FACTS: facts}
        checkpoint.check_savable("run.loop", arrays, info)
        return arrays, info

    def __str__(self) -> str:
        """The position, such as "12 epochs and 31 steps"."""
        done = {"epoch": self.epoch, "step": self.step}
        return " and ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in done.items() if n) or "no step"

    def _end_of_turn(self, seconds: float, *, last: bool = False) -> None:
        """Write a checkpoint if the newest one is `seconds` old, and stop if Ctrl-C was pressed."""
        if last or self._interrupt.received or monotonic() - self._saved >= seconds:
            self.save()
        if self._interrupt.received:
            raise Stopped(f"stopped after {self}: continue with the same arguments and {RESUME}")


class Stopped(KeyboardInterrupt):
    """Ctrl-C, or the square button of a notebook, after the step was finished and a checkpoint was written."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback, which would only show where the loop is written."""
        return [f"KeyboardInterrupt: {self}", 'If open_run has resume="auto", run this cell again.']


class Remaining(Generic[T]):
    """An iterable over what is left of `total` items, with its length; `whole` counts the items of all epochs.

    `progress` reads `position`, the number of finished items and of all items of the whole loop, and so shows one
    estimate for all epochs.
    """

    def __init__(
        self, turns: Callable[[], Iterator[T]], done: int, total: int, *, before: int = 0, whole: int | None = None
    ):
        self._turns, self._length = turns, max(0, total - done)
        self.position = before + done, total if whole is None else whole

    def __iter__(self) -> Iterator[T]:
        return self._turns()

    def __len__(self) -> int:
        return self._length


# -- the state of a loop as arrays and JSON ----------------------------------------------------------------------------


def leaves(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All parts of a state by dotted name, including those in dicts and the generators inside layers."""
    for key, value in state.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from leaves(value, f"{name}.")
            continue
        if not (isinstance(value, np.random.Generator | list) or hasattr(value, "load_state_dict")):
            raise TypeError(
                f"run.loop: expected {name} to have a state_dict, or to be a generator, a list that the loop appends "
                f"to, or a dict of these; got {type(value).__name__}"
            )
        yield name, value
        if generators := getattr(value, "generators", None):
            yield from leaves(generators(), f"{name}.")


def snapshot(state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Copies of a state: arrays by name, and by name everything that is JSON."""
    found = list(_values(state))
    if twice := [name for name, count in Counter([_LOG, *(name for name, _ in found)]).items() if count > 1]:
        raise ValueError(f"run.loop: expected different names, got {twice[0]!r} twice: rename one of the two")
    arrays = {name: value for name, value in found if isinstance(value, np.ndarray)}
    return arrays, {name: value for name, value in found if name not in arrays}


def _values(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in leaves(state):
        if isinstance(value, np.random.Generator):
            yield name, _to_json(value.bit_generator.state)
        elif isinstance(value, list):
            try:
                yield name, np.asarray(value)
            except ValueError as error:
                raise ValueError(f"run.loop: expected entries of one shape in the list {name}: {error}") from None
        else:
            for key, part in value.state_dict().items():
                yield f"{name}.{key}", part


def restore(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Load a snapshot into a state, or raise ValueError and change nothing."""
    before = snapshot(state)
    lists = {name for name, value in leaves(state) if isinstance(value, list)}
    expected, given = ({k: a for k, a in part.items() if k not in lists} for part in (before[0], arrays))
    checkpoint.check_state("run.loop", expected, given)
    missing = sorted(lists - arrays.keys() | before[1].keys() ^ facts.keys())
    if missing:
        raise ValueError(f"run.loop: only one of checkpoint and program has {', '.join(missing)}")
    try:
        _load(state, arrays, facts)
    except Exception as error:  # a file may contain anything
        _load(state, *before)
        if isinstance(error, ValueError):
            raise
        raise ValueError(f"run.loop: the checkpoint contains a state that can't be loaded ({error!r})") from None


def _load(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    for name, value in leaves(state):
        if isinstance(value, np.random.Generator):
            now, then = value.bit_generator.state, facts[name]
            if now["bit_generator"] != then["bit_generator"]:
                raise ValueError(f"run.loop: {name} was a {then['bit_generator']}, is a {now['bit_generator']}")
            value.bit_generator.state = _from_json(then, like=now)
        elif isinstance(value, list):
            value[:] = arrays[name].tolist() if arrays[name].ndim == 1 else list(arrays[name])
        else:
            names = {key: f"{name}.{key}" for key in value.state_dict()}
            value.load_state_dict({key: arrays[n] if n in arrays else facts[n] for key, n in names.items()})


def _to_json(state: Any) -> Any:
    """The state of a bit generator, with lists instead of arrays."""
    if isinstance(state, dict):
        return {key: _to_json(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _from_json(state: Any, *, like: Any) -> Any:
    """The inverse of `_to_json`, with arrays where `like` has arrays."""
    if isinstance(like, dict):
        return {key: _from_json(state[key], like=value) for key, value in like.items()}
    return np.array(state, like.dtype) if isinstance(like, np.ndarray) else state


# -- Ctrl-C and SIGTERM ------------------------------------------------------------------------------------------------


class _Interrupt:
    """Inside the `with`, the first Ctrl-C or SIGTERM only sets `received`; a second one raises KeyboardInterrupt.

    Signals that the program ignores stay ignored. Threads other than the main thread get no signals. On exit, the
    earlier handlers are restored.
    """

    def __init__(self):
        self.received, self._depth = False, 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not set by Python
                    self._before[number] = signal.signal(number, self._receive)

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.received = False
            while self._before:
                signal.signal(*self._before.popitem())

    def _receive(self, *_: object) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = True
        with suppress(OSError, AttributeError, ValueError):  # a handler can't print: it may interrupt a print
            os.write(sys.stderr.fileno(), b"\nstopping after this step; press again to stop at once\n")
