"""A training loop that may be stopped anywhere and goes on as if nothing had been: its checkpoints, and Ctrl-C.

    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses)
    for epoch in loop.epochs(5):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}")):
            ...

The body stays the caller's. `epochs` and `steps` only say what is left to do, and look after each turn whether it is
time to keep all that the loop was given.
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

T = TypeVar("T")
SECONDS = 60.0  # between checkpoints inside an epoch: what a power cut may cost
LEAST = 5.0  # between those at the ends of epochs: where an epoch takes no time, keeping it shouldn't either


class Loop:
    """What `Run.loop` returns: where a loop is, and all that it needs to go on from there.

    `epoch` counts the epochs that are done and `step` the steps of the one at hand.
    """

    def __init__(self, path: Path, log: Path, kept: Mapping[str, Any], *, run: list[str | int]):
        """`kept` by name: anything with a `state_dict`, generators, lists of numbers or of arrays, dicts of these.

        `run` is the identity of the run, and which of its loops this is: another's checkpoint is refused.
        """
        self.path, self._log, self._kept, self._run = path, log, dict(kept), run
        self.epoch = self.step = 0
        self._in_epochs, self._saved = False, monotonic()
        self._interrupt = _Interrupt()
        self._snapshot()  # what can't be kept is refused now, not after an hour

    def epochs(self, count: int) -> "Rest[int]":
        """The numbers, from 1 to `count`, of the epochs that are left; a checkpoint after each, if it took a while."""

        def rounds() -> Iterator[int]:
            self._in_epochs = True
            with self._interrupt:
                while self.epoch < count:
                    yield self.epoch + 1
                    self.epoch, self.step = self.epoch + 1, 0
                    self._look(LEAST, last=self.epoch == count)

        return Rest(rounds, max(0, count - self.epoch))

    def steps(self, items: Iterable[T]) -> "Rest[T]":
        """The items that are left of this epoch, or of the only pass if there are no epochs; a checkpoint each minute.

        `items` are Batches, which know where they are and have to be among what is kept, or a sequence such as
        `range(1000)`. Raises TypeError for others: where they are, no checkpoint could say.
        """
        if hasattr(items, "state_dict"):
            if not any(thing is items for _, thing in leaves(self._kept)):
                raise ValueError("Loop.steps: where these items are has to be kept too: run.loop(..., batches=batches)")
            left = items
        elif hasattr(items, "__getitem__"):
            left = items[self.step :]
        else:
            kind = type(items).__name__
            raise TypeError(f"Loop.steps: expected Batches, or a sequence such as range(1000); got {kind}")

        def rounds() -> Iterator[T]:
            with self._interrupt:
                for item in left:
                    yield item
                    self.step += 1
                    self._look(SECONDS)
                if not self._in_epochs:
                    self._look(SECONDS, last=True)

        return Rest(rounds, max(0, len(items) - self.step))

    def save(self) -> None:
        """Write a checkpoint; the run itself stays as it is.

        Raises FloatingPointError if weights or an optimizer's memory are not finite; the last good checkpoint stays.
        """
        checkpoint.save(self.path, *self._snapshot())
        self._saved = monotonic()

    def load(self) -> None:
        """Go on where the checkpoint was written: everything that is kept, and the log, become what they were then.

        Raises CheckpointError for a damaged file and ValueError for one that doesn't fit; nothing is changed then.
        """
        arrays, info = checkpoint.load(self.path)
        counted = all(type(info.get(name)) is int for name in ("epoch", "step"))
        if not counted or not isinstance(info.get("kept"), dict) or _LOG not in arrays:
            raise checkpoint.CheckpointError(f"{self.path}: it holds a model perhaps, but no loop to go on with")
        if info.get("run") != self._run:
            raise checkpoint.CheckpointError(
                f"{self.path} belongs to another run, or to another loop of this one: move it away"
            )
        log = arrays.pop(_LOG)
        restore(self._kept, arrays, info["kept"])
        self.epoch, self.step = info["epoch"], info["step"]
        replace(self._log, log.tobytes())

    def _snapshot(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What a checkpoint holds, or an error for what none should."""
        arrays, facts = snapshot(self._kept)
        lists = {name for name, thing in leaves(self._kept) if isinstance(thing, list)}  # a loss may be infinite
        checkpoint.check_finite("run.loop", {name: a for name, a in arrays.items() if name not in lists})
        arrays[_LOG] = np.frombuffer(self._log.read_bytes(), np.uint8)
        info = {"run": self._run, "epoch": self.epoch, "step": self.step, "kept": facts}
        checkpoint.check_savable("run.loop", arrays, info)
        return arrays, info

    def __str__(self) -> str:
        """How far it has come, in words."""
        done = {"epoch": self.epoch, "step": self.step}
        return " and ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in done.items() if n) or "no step"

    def _look(self, seconds: float, *, last: bool = False) -> None:
        """Between two turns: write a checkpoint if the last one is `seconds` old, and stop if that was asked for."""
        if last or self._interrupt.asked or monotonic() - self._saved >= seconds:
            self.save()
        if self._interrupt.asked:
            raise KeyboardInterrupt(f"stopped after {self}; with --resume the same command goes on from there")


_LOG = "log.jsonl"  # the log so far is in the checkpoint too: lines that come later are written anew on resume


class Rest(Generic[T]):
    """What is left to iterate over, and how much that is."""

    def __init__(self, rounds: Callable[[], Iterator[T]], length: int):
        self._rounds, self._length = rounds, length

    def __iter__(self) -> Iterator[T]:
        return self._rounds()

    def __len__(self) -> int:
        return self._length


# -- what is kept, as arrays and JSON ----------------------------------------------------------------------------------


def leaves(kept: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is kept, by dotted name: what stands in dicts, and the generators that layers draw from."""
    for key, thing in kept.items():
        name = f"{prefix}{key}"
        if isinstance(thing, dict):
            yield from leaves(thing, f"{name}.")
            continue
        if not (isinstance(thing, np.random.Generator | list) or hasattr(thing, "load_state_dict")):
            raise TypeError(
                f"run.loop: {name} should have a state_dict, or be a generator, or a list that the loop appends to, or "
                f"a dict of these; got {type(thing).__name__}"
            )
        yield name, thing
        if hasattr(thing, "generators"):
            yield from leaves(thing.generators(), f"{name}.")


def snapshot(kept: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Copies of all that is kept: arrays by name, and by name what JSON holds."""
    found = list(_states(kept))
    if twice := [name for name, count in Counter([_LOG, *(name for name, _ in found)]).items() if count > 1]:
        raise ValueError(f"run.loop: expected names that differ, got {twice[0]!r} twice: rename one of the two")
    arrays = {name: value for name, value in found if isinstance(value, np.ndarray)}
    return arrays, {name: value for name, value in found if name not in arrays}


def _states(kept: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, thing in leaves(kept):
        if isinstance(thing, np.random.Generator):
            yield name, _plain(thing.bit_generator.state)
        elif isinstance(thing, list):
            try:
                yield name, np.asarray(thing)
            except ValueError as error:
                raise ValueError(f"run.loop: expected entries of one shape in the list {name}: {error}") from None
        else:
            for key, value in thing.state_dict().items():
                yield f"{name}.{key}", value


def restore(kept: Mapping[str, Any], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Give all that is kept the state of a snapshot, or raise ValueError and leave everything as it is."""
    before = snapshot(kept)
    lists = {name for name, thing in leaves(kept) if isinstance(thing, list)}
    expected, given = ({k: a for k, a in part.items() if k not in lists} for part in (before[0], arrays))
    checkpoint.check_state("run.loop", expected, given)
    missing = sorted(lists - arrays.keys() | before[1].keys() ^ facts.keys())
    if missing:
        raise ValueError(f"run.loop: the checkpoint and this program don't both have {', '.join(missing)}")
    try:
        _restore(kept, arrays, facts)
    except Exception as error:  # a file may hold anything
        _restore(kept, *before)
        if isinstance(error, ValueError):
            raise
        raise ValueError(f"run.loop: the checkpoint holds a state that can't be loaded ({error!r})") from None


def _restore(kept: Mapping[str, Any], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    for name, thing in leaves(kept):
        if isinstance(thing, np.random.Generator):
            here, there = thing.bit_generator.state, facts[name]
            if here["bit_generator"] != there["bit_generator"]:
                raise ValueError(f"run.loop: {name} was a {there['bit_generator']}, is a {here['bit_generator']}")
            thing.bit_generator.state = _like(here, there)
        elif isinstance(thing, list):
            thing[:] = arrays[name].tolist() if arrays[name].ndim == 1 else list(arrays[name])
        else:
            names = {key: f"{name}.{key}" for key in thing.state_dict()}
            thing.load_state_dict({key: arrays[n] if n in arrays else facts[n] for key, n in names.items()})


def _plain(state: Any) -> Any:
    """A bit generator's state, integers of any size and perhaps arrays of them, as something that JSON holds."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def _like(state: Any, plain: Any) -> Any:
    """What `_plain` made of a state such as this one, with arrays where it has arrays."""
    if isinstance(state, dict):
        return {key: _like(value, plain[key]) for key, value in state.items()}
    return np.array(plain, state.dtype) if isinstance(state, np.ndarray) else plain


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


class _Interrupt:
    """Inside, the first Ctrl-C is only noted, in `asked`, and a second one ends at once; so is what `kill` sends.

    Another thread than the main one gets no signals, and whoever ignores one goes on ignoring it: both are left alone.
    Afterwards the handlers are again what they were.
    """

    def __init__(self):
        self.asked, self._depth, self._before = False, 0, {}

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not set by Python
                    self._before[number] = signal.signal(number, self._note)

    def __exit__(self, *_) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.asked = False
            while self._before:
                signal.signal(*self._before.popitem())

    def _note(self, *_) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with suppress(OSError, AttributeError, ValueError):  # a handler can't print: it may interrupt a print
            os.write(sys.stderr.fileno(), b"\nstopping after this step; once more stops at once\n")
