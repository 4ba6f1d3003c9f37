"""Progress of a loop: a bar in a terminal or a notebook, occasional lines of text elsewhere."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from numbers import Integral
from time import monotonic
from typing import Any, Generic, TypeVar

from tinygen.io.output import forgiving, say
from tinygen.io.table import format_number

T = TypeVar("T")


def progress(iterable: Iterable[T], *, total: int | None = None, label: str = "", quiet: bool = False) -> "Progress[T]":
    """Iterate and show the progress: a bar in a terminal or a notebook, occasional lines of text elsewhere.

    `total` is the number of items, for iterables without `len`; without it, no remaining time is shown. `quiet` shows
    nothing.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    display = None if quiet else (_Bar if _is_live(sys.stdout) else _Lines)(total, label)
    return Progress(iterable, display)


class Progress(Generic[T]):
    """An iterable that shows its progress; `progress` makes one."""

    def __init__(self, iterable: Iterable[T], display: "_Bar | _Lines | None"):
        self._iterable, self._display = iterable, display
        self._figures: dict[str, float] = {}

    def show(self, **figures: float) -> None:
        """Show figures beside the bar, `bar.show(loss=0.12)`; each stays until it is set again."""
        self._figures |= {name: as_number(name, value) for name, value in figures.items()}

    def __iter__(self) -> Iterator[T]:
        if self._display is None:
            yield from self._iterable
            return
        try:
            for item in self._iterable:
                yield item
                self._display.advance(self._figures)  # after the body of the loop, which sets the figures
        finally:  # also on `break` and on an error
            self._display.close(self._figures)


class _Bar:
    """A bar that is redrawn in place."""

    def __init__(self, total: int | None, label: str):
        from tqdm import tqdm  # imported only where a bar is shown

        size = shutil.get_terminal_size()  # a terminal may report 0 x 0, with which tqdm shows nothing
        out = forgiving(sys.stdout)
        self._bar = tqdm(total=total, desc=label or None, file=out, ncols=size.columns, nrows=size.lines)

    def advance(self, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(_format(figures), refresh=False)
        self._bar.update()

    def close(self, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(_format(figures))
        self._bar.close()


class _Lines:
    """Lines for a log file or a pipe: one per tenth of the items, at least 5 s apart, and at the latest after 30 s."""

    def __init__(self, total: int | None, label: str):
        self._total, self._label = total, label
        self._done = self._printed = 0  # items: finished, and when the last line was printed
        self._start = self._last = monotonic()

    def advance(self, figures: Mapping[str, float]) -> None:
        self._done += 1
        waited = monotonic() - self._last
        a_tenth = self._total is None or 10 * (self._done - self._printed) >= self._total
        if waited >= 30 or (waited >= 5 and a_tenth):
            self._print(figures)

    def close(self, figures: Mapping[str, float]) -> None:
        early = self._total is not None and self._done < self._total
        if early or self._done > self._printed:
            self._print(figures, stopped=early)

    def _print(self, figures: Mapping[str, float], *, stopped: bool = False) -> None:
        self._last, self._printed = monotonic(), self._done
        elapsed = self._last - self._start
        count, remaining = f"{self._done} done", ""
        if self._total:
            count = f"{100 * self._done // self._total:3d} %  {self._done}/{self._total}"
        if stopped:
            remaining = "stopped"
        elif self._total and self._done < self._total:
            remaining = _clock(elapsed / self._done * (self._total - self._done)) + " left"
        say("  ".join(filter(None, [self._label, count, _clock(elapsed), remaining, _format(figures)])))


def _is_live(stream: Any) -> bool:
    """Whether a line can be redrawn: in a terminal or a notebook, whose `isatty` returns False."""
    stream = getattr(stream, "stream", stream)  # the original stream, if this is a forgiving one
    return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel"))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _format(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {format_number(value, 4)}" for name, value in figures.items())


def as_number(name: str, value: Any) -> int | float:
    """A number, NumPy scalar or tensor of one element as an int or float; TypeError for anything else."""
    try:
        return int(value) if isinstance(value, Integral) else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"expected one number for the figure {name!r}, got {type(value).__name__}") from error
