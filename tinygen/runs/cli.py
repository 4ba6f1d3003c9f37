"""What every command line needs: ranges of options, checks before any work, one line and an exit code for an error.

The keyword arguments of a function are the options, and their annotations say what is allowed:

    @command
    def main(*, epochs: Count = 5, lr: Rate = 1e-3, out: Path = Path("runs/ae")) -> None:
        with before_work():
            ...  # load the data, make the model, open the run: a ValueError in here is about the options
        ...

    if __name__ == "__main__":
        start(main)

The exit codes are 0; 1 if data, files or numbers stop the program; 2 if the options can't work; 130 after Ctrl-C.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

from tinygen.data import DataError
from tinygen.errors import arguments
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.output import forgiving_output, warn
from tinygen.runs.run import RunError

# ---- what an option may be -----------------------------------------------------------------------------------------


class Whole(NamedTuple):
    """Whole numbers from `least` to `most`."""

    least: int
    most: int

    def __call__(self, who: str, what: str, value: Any) -> int:
        arguments.whole(who, what, value, least=self.least)
        return arguments.whole(who, what, value, most=self.most)


class Number(NamedTuple):
    """Finite numbers within those bounds that are not None."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __call__(self, who: str, what: str, value: Any) -> float:
        return arguments.real(who, what, value, **self._asdict())


class Several(NamedTuple):
    """At least one value; a value given twice counts once."""

    kind: str

    def __call__(self, who: str, what: str, value: Any) -> tuple:
        if not value:
            raise ValueError(f"{who}: expected {what} to be one {self.kind} or several, got none")
        return tuple(dict.fromkeys(value))


class NewFile(NamedTuple):
    """A file that can be written, with this suffix if one is given."""

    suffix: str = ""

    def __call__(self, who: str, what: str, value: Any) -> Path:
        path = Path(value)
        if not path.name or path.is_dir() or path.suffix.lower() != (self.suffix or path.suffix.lower()):
            raise ValueError(f"{who}: expected {what} to be a file{' ' * bool(self.suffix)}{self.suffix}, got {path}")
        return path


Count = Annotated[int, Whole(1, 10**9)]  # epochs, steps, repetitions
Limit = Annotated[int | None, Whole(2, 10**9)]  # of the images that are read; None for all
Batch = Annotated[int, Whole(1, 65_536)]  # examples in a step
Size = Annotated[int, Whole(1, 4096)]  # channels, units, latents: memory grows with the square
Samples = Annotated[int, Whole(5, 10**6)]  # images to sample and evaluate: at least judging.LEAST
Judges = Annotated[int, Whole(0, 100)]  # classifiers that evaluate the samples
Seed = Annotated[int, Whole(0, 2**63 - 1)]
Rate = Annotated[float, Number(above=0, most=1)]  # learning rates
Weight = Annotated[float, Number(least=0, most=1e6)]  # of a term in a loss
Share = Annotated[float, Number(least=0, below=1)]


def checked(who: str, function: Callable, values: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments `values` of a function as Python values; TypeError or ValueError if one isn't allowed.

    An option whose default is None may be None.
    """
    hints, parameters = get_type_hints(function, include_extras=True), signature(function).parameters
    found = dict(values)
    for name in values.keys() & hints.keys():
        optional = values[name] is None and parameters[name].default is None
        for check in getattr(hints[name], "__metadata__", ()) if not optional else ():
            if isinstance(check, Whole | Number | Several | NewFile):
                found[name] = check(who, "--" + name.replace("_", "-"), found[name])
    return found


# ---- a function as a command ---------------------------------------------------------------------------------------


class Refused(ValueError):
    """These options can't work; nothing was written or deleted."""


class Failed(RuntimeError):
    """This can't be done here, through no fault of the program."""


@contextmanager
def before_work() -> Iterator[None]:
    """Wraps everything before the work: a ValueError inside becomes Refused, because the options caused it."""
    try:
        yield
    except (DataError, RunError, Refused):
        raise
    except ValueError as error:
        raise Refused(str(error)) from error


def command(function: Callable) -> Callable:
    """Wrap a function: its options are checked before it begins, and a failing `print` can't end it."""
    file = Path(function.__code__.co_filename).name
    who = file if function.__name__ == "main" else function.__name__

    @wraps(function)
    def run(*positional: Any, **options: Any) -> Any:
        with forgiving_output():
            with before_work():
                given = checked(who, function, signature(function).bind(*positional, **options).arguments)
                _check_environment()
            bound = signature(function).bind_partial()
            bound.arguments.update(given)
            return function(*bound.args, **bound.kwargs)

    return run


def _check_environment() -> None:
    """Raise ValueError if an environment variable that the kernels read has a value that they don't know."""
    from tinygen import kernels

    kernels.choice()
    if os.environ.get("TINYGEN_NUM_THREADS"):  # else there is nothing to check, and the import would cost a second
        from tinygen.kernels.machine.threads import num_threads

        num_threads()


def start(main: Callable) -> None:
    """Run an example from the command line: the keyword arguments of its `main` are the options."""
    with one_line(Path(sys.argv[0]).name):
        import tyro

        chosen(tyro.cli, deferred(main))()


def deferred(function: Callable) -> Callable:
    """A function with the same options that returns the call instead of making it."""

    @wraps(function)
    def call(*positional: Any, **options: Any) -> Callable:
        return partial(function, *positional, **options)

    return call


def chosen(parse: Callable, *arguments: Any, **settings: Any) -> Callable:
    """What `parse`, a function of tyro, makes of the command line; Refused, in one line, where tyro draws a box."""
    if empty := [option for option in sys.argv[1:] if option == "" or option.endswith("=")]:
        given = f"{empty[0]!r}" if empty[0] else "an empty text"
        raise Refused(f"expected a value for every option, got {given}: write one, or leave the option out")
    box = io.StringIO()
    try:
        with redirect_stderr(box), redirect_stdout(sys.stdout or io.StringIO()):  # there may be no standard output
            return parse(*arguments, **settings)
    except SystemExit as end:
        if end.code:
            raise Refused(_unboxed(box.getvalue())) from None
        raise


def _unboxed(box: str) -> str:
    """The words in a box of tyro's, without its heading, frame and colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]
    parts = re.split(r"^[─╰╯-]{3,}$", "\n".join(line.strip("│ ") for line in lines), flags=re.MULTILINE)
    return "; ".join(" ".join(part.split()) for part in parts if part.strip())


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Errors that a user can cause end the program with one line on stderr and an exit code; others are bugs."""
    with forgiving_output():
        try:
            yield
        except Refused as error:
            _leave(name, str(error), 2)
        except MemoryError as error:
            _leave(name, f"out of memory: {str(error) or 'something smaller may fit'}", 1)
        except (Failed, DataError, OSError, RunError, CheckpointError, FloatingPointError) as error:
            _leave(name, str(error), 1)
        except KeyboardInterrupt as stop:
            _leave(name, str(stop) or "stopped", 130)


def _leave(name: str, text: str, code: int) -> None:
    warn(f"{name}: {' '.join(text.removeprefix(f'{name}: ').split())}")
    sys.exit(code)
