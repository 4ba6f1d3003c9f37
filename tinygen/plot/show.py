"""Show figures and films where there is a place for them: in a window, in a notebook, or as files."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure

from tinygen.io import files
from tinygen.io.output import say
from tinygen.plot.canvas import Picture, save

Sink = Callable[[Any, str], None]
FOLDER = Path("runs/figures")  # apart from the folders of runs: a lesson may have the name of an example
_sink: ContextVar[Sink | None] = ContextVar("sink", default=None)
_counts: dict[Path, int] = {}  # figures without a name, per folder


def show(thing: Any, *, name: str = "") -> None:
    """Show a figure or a film: in a window if there is a display, in a notebook below the cell, else as a file.

    The file is written to `runs/figures/<script>/`, and its path is printed.

    Args:
        thing: a matplotlib figure, a `Picture`, or an object that a notebook shows as HTML, such as a `Film`.
        name: name of the file without its ending, such as "decision_surface"; by default figure_1, figure_2, ...

    Raises TypeError for an object that can't be shown, ValueError for a name that isn't one of a file.

    >>> from tempfile import mkdtemp
    >>> from tinygen import plot
    >>> with plot.saving(mkdtemp()) as paths:
    ...     plot.show(plot.image_grid(np.zeros((4, 8, 8, 1))), name="four")
    >>> paths[0].name
    'four.png'
    """
    if not isinstance(thing, Figure) and not hasattr(thing, "_repr_html_"):
        raise TypeError(f"show: expected a figure or a film, got {type(thing).__name__}: pass what a plot returned")
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f'show: expected a name without folder and ending, got {name!r}: write name="losses"')
    sink = _sink.get()
    if sink is not None:
        sink(thing, name)
    elif _in_notebook():
        from IPython.display import display  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

        display(thing)
    elif isinstance(thing, Figure) and not isinstance(thing, Picture) and _has_window(thing):
        sys.modules["matplotlib.pyplot"].show()
    else:
        script = Path(getattr(sys.modules["__main__"], "__file__", None) or "figures").stem
        say(f"wrote {write(thing, FOLDER / script, name)}")
    _close(thing)


@contextmanager
def showing(sink: Sink) -> Iterator[None]:
    """Inside the `with`, `show(thing, name=name)` calls `sink(thing, name)` and does nothing else."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


@contextmanager
def saving(folder: str | Path) -> Iterator[list[Path]]:
    """Inside the `with`, `show` writes files into a folder; the list receives their paths."""
    written: list[Path] = []
    _counts.pop(Path(folder), None)
    with showing(lambda thing, name: written.append(write(thing, folder, name))):
        yield written


def write(thing: Any, folder: str | Path, name: str = "") -> Path:
    """Write a figure as PNG, a drawing as SVG, anything else as an HTML page; makes the folder, returns the path."""
    folder = Path(folder)
    if not name:
        _counts[folder] = _counts.get(folder, 0) + 1
        name = f"figure_{_counts[folder]}"
    if isinstance(thing, Figure):
        return save(thing, folder / f"{name}.png")
    path = folder / f"{name}.{'svg' if hasattr(thing, '_repr_svg_') else 'html'}"
    if hasattr(thing, "save"):
        thing.save(path)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>{thing._repr_html_()}</html>'
    files.replace(path, page.encode())
    return path


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def _has_window(figure: Figure) -> bool:
    """Is this a figure of pyplot with a backend that opens windows?"""
    interactive = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    return getattr(figure, "number", None) is not None and matplotlib.get_backend().lower() in interactive


def _close(thing: Any) -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and isinstance(thing, Figure):
        pyplot.close(thing)
