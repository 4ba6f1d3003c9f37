"""Import matplotlib, which ends a program if MPLBACKEND names no backend; pictures here need none."""

import os
import sys

from tinygen.io.output import warn


def import_matplotlib() -> None:
    """`import matplotlib`, but an unknown backend in MPLBACKEND costs one line only."""
    name = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if name is not None:
            os.environ["MPLBACKEND"] = name
    try:
        if name:
            matplotlib.rcParams["backend"] = name  # as matplotlib itself does while it is imported
    except ValueError:
        warn(f"tinygen: matplotlib has no backend {name!r}, which MPLBACKEND names: pictures are drawn without it")


if "matplotlib" not in sys.modules:
    import_matplotlib()
