"""Your own pictures: a folder of image files becomes a data set, cut square, resized and split."""

import hashlib
import os
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError, Dataset
from tinygen.data.pictures import MODES, SUFFIXES, picture_names, read_picture
from tinygen.errors import arguments
from tinygen.io.files import printable, real
from tinygen.io.output import warn
from tinygen.io.progress import progress

MAX_BYTES = 2**32  # of all images together, as float32


def load_folder(
    path: str | os.PathLike,
    *,
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    test_fraction: float = 0.2,
    quiet: bool = False,
) -> Dataset:
    """Every picture in a folder and its subfolders, in the order of their names: float32 (N, H, W, channels) in [0, 1].

    The first level of subfolders names the classes (a picture beside them is of class "."); links are followed. Each
    picture is turned upright, put on white where it is transparent, cropped around its centre to the shape of `size`
    (H, W; one number for a square), and resized; of an animation the first frame counts. One line says so, and so does
    the data set's repr. Names alone decide which pictures test. All images take 4 N H W C bytes, 4 GiB at most.
    Raises NotADirectoryError, and DataError if there is no picture, if there are too many, or if some can't be read: it
    lists which and why.
    """
    root, title = Path(path), printable(path)
    if channels not in MODES:
        raise ValueError(f"load_folder: expected channels to be 1 (grey) or 3 (colour), got {channels!r}")
    test_fraction = arguments.real("load_folder", "test_fraction", test_fraction, least=0, below=1)
    height, width = arguments.pair("load_folder", "size", size, least=1)
    if not root.is_dir():
        raise NotADirectoryError(f"{title} is not a folder of pictures")
    names = _some_names(root, title, most=MAX_BYTES // (4 * height * width * channels))
    test = _split(names, test_fraction)
    names = [names[i] for i in np.argsort(test, kind="stable")]  # those to train first: both parts are slices
    images, sizes = _read_all(root, title, names, (height, width), channels, quiet)  # (N, H, W, C)
    classes = tuple(sorted({_class_of(name) for name in names}))
    labels = np.array([classes.index(_class_of(name)) for name in names], np.int64)
    made = _what_was_made(len(names), sizes, (height, width), channels)
    if not quiet:
        warn(f"{title}: {made}")
    n = len(names) - np.count_nonzero(test)
    return Dataset(
        name=title,
        train_images=images[:n],
        train_labels=labels[:n],
        test_images=images[n:],
        test_labels=labels[n:],
        classes=tuple(map(printable, classes)),
        source=printable(f"the pictures in {real(root)}"),
        licence="as their owner says",
        made=made,
    )


def _some_names(root, title, *, most):
    """The names of all pictures, sorted: the same list on every machine."""
    names = []
    for name in picture_names(root):
        names.append(name)
        if len(names) > most:
            raise DataError(
                f"{title}: expected at most {most:,} pictures of this size, found more: make `size` smaller"
            )
    if not names:
        looked = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{title}: no picture in this folder or below it; looked for {looked}")
    return sorted(names)


def _class_of(name):
    folder, slash, _ = name.partition("/")
    return folder if slash else "."


def _split(names, test_fraction):
    """Which pictures test, (N,) bool: those whose names have the smallest hashes, so that a new one moves few."""
    n = len(names)
    count = min(max(round(test_fraction * n), 1), n - 1) if test_fraction > 0 else 0  # each part gets at least one
    by_hash = sorted(range(n), key=lambda i: hashlib.sha256(os.fsencode(names[i])).digest())
    test = np.zeros(n, bool)
    test[by_hash[:count]] = True
    return test


def _read_all(root, title, names, size, channels, quiet):
    """All images (N, H, W, C), and the sizes that they have in their files."""
    images = np.empty((len(names), *size, channels), np.float32)
    sizes, failures = set(), []
    for i, name in enumerate(progress(names, label=f"reading {title}", quiet=quiet or len(names) < 1000)):
        try:
            images[i], before = read_picture(root / name, size, channels)
            sizes.add(before)
        except Exception as error:  # Pillow's many readers raise many kinds; each of them means the same here
            failures.append(f"{printable(name)}: {printable(error) or type(error).__name__}")
    if failures:
        shown = "\n  ".join(sorted(failures)[:10]) + ("\n  ..." if len(failures) > 10 else "")
        raise DataError(
            f"{title}: {len(failures)} of {len(names)} pictures can't be read; repair or remove them:\n  {shown}"
        )
    return images, sizes


def _what_was_made(count, sizes, size, channels):
    colour = {1: "grey", 3: "in colour"}[channels]
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    wanted = f"{size[0]} x {size[1]}, {colour}"
    if sizes == {size}:
        return f"{pictures} of {wanted}"
    kinds = f"{len(sizes)} sizes" if len(sizes) > 1 else "{} x {}".format(*next(iter(sizes)))
    return f"{pictures} of {kinds}, cropped and resized to {wanted}"
