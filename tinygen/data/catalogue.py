"""The data sets with a name: a list of them, and one function that loads any of them."""

import os
from pathlib import Path
from typing import NamedTuple

from tinygen.data import digits, mnist
from tinygen.data.dataset import DataError, Dataset
from tinygen.data.folder import load_folder
from tinygen.errors.hints import did_you_mean
from tinygen.io.files import printable

NAMES = ("digits", "mnist")
MIN_PICTURES = 10  # in a folder; with fewer, the test part would be a single picture


class Entry(NamedTuple):
    """What `list_datasets` tells about one data set."""

    name: str
    train: int  # images
    test: int  # images
    shape: tuple[int, int, int]  # (H, W, C)
    source: str
    licence: str
    present: bool  # on this machine, so that `load` needs no network


def list_datasets() -> list[Entry]:
    """The data sets with a name, with size, source and licence; this loads none of them."""
    return [
        Entry("digits", digits.NUM_TRAIN, digits.NUM_TEST, (8, 8, 1), digits.SOURCE, digits.LICENCE, True),
        Entry("mnist", 60000, 10000, (28, 28, 1), mnist.SOURCE, mnist.LICENCE, mnist.mnist_is_present()),
    ]


def load(name: str | os.PathLike, *, quiet: bool = False) -> Dataset:
    """Load a data set by name, or a folder of pictures by its path with the defaults of `load_folder`.

    Args:
        name: "digits", which comes with the package; "mnist", which is downloaded if it is not on this machine; others
            of `list_datasets()`; or the path of a folder.
        quiet: show no messages and no progress bars.

    Raises DataError for anything else, and for a folder with fewer than 10 pictures.

    >>> from tinygen import data
    >>> data.load("digits")
    Dataset('digits': 1437 training + 360 test images (8, 8, 1), 10 classes)
    """
    if name == "digits":
        return digits.load_digits()
    if name == "mnist":
        return mnist.load_mnist(quiet=quiet)
    if folder_of(name) is None:
        why = "is a file" if Path(name).exists() else f"doesn't exist{did_you_mean(str(name), NAMES)}"
        given = f"'{printable(name)}', which {why}" if os.fspath(name) else "''"
        raise DataError(f"load: expected {', '.join(NAMES)} or a folder of pictures, got {given}")
    pictures = load_folder(name, quiet=quiet)
    count = len(pictures.train_images) + len(pictures.test_images)
    if count < MIN_PICTURES:
        raise DataError(f"{printable(name)}: expected at least {MIN_PICTURES} pictures, got {count}: add more")
    return pictures


def folder_of(name: str | os.PathLike) -> Path | None:
    """The folder of pictures that `load(name)` reads; None for the name of a data set, and without such a folder."""
    return Path(name) if name not in NAMES and os.fspath(name) and Path(name).is_dir() else None
