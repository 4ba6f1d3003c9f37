"""Data sets: real digits that come with the package, MNIST by name, toy densities, and your own pictures.

Reading order: `dataset` (what a data set is), `digits`, `batches` and `binary`; then generated data, `toys`,
`manifolds`, `factors` and `weather`; `folder` with `pictures` (your own image files), and `mnist` with `idx` (files
from outside, which are checked). `catalogue` loads a data set by its name. Nothing here imports tensors or models;
every random draw takes an `rng`.
"""

import sys

from tinygen.data.batches import Batches
from tinygen.data.binary import binarise
from tinygen.data.catalogue import list_datasets, load
from tinygen.data.dataset import DataError, Dataset, one_per_class
from tinygen.data.digits import load_digits
from tinygen.data.factors import KINDS, Factors, render_shapes, shapes
from tinygen.data.folder import load_folder
from tinygen.data.idx import read_idx
from tinygen.data.manifolds import swiss_roll_nd
from tinygen.data.mnist import load_mnist
from tinygen.data.toys import grid, grid_centres, moons, ring, ring_centres, swiss_roll
from tinygen.data.weather import Weather, daily_weather
from tinygen.errors import hints

__all__ = [
    "KINDS",
    "Batches",
    "DataError",
    "Dataset",
    "Factors",
    "Weather",
    "binarise",
    "daily_weather",
    "grid",
    "grid_centres",
    "list_datasets",
    "load",
    "load_digits",
    "load_folder",
    "load_mnist",
    "moons",
    "one_per_class",
    "read_idx",
    "render_shapes",
    "ring",
    "ring_centres",
    "shapes",
    "swiss_roll",
    "swiss_roll_nd",
]


def __getattr__(name: str):
    """Called only for a name that this module does not have."""
    raise hints.missing(sys.modules[__name__], name)
