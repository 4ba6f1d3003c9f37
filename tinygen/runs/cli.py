"""Command lines: options with ranges, checks before any work, and one line plus an exit code for each error.

The keyword arguments of a function are the options, and their annotations define what is allowed:

    @command
    def main(*, epochs: Count = 5, lr: Rate = 1e-3, out: Path = Path("runs/ae")) -> None:
        with before_work():
            ...  # load the data, make the model, open the run: a ValueError in here is about the options
        ...

    if __name__ == "__main__":
        start(main)

Exit codes: 0; 1 if data, files, memory or numbers stop the program; 2 if the options can't work; 130 after Ctrl-C.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial, wraps
from inspect import Signature, signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

from tinygen.data import DataError
from tinygen.errors import arguments
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.output import forgiving_output, warn
from tinygen.runs.record import RunError

# -- values of options -------------------------------------------------------------------------------------------------


class Whole(NamedTuple):
    """Integers from `least` to `most`."""

    least: int
    most: int

    def __call__(self, who: str, what: str, value: Any) -> int:
        arguments.whole(who, what, value, least=self.least)
        return arguments.whole(who, what, value, most=self.most)


class Number(NamedTuple):
    """Finite numbers with `least` <= value <= `most` and `above` < value < `below`; None means no bound."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __call__(self, who: str, what: str, value: Any) -> float:
        return arguments.real(who, what, value, least=self.least, above=self.above, most=self.most, below=self.below)


class Several(NamedTuple):
    """One or more values; duplicates are dropped."""

    kind: str

    def __call__(self, who: str, what: str, value: Any) -> tuple:
        if not value:
            raise ValueError(f"{who}: expected {what} to be one {self.kind} or several, got none")
        return tuple(dict.fromkeys(value))


class NewFile(NamedTuple):
    """A path for a file to write, with this suffix if one is given."""

    suffix: str = ""

    def __call__(self, who: str, what: str, value: Any) -> Path:
        path = Path(value)
        if not path.name or path.is_dir() or path.suffix.lower() != (self.suffix or path.suffix.lower()):
            raise ValueError(f"{who}: expected {what} to be a file{' ' * bool(self.suffix)}{self.suffix}, got {path}")
        return path


Count = Annotated[int, Whole(1, 10**9)]  # epochs, steps, repetitions
Limit = Annotated[int | None, Whole(2, 10**9)]  # number of images to read; None for all
Batch = Annotated[int, Whole(1, 65_536)]  # examples per step
Size = Annotated[int, Whole(1, 4096)]  # channels, units, latents: memory grows with the square
Samples = Annotated[int, Whole(5, 10**6)]  # images to sample and evaluate; the evaluation needs at least 5
Classifiers = Annotated[int, Whole(0, 100)]  # classifiers that evaluate the samples
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


# -- a function as a command -------------------------------------------------------------------------------------------


class Refused(ValueError):
    """The options can't work; nothing was written or deleted."""


class Failed(RuntimeError):
    """The program is right, but what it needs is missing on this machine."""


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
    """Wrap a function: its options are checked before it starts, and a failing `print` can't end it."""
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
    """Raise ValueError if an environment variable for the kernels has an unknown value."""
    from tinygen import kernels

    kernels.choice()
    if os.environ.get("TINYGEN_NUM_THREADS"):  # otherwise there is nothing to check, and the import takes a second
        from tinygen.kernels.machine.threads import num_threads

        num_threads()


def start(main: Callable) -> None:
    """Run an example from the command line: the keyword arguments of its `main` are the options."""
    with one_line_errors(Path(sys.argv[0]).name):
        import tyro

        parse(tyro.cli, deferred(main))()


def deferred(function: Callable) -> Callable:
    """A function with the same options that returns the call instead of making it; for tyro."""
    import tyro

    @wraps(function)
    def call(*positional: Any, **options: Any) -> Callable:
        return partial(function, *positional, **options)

    parameters = []
    for parameter in signature(function, eval_str=True).parameters.values():
        hint = parameter.annotation
        kinds = get_args(get_args(hint)[0] if hasattr(hint, "__metadata__") else hint)
        if type(None) in kinds and isinstance(kinds[0], type):  # the help shows INT instead of {None}|INT
            hint = Annotated[hint, tyro.conf.arg(metavar=kinds[0].__name__.upper())]
        parameters.append(parameter.replace(annotation=hint))
    setattr(call, "__signature__", Signature(parameters))  # noqa: B010  an attribute that type checkers don't know
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del call.__wrapped__
    return call


# -- the command line, and how a program ends --------------------------------------------------------------------------


def parse(parser: Callable, *arguments: Any, **options: Any) -> Callable:
    """The call that a parser of tyro finds on the command line; Refused, in one line, where tyro prints a box."""
    import tyro

    if empty := [option for option in sys.argv[1:] if option == "" or option.endswith("=")]:
        given = f"{empty[0]!r}" if empty[0] else "an empty text"
        raise Refused(f"expected a value for every option, got {given}: write one, or leave the option out")
    box = io.StringIO()
    try:
        with redirect_stderr(box), redirect_stdout(sys.stdout or io.StringIO()):  # there may be no standard output
            return parser(*arguments, **options, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as end:
        if end.code:
            raise Refused(_text_of(box.getvalue())) from None
        raise


def _text_of(box: str) -> str:
    """The text in a box that tyro prints, without its heading, frame and colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]
    parts = re.split(r"^[─╰╯-]{3,}$", "\n".join(line.strip("│ ") for line in lines), flags=re.MULTILINE)
    return "; ".join(" ".join(part.split()) for part in parts if part.strip())


@contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """An error that a user can cause ends the program with one line on stderr and an exit code; others are bugs."""
    with forgiving_output():
        try:
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
    warn(f"{name}: {' '.join(text.removeprefix(f'{name}: ').split())}")
    sys.exit(code)
