"""Output that can't end a program: a closed pipe, a full disk or a missing character in the console only loses text."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO


def say(text: str) -> None:
    """Print a line to the standard output and flush it; errors of the output are ignored."""
    _line(text, sys.stdout)


def warn(text: str) -> None:
    """Print a line to the standard error and flush it; errors of the output are ignored."""
    _line(text, sys.stderr)


def one_line(text: str, *, most: int | None = None) -> str:
    """A text in one line, "head: a; b"; the first line is the head, and `most` bounds the number of lines."""
    head, *rest = [" ".join(line.split()) for line in text.splitlines()[:most]] or [""]
    return " ".join([head, "; ".join(filter(None, rest))]).strip()


def open_page(path: Path) -> bool:
    """Show a page in the browser of the user; whether there is one with a window, and not one in the terminal."""
    import webbrowser

    window = os.name == "nt" or sys.platform == "darwin" or not {"DISPLAY", "WAYLAND_DISPLAY"}.isdisjoint(os.environ)
    return window and webbrowser.open(path.resolve().as_uri())


def _line(text: str, stream: TextIO | None) -> None:
    if stream is not None:
        print(text, file=forgiving(stream), flush=True)


def forgiving(stream: TextIO | None) -> Any:
    """The stream with its errors suppressed; None, as in a program without a console, stays None."""
    return stream if stream is None or isinstance(stream, _Forgiving) else _Forgiving(stream)


@contextmanager
def forgiving_output() -> Iterator[None]:
    """Inside the `with`, no `print` raises; on exit, the standard streams are restored."""
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

    def __init__(self, stream: TextIO):
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
        """Send later output to the null device: otherwise Python flushes again at exit, and fails with code 120."""
        with suppress(OSError, ValueError):
            if self.stream in (sys.__stdout__, sys.__stderr__):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self.stream.fileno())
                os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
