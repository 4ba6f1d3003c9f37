"""How a program ends: an error that a user can cause is one line and an exit code, and so is Ctrl-C."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tinygen.data import DataError
from tinygen.errors import interrupt
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.output import forgiving_output, one_line, warn
from tinygen.runs.record import RunError


class Refused(ValueError):
    """The options can't work; nothing was written or deleted."""


class Failed(RuntimeError):
    """The program is right, but what it needs is missing on this machine."""


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """An error that a user can cause ends the program with one line on stderr and an exit code; others are bugs."""
    with forgiving_output():
        try:
            interrupt.raise_again()
            yield
        except Refused as error:
            _exit(name, str(error), 2)
        except MemoryError as error:
            _exit(name, f"out of memory: {str(error) or 'something smaller may fit'}", 1)
        except (Failed, DataError, OSError, RunError, CheckpointError, FloatingPointError) as error:
            _exit(name, str(error), 1)
        except KeyboardInterrupt as stop:
            _exit(name, str(stop) or "stopped", 130)


def _exit(name: str, text: str, code: int) -> None:
    for prefix in (name, name.split()[-1]):  # "exercise start", and "start" of the function
        text = text.removeprefix(f"{prefix}: ")
    text = re.sub(r"\S+ \(([^()]*) in a shell\)", r"\1", one_line(text))  # resume=True (--resume in a shell)
    warn(f"{name}: {text}")
    sys.exit(code)
