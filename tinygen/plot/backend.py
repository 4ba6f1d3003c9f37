"""Import matplotlib even if the environment variable MPLBACKEND has an unknown value; pictures here need no backend."""

import os
import sys

from tinygen.io.output import warn


def import_matplotlib() -> None:
    """`import matplotlib`, with one line of warning instead of an error for an unknown backend in MPLBACKEND."""
    name = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if name is not None:
            os.environ["MPLBACKEND"] = name
    try:
        if name:
            matplotlib.rcParams["backend"] = name  # as matplotlib does during its import
    except ValueError:
        warn(f"tinygen: MPLBACKEND names an unknown backend of matplotlib, {name!r}: pictures are drawn without it")


if "matplotlib" not in sys.modules:
    import_matplotlib()
