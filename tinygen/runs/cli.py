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

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import signature, unwrap
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints

from tinygen.data import DataError
from tinygen.data.catalogue import folder_of
from tinygen.data.mnist import data_folder
from tinygen.errors import arguments
from tinygen.io.files import printable, real
from tinygen.io.output import forgiving_output
from tinygen.runs.ending import Failed, Refused, one_line_errors
from tinygen.runs.parsing import call_of
from tinygen.runs.record import RunError

__all__ = [
    "Batch",
    "Classifiers",
    "Count",
    "Failed",
    "Limit",
    "NewFile",
    "Number",
    "Rate",
    "Refused",
    "Samples",
    "Seed",
    "Share",
    "Size",
    "Weight",
    "Whole",
    "before_work",
    "checked",
    "command",
    "settings",
    "start",
]

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
            if isinstance(check, Whole | Number | NewFile):
                found[name] = check(who, "--" + name.replace("_", "-"), found[name])
    return found


def settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that decide the results of a run: `settings(locals())` at the beginning of a `main`.

    Left out are the data, of which a run records the content, and those about the folder and the output.
    """
    others = ("data", "out", "resume", "overwrite", "quick", "quiet", "open")
    return {name: value for name, value in arguments.items() if name not in others}


# -- a function as a command -------------------------------------------------------------------------------------------


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
                bound = signature(function).bind(*positional, **options)
                bound.arguments.update(checked(who, function, bound.arguments))
                bound.apply_defaults()
                _check_folders(who, **bound.arguments)
                _check_environment()
            return function(*bound.args, **bound.kwargs)

    return run


def _check_folders(who: str, *, data: Any = None, out: Any = None, **_: Any) -> None:
    """Raise ValueError if a run would write its pictures into the folder of pictures that it learns from."""
    pictures = folder_of(data) if isinstance(data, str | os.PathLike) else None
    if out is not None and pictures is not None and real(out).is_relative_to(real(pictures)):
        expected = f"--out to be outside the folder of pictures {printable(pictures)}"
        raise ValueError(f"{who}: expected {expected}, got {printable(out)}: choose another folder, such as runs/mine")


def _check_environment() -> None:
    """Raise ValueError if an environment variable has a value that can't be used."""
    from tinygen import kernels

    kernels.setting()
    try:
        data_folder()
    except NotADirectoryError as error:
        raise ValueError(str(error)) from None
    if os.environ.get("TINYGEN_NUM_THREADS"):  # otherwise there is nothing to check, and the import takes a second
        from tinygen.kernels.machine.threads import num_threads

        num_threads()


def start(main: Callable) -> None:
    """Run an example from the command line: the keyword arguments of its `main` are the options.

    `--help` shows the docstring of the file: what the example shows, and how long it takes.
    """
    with one_line_errors(Path(sys.argv[0]).name):
        about = unwrap(main).__globals__.get("__doc__") or ""
        call_of(main, sys.argv[1:], program=f"python {sys.argv[0]}", about=about)()
