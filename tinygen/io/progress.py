"""Progress of a loop: a bar in a terminal or a notebook, occasional lines of text elsewhere."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import accumulate
from numbers import Integral
from time import monotonic
from typing import Any, Generic, SupportsFloat, TypeVar

from tinygen.io.notebook import NotebookBar
from tinygen.io.output import forgiving, say
from tinygen.io.table import format_number

T = TypeVar("T")
WHOLE = (0.0, 1.0)  # the part of a program with one loop
ROUGH = 0.2  # share of a program of several loops before which its end can't be estimated from the first loop


def progress(
    iterable: Iterable[T],
    *,
    total: int | None = None,
    label: str = "",
    part: tuple[float, float] = WHOLE,
    quiet: bool = False,
) -> "Progress[T]":
    """Iterate and show the progress: a bar in a terminal or a notebook, occasional lines of text elsewhere.

    Args:
        iterable: what to iterate over. Steps of a loop with several epochs, `loop.steps(batches)`, know how many steps
            all epochs have: the bar and its estimate are those of all epochs.
        total: number of items, for iterables without `len`; without it, no remaining time is shown.
        label: name of this loop.
        part: where this loop begins and ends in a program of several loops, as shares of its time, such as (0.0, 0.6).
            The percentage and the remaining time are then those of the whole program; `parts` computes it. The time is
            an estimate, "about 1:30 left", and shown after a fifth of the program.
        quiet: show nothing.

    Returns:
        An iterable; its `show(loss=0.12)` puts figures beside the bar.

    >>> from tinygen.runs import progress
    >>> for i in (bar := progress(range(3), quiet=True)):
    ...     bar.show(loss=1 / (i + 1))
    """
    length = len(iterable) if isinstance(iterable, Sized) else total
    done, counted = getattr(iterable, "position", (0, length))
    if not 0 <= part[0] < part[1] <= 1:
        raise ValueError(f"progress: expected part to be two shares with 0 <= begin < end <= 1, got {part}")
    if quiet:
        return Progress(iterable, None)
    end = None if length is None else done + length
    total = counted if total is None else total
    if _is_live(sys.stdout):
        return Progress(iterable, _Bar(total, label, done, part))
    place = _Place(total, label, done, end, part)
    return Progress(iterable, NotebookBar(place) if _is_notebook(sys.stdout) else _Lines(place))


def parts(seconds: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """The `part` of each loop of a program by its name, from rough times of the loops in their order.

    >>> parts({"training": 30, "scoring": 10})
    {'training': (0.0, 0.75), 'scoring': (0.75, 1.0)}
    """
    ends = list(accumulate(seconds.values()))
    begins = [0.0, *ends[:-1]]
    return {name: (begin / ends[-1], end / ends[-1]) for name, begin, end in zip(seconds, begins, ends)}


class Progress(Generic[T]):
    """An iterable that shows its progress; `progress` makes one."""

    def __init__(self, iterable: Iterable[T], display: "_Bar | _Lines | NotebookBar | None"):
        self._iterable, self._display = iterable, display
        self._figures: dict[str, float] = {}

    def show(self, **figures: SupportsFloat) -> None:
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


_EARLY = "{l_bar}{bar}| {rate_fmt}{postfix}"  # of programs with several loops
_LATE = "{l_bar}{bar}| about {remaining} left, {rate_fmt}{postfix}"


class _Bar:
    """A bar that is redrawn in place."""

    def __init__(self, total: int | None, label: str, done: int, part: tuple[float, float]):
        from tqdm import tqdm  # imported only where a bar is shown

        size = shutil.get_terminal_size()  # a terminal may report 0 x 0, with which tqdm shows nothing
        options: dict[str, Any] = dict(file=forgiving(sys.stdout), ncols=size.columns, nrows=size.lines)
        if part != WHOLE and total:  # tqdm counts in items of this loop, as if all loops had such items
            done, total = done + round(part[0] * total / _width(part)), round(total / _width(part))
            options["bar_format"] = _EARLY
        self._bar, self._early = tqdm(total=total, initial=done, desc=label or None, **options), "bar_format" in options

    def advance(self, figures: Mapping[str, float]) -> None:
        if self._early and self._bar.n + 1 >= ROUGH * self._bar.total:
            self._bar.bar_format, self._early = _LATE, False
        self._bar.set_postfix_str(_format(figures), refresh=False)
        self._bar.update()

    def close(self, figures: Mapping[str, float]) -> None:
        self._bar.set_postfix_str(_format(figures))
        self._bar.close()


class _Place:
    """Where a loop is: items finished, now and at the start, and the share of the program that this is."""

    def __init__(self, total: int | None, label: str, done: int, end: int | None, part: tuple[float, float]):
        self.total, self.label, self._end, self._part = total, label, end, part
        self.done = self._first = done
        self._start = self._second = monotonic()  # when the first item began, and the second one

    def advance(self) -> None:
        """One more item is done."""
        self.done += 1
        if self.done == self._first + 1:
            self._second = monotonic()

    @property
    def early(self) -> bool:
        """Whether items are left."""
        return self._end is not None and self.done < self._end

    def share(self, done: int) -> float:
        """The share of the program after that many items of a known total."""
        return self._part[0] + _width(self._part) * done / self.total if self.total else self._part[1]

    def words(self, figures: Mapping[str, float], *, stopped: bool = False) -> str:
        """Label, share, time, time left and figures in one line."""
        elapsed = monotonic() - self._start
        count, remaining = "nothing left to do" if self.total == 0 else f"{self.done} done", ""
        if self.total:
            share = self.share(self.done)
            count = f"{int(100 * share + 1e-9):3d} %  {self.done}/{self.total}"
            several = self._part != WHOLE  # loops, of which each has another speed
            if share < 1 and (share >= ROUGH or not several) and (pace := self._pace(share)):
                remaining = "about " * several + _clock(pace * (1 - share)) + " left"
        if stopped:
            remaining = "stopped"
        return "  ".join(filter(None, [self.label, count, _clock(elapsed), remaining, _format(figures)]))

    def _pace(self, share: float) -> float:
        """Seconds for the whole program, at the speed so far; 0 if that is unknown.

        The first of many items says little, because kernels may be compiled in it.
        """
        items = self.done - self._first
        if items > 1:
            return (monotonic() - self._second) / (share - self.share(self._first + 1))
        few = self.total is not None and self.total <= 100
        return (monotonic() - self._start) / (share - self.share(self._first)) if items and few else 0.0


class _Lines:
    """Lines for a log file or a pipe: one per tenth of the items, at least 5 s apart, and at the latest after 30 s."""

    def __init__(self, place: _Place):
        self._place, self._printed, self._last = place, place.done, monotonic()

    def advance(self, figures: Mapping[str, float]) -> None:
        place = self._place
        place.advance()
        waited = monotonic() - self._last
        a_tenth = place.total is None or 10 * (place.done - self._printed) >= place.total
        if waited >= 30 or (waited >= 5 and a_tenth):
            self._print(figures)

    def close(self, figures: Mapping[str, float]) -> None:
        if self._place.early or self._place.done > self._printed:
            self._print(figures, stopped=self._place.early)

    def _print(self, figures: Mapping[str, float], *, stopped: bool = False) -> None:
        self._last, self._printed = monotonic(), self._place.done
        say(self._place.words(figures, stopped=stopped))


def _is_live(stream: Any) -> bool:
    """Whether a line can be redrawn, as in a terminal."""
    stream = getattr(stream, "stream", stream)  # the original stream, if this is a forgiving one
    return stream is not None and stream.isatty()


def _is_notebook(stream: Any) -> bool:
    """Whether the output goes to a notebook, which shows HTML below the cell."""
    stream = getattr(stream, "stream", stream)
    return type(stream).__module__.startswith("ipykernel") and "IPython" in sys.modules


def _width(part: tuple[float, float]) -> float:
    return part[1] - part[0]


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
        raise TypeError(f"expected one number for {name!r}, got {type(value).__name__}") from error
