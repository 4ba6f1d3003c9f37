"""Measure how the time of a training step grows: convolutional autoencoders, tinygen and PyTorch in turn.

One of three sizes varies at a time: images in a batch, pixels along a side, and channels of the feature maps.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from tinygen.bench.kernels import turns
from tinygen.bench.lessons import Lesson, reconstruct
from tinygen.bench.processes import TINYGEN, Log, Runner, Worker, Workers
from tinygen.bench.report import compared, in_brackets
from tinygen.io.table import columns
from tinygen.models import Autoencoder

MIDDLE = {"batch": 16, "side": 32, "width": 32}  # the sizes that don't vary
SIZES = {
    "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
    "side": (16, 32, 64, 128, 256),
    "width": (8, 16, 24, 32, 48, 64, 96, 128, 160, 256),
}
POINTS = [(axis, {**MIDDLE, axis: size}) for axis, sizes in SIZES.items() for size in sizes]
SECONDS = 4.0  # for a point; no more rounds begin after that


class Timed(NamedTuple):
    """Milliseconds per step in each round, by runner; `axis` is the size that varies."""

    axis: str
    sizes: dict[str, int]
    ms: dict[Runner, np.ndarray]


def lesson(batch: int, side: int, width: int) -> Lesson:
    """The autoencoder of the lecture without its dense layers, for images with three colours."""
    shape = (side, side, 3)
    network = partial(Autoencoder.conv, shape, (width, width), latent=None)
    return Lesson(network, reconstruct, {"x": (batch, *shape)})


def measure(modes: list[str], *, threads: int, pairs: int, log: Log = print) -> list[Timed]:
    """Time a training step at all points."""
    found = []
    with Workers() as workers:
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = Worker(runner, "scaling", threads=threads)
        for count, (axis, sizes) in enumerate(POINTS):
            name = ", ".join(f"{key} {size}" for key, size in sizes.items())
            log(f"{count + 1} of {len(POINTS)}: {name}")
            select = " ".join(map(str, ("select", *sizes.values())))
            found.append(Timed(axis, sizes, turns(workers, name, select, pairs, seconds=SECONDS)))
    return found


def row(timed: Timed) -> dict:
    """One line of the table as numbers."""
    return {"axis": timed.axis, **timed.sizes, **compared(timed.ms)}


def table(rows: list[dict]) -> str:
    """One line per point, with the time per image."""
    versus = rows[0]["ratio"] is not None
    lines = [[*MIDDLE, "ms per image", *(["torch ms", "ratio"] if versus else [])]]
    for each in rows:
        line = [f"{each[key]}{' *' if key == each['axis'] else ''}" for key in MIDDLE]
        line.append(f"{per_image(each, 'tinygen'):#.3g}".rstrip("."))
        if versus:
            line += [f"{per_image(each, each['best']):#.3g}".rstrip("."), in_brackets(each["ratio"], 2)]
        lines.append(line)
    return columns(lines, numbers=len(lines[0]), ruled=True)


def per_image(row: dict, runner: str) -> float:
    """Median milliseconds for each image of the batch."""
    return row["ms"][runner]["median"] / row["batch"]


LEGEND = """\
batch: images per step. side: pixels along each side. width: channels of the feature maps. *: the size that varies.
ms per image: median time of a training step of Autoencoder.conv((side, side, 3), (width, width), latent=None) with
Adam, divided by the batch."""
VERSUS = """
torch: PyTorch in its faster layout.
ratio: time of tinygen divided by that of PyTorch in the same round, median [quartiles]."""


def legend(rows: list[dict]) -> str:
    """What the columns are."""
    return LEGEND + (VERSUS if rows[0]["ratio"] is not None else "")


def curves(rows: list[dict]) -> dict[str, list[tuple[int, float, float]]]:
    """For each size that varies: its values with the milliseconds per image of tinygen and of PyTorch."""
    return {
        axis: [
            (row[axis], round(per_image(row, "tinygen"), 5), round(per_image(row, row["best"]), 5))
            for row in rows
            if row["axis"] == axis
        ]
        for axis in SIZES
    }
