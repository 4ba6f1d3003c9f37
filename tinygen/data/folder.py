"""Your own pictures: a folder of image files as a data set, cropped, resized and split."""

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
    """All pictures in a folder and its subfolders, sorted by name, as float32 (N, H, W, channels) in [0, 1].

    The first level of subfolders names the classes; pictures beside these subfolders have class ".". Links are
    followed. Each picture is turned upright, laid on white where it is transparent, cropped around its centre to the
    aspect ratio of `size` (height and width in pixels, or one number for both), and resized; an animation counts with
    its first frame. A line on stderr reports this unless `quiet`. The split into training and test pictures depends on
    their names alone. All images together take 4 N H W channels bytes, at most 4 GiB.
    Raises NotADirectoryError if there is no such folder, and DataError if it contains no picture, too many pictures, or
    pictures that can't be read, which the error lists with the reasons.
    """
    root, title = Path(path), printable(path)
    if channels not in MODES:
        raise ValueError(f"load_folder: expected channels to be 1 (grey) or 3 (colour), got {channels!r}")
    test_fraction = arguments.real("load_folder", "test_fraction", test_fraction, least=0, below=1)
    height, width = arguments.pair("load_folder", "size", size, least=1)
    if not root.is_dir():
        raise NotADirectoryError(f"load_folder: expected a folder of pictures, got {title}")
    names = _names(root, title, most=MAX_BYTES // (4 * height * width * channels))
    test = _split(names, test_fraction)
    names = [names[i] for i in np.argsort(test, kind="stable")]  # training pictures first: both parts are slices
    images, sizes = _read_all(root, title, names, (height, width), channels, quiet)  # (N, H, W, C)
    classes = tuple(sorted({_class_of(name) for name in names}))
    labels = np.array([classes.index(_class_of(name)) for name in names], np.int64)
    preprocessing = _description(len(names), sizes, (height, width), channels)
    if not quiet:
        warn(f"{title}: {preprocessing}")
    n = len(names) - np.count_nonzero(test)
    return Dataset(
        name=title,
        train_images=images[:n],
        train_labels=labels[:n],
        test_images=images[n:],
        test_labels=labels[n:],
        classes=tuple(map(printable, classes)),
        source=printable(f"the pictures in {real(root)}"),
        licence="unknown, ask the owner of the pictures",
        preprocessing=preprocessing,
    )


def _names(root, title, *, most):
    """The names of all pictures, sorted, so that the list is the same on every machine."""
    names = []
    for name in picture_names(root):
        names.append(name)
        if len(names) > most:
            raise DataError(f"{title}: expected at most {most:,} pictures of this size, got more: use a smaller `size`")
    if not names:
        raise DataError(f"{title}: expected pictures ({', '.join(sorted(SUFFIXES))}), got none: choose another folder")
    return sorted(names)


def _class_of(name):
    folder, slash, _ = name.partition("/")
    return folder if slash else "."


def _split(names, test_fraction):
    """The test pictures, (N,) bool: those with the smallest hashes of names, so that a new picture moves few others."""
    n = len(names)
    count = min(max(round(test_fraction * n), 1), n - 1) if test_fraction > 0 else 0  # at least one in each part
    by_hash = sorted(range(n), key=lambda i: hashlib.sha256(os.fsencode(names[i])).digest())
    test = np.zeros(n, bool)
    test[by_hash[:count]] = True
    return test


def _read_all(root, title, names, size, channels, quiet):
    """All images (N, H, W, C), and the set of their sizes (H, W) in the files."""
    images = np.empty((len(names), *size, channels), np.float32)
    sizes, failures = set(), []
    for i, name in enumerate(progress(names, label=f"reading {title}", quiet=quiet or len(names) < 1000)):
        try:
            images[i], before = read_picture(root / name, size, channels)
            sizes.add(before)
        except Exception as error:  # Pillow's readers raise errors of many types
            failures.append(f"{printable(name)}: {printable(error) or type(error).__name__}")
    if failures:
        shown = "\n  ".join(sorted(failures)[:10]) + ("\n  ..." if len(failures) > 10 else "")
        counts = f"{len(failures)} of {len(names)} pictures"
        raise DataError(f"{title}: {counts} can't be read: repair or remove them:\n  {shown}")
    return images, sizes


def _description(count, sizes, size, channels):
    colour = {1: "grey", 3: "in colour"}[channels]
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    target = f"{size[0]} x {size[1]}, {colour}"
    if sizes == {size}:
        return f"{pictures} of {target}"
    kinds = f"{len(sizes)} sizes" if len(sizes) > 1 else "{} x {}".format(*next(iter(sizes)))
    return f"{pictures} of {kinds}, cropped and resized to {target}"
