"""How far a loop is: a bar where lines can be redrawn, and a plain line now and then where they can't."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from time import monotonic
from typing import Generic, TypeVar

from tinygen.io.output import forgiving, say
from tinygen.io.table import format_number

T = TypeVar("T")


def progress(iterable: Iterable[T], *, total: int | None = None, label: str = "", quiet: bool = False) -> "Progress[T]":
    """Iterate and show how far the loop is: a bar in a terminal or a notebook, a plain line now and then elsewhere.

    `total` is needed only where `len` does not know it; without it there is a count but no time left.
    """
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    display = None if quiet else (_Bar if _is_live(sys.stdout) else _Lines)(total, label)
    return Progress(iterable, display)


class Progress(Generic[T]):
    """What `progress` returns: iterate over it once, and `show` figures from inside the loop."""

    def __init__(self, iterable: Iterable[T], display: "_Bar | _Lines | None"):
        self._iterable, self._display, self._figures = iterable, display, {}

    def show(self, **figures: float) -> None:
        """Set figures beside the bar, `bar.show(loss=0.12)`; each stays until it is set again."""
        self._figures |= {name: as_number(name, value) for name, value in figures.items()}

    def __iter__(self) -> Iterator[T]:
        if self._display is None:
            yield from self._iterable
            return
        try:
            for item in self._iterable:
                yield item
                self._display.advance(self._figures)  # after the loop's body, so that its figures are fresh
        finally:  # also on `break` and on an error
            self._display.close(self._figures)


class _Bar:
    """A bar that redraws itself."""

    def __init__(self, total: int | None, label: str):
        from tqdm import tqdm  # here, because nothing else in this file needs it

        size = shutil.get_terminal_size()  # tqdm's own answer is nothing at all where the terminal says 0 x 0
        out = forgiving(sys.stdout)
        self._bar = tqdm(total=total, desc=label or None, file=out, ncols=size.columns, nrows=size.lines)

    def advance(self, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(_words(figures), refresh=False)
        self._bar.update()

    def close(self, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(_words(figures))
        self._bar.close()


class _Lines:
    """Whole lines for a log file or a pipe: 5 s apart at least, then at every tenth of the way or after 30 s."""

    def __init__(self, total: int | None, label: str):
        self._total, self._label = total, label
        self._done = self._printed = 0  # items: now, and at the last line
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
        count, ahead = f"{self._done} done", ""
        if self._total:
            count = f"{100 * self._done // self._total:3d} %  {self._done}/{self._total}"
        if stopped:
            ahead = "stopped"
        elif self._total and self._done < self._total:
            ahead = _clock(elapsed / self._done * (self._total - self._done)) + " left"
        say("  ".join(filter(None, [self._label, count, _clock(elapsed), ahead, _words(figures)])))


def _is_live(stream) -> bool:
    """Whether a line can be redrawn: a terminal, or a notebook's output (which denies being one)."""
    stream = getattr(stream, "stream", stream)  # without what makes its errors harmless
    return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel"))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def _words(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {format_number(value, 4)}" for name, value in figures.items())


def as_number(name: str, value) -> int | float:
    """A plain int or float, from any number, NumPy scalar or tensor of one element (whose graph is let go)."""
    try:
        return int(value) if isinstance(value, Integral) else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the figure {name!r} must be one number, got {type(value).__name__}") from error
