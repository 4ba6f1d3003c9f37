"""The data sets that have a name: what there is, and one function to load any of them."""

import os
from pathlib import Path
from typing import NamedTuple

from tinygen.data import digits, mnist
from tinygen.data.dataset import DataError, Dataset
from tinygen.data.folder import load_folder
from tinygen.io.files import printable

LEAST = 10  # pictures in a folder: with fewer a single one would test


class Entry(NamedTuple):
    """One line of the catalogue."""

    name: str
    train: int  # images
    test: int  # images
    shape: tuple[int, int, int]  # (H, W, C)
    source: str
    licence: str
    present: bool  # on this machine: `load` needs no network


def list_datasets() -> list[Entry]:
    """What can be loaded by name, with its size, origin and licence; nothing is loaded for it."""
    return [
        Entry("digits", digits.NUM_TRAIN, digits.NUM_TEST, (8, 8, 1), digits.SOURCE, digits.LICENCE, True),
        Entry("mnist", 60000, 10000, (28, 28, 1), mnist.SOURCE, mnist.LICENCE, mnist.mnist_is_present()),
    ]


def names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return ("digits", "mnist")


def load(name: str | os.PathLike, *, quiet: bool = False) -> Dataset:
    """Load a data set by its name, or a folder of pictures by its path as `load_folder` does with its defaults.

    MNIST is downloaded if this machine lacks it. Raises DataError for what is neither a name nor a folder, and for a
    folder with fewer than ten pictures: two of ten test.
    """
    if name == "digits":
        return digits.load_digits()
    if name == "mnist":
        return mnist.load_mnist(quiet=quiet)
    if os.fspath(name) and Path(name).is_dir():
        pictures = load_folder(name, quiet=quiet)
        count = len(pictures.train_images) + len(pictures.test_images)
        if count < LEAST:
            found = (
                f"{printable(name)}: expected {LEAST} pictures at the very least to train and to test, found {count}"
            )
            raise DataError(found)
        return pictures
    raise DataError(f"load: expected one of {', '.join(names())}, or a folder of pictures; got '{printable(name)}'")
