"""Printing that can't end a run: a closed pipe, a full disk or a letter that the console lacks only loses text."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


def say(text: str) -> None:
    """Print a line at once, as far as the standard output can take it."""
    _line(text, sys.stdout)


def warn(text: str) -> None:
    """Print a line on the standard error, as far as it can take it."""
    _line(text, sys.stderr)


def _line(text: str, stream) -> None:
    if stream is not None:
        print(text, file=forgiving(stream), flush=True)


def forgiving(stream):
    """The stream without its errors; None, which a program without a console has, stays None."""
    return stream if stream is None or isinstance(stream, _Forgiving) else _Forgiving(stream)


@contextmanager
def forgiving_output() -> Iterator[None]:
    """Inside, no `print` raises; afterwards the standard streams are again what they were."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(forgiving, before)
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        sys.stdout, sys.stderr = before


class _Forgiving:
    """A text stream whose `write` and `flush` never raise: characters outside the encoding become "?"."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text: str) -> int:
        try:
            self.stream.write(text)
        except UnicodeEncodeError:
            encoding = self.stream.encoding
            self.write(text.encode(encoding, errors="replace").decode(encoding))
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """Send later output to the null device: otherwise Python tries again when it exits, and fails with code 120."""
        with suppress(OSError, ValueError):
            if self.stream in (sys.__stdout__, sys.__stderr__):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self.stream.fileno())
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
