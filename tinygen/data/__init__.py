"""Data to learn from: real digits that come with the package, MNIST by name, toys, and your own pictures.

Read `dataset` (what a data set is), `digits`, `batches`; then `toys` and `factors` (data made to order), `folder`
(your pictures), and `mnist` with `idx` (files that are not trusted). `catalogue` knows them all by name.
Nothing here knows of tensors or models; every random draw takes an explicit `rng`.
"""

import sys

from tinygen.data.batches import Batches
from tinygen.data.catalogue import list_datasets, load, names
from tinygen.data.dataset import DataError, Dataset, specimens
from tinygen.data.digits import load_digits
from tinygen.data.factors import KINDS, Factors, render_shapes, shapes
from tinygen.data.folder import load_folder
from tinygen.data.idx import read_idx
from tinygen.data.mnist import load_mnist
from tinygen.data.toys import grid, grid_centres, moons, ring, ring_centres, swiss_roll
from tinygen.errors import hints

__all__ = [
    "KINDS",
    "Batches",
    "DataError",
    "Dataset",
    "Factors",
    "grid",
    "grid_centres",
    "list_datasets",
    "load",
    "load_digits",
    "load_folder",
    "load_mnist",
    "moons",
    "names",
    "read_idx",
    "render_shapes",
    "ring",
    "ring_centres",
    "shapes",
    "specimens",
    "swiss_roll",
]


def __getattr__(name: str):
    """Only called for a name that is not here."""
    raise hints.missing(sys.modules[__name__], name)
