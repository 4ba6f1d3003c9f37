"""Your own pictures: a folder of image files becomes a data set, cut square, resized and split."""

import hashlib
import os
from pathlib import Path

import numpy as np

from tinygen import arguments
from tinygen.data.dataset import DataError, Dataset
from tinygen.progress import progress

SUFFIXES = frozenset(".bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split())
MODES = {1: "L", 3: "RGB"}  # Pillow's names for grey and colour


def load_folder(
    path: str | os.PathLike,
    *,
    size: int | tuple[int, int] = 28,
    channels: int = 1,
    test_fraction: float = 0.2,
    quiet: bool = False,
) -> Dataset:
    """Every picture in a folder and its subfolders, in the order of their names: float32 (N, H, W, channels) in [0, 1].

    The first level of subfolders names the classes (a picture beside them is of class "."). Each picture is turned
    upright, put on white where it is transparent, cropped around its centre to the shape of `size` (H, W; one number
    for a square), and resized; of an animation the first frame counts. Names alone decide which pictures test.
    Raises NotADirectoryError, and DataError if there is no picture or some can't be read: it lists which and why.
    """
    root = Path(path)
    if channels not in MODES:
        raise ValueError(f"load_folder: channels should be 1 (grey) or 3 (colour), got {channels!r}")
    if not 0 <= test_fraction < 1:
        raise ValueError(f"load_folder: test_fraction should be in [0, 1), got {test_fraction!r}")
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2:
        raise ValueError(f"load_folder: size should be one number or (height, width), got {size!r}")
    height, width = (arguments.whole("load_folder", "each side of size", side, least=1) for side in sides)
    names = _picture_names(root)
    images = _read_all(root, names, (height, width), channels, quiet)  # (N, H, W, C)
    classes = tuple(sorted({_class_of(name) for name in names}))
    labels = np.array([classes.index(_class_of(name)) for name in names], np.int64)
    test = _split(names, test_fraction)
    return Dataset(
        name=str(root),
        train_images=images[~test],
        train_labels=labels[~test],
        test_images=images[test],
        test_labels=labels[test],
        classes=classes,
        source=f"the pictures in {root.resolve()}",
        licence="as their owner says",
    )


def _picture_names(root):
    """The pictures below `root` as relative names with forward slashes, sorted: the same list on every machine."""
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder of pictures")
    files = (file.relative_to(root) for file in root.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    names = sorted(file.as_posix() for file in files if not any(part.startswith(".") for part in file.parts))
    if not names:
        raise DataError(f"{root}: no picture in this folder or below it; looked for {', '.join(sorted(SUFFIXES))}")
    return names


def _class_of(name):
    folder, slash, _ = name.partition("/")
    return folder if slash else "."


def _split(names, test_fraction):
    """Which pictures test, (N,) bool: those whose names have the smallest hashes, so that a new one moves few."""
    n = len(names)
    count = min(max(round(test_fraction * n), 1), n - 1) if test_fraction > 0 else 0  # each part gets at least one
    by_hash = sorted(range(n), key=lambda i: hashlib.sha256(names[i].encode()).digest())
    test = np.zeros(n, bool)
    test[by_hash[:count]] = True
    return test


def _read_all(root, names, size, channels, quiet):
    images = np.empty((len(names), *size, channels), np.float32)
    failures = []
    for i, name in enumerate(progress(names, label=f"reading {root.name}", quiet=quiet or len(names) < 1000)):
        try:
            images[i] = _read_picture(root / name, size, channels)
        except Exception as error:  # Pillow's many readers raise many kinds; each of them means the same here
            failures.append(f"{name}: {error}")
    if failures:
        shown = "\n  ".join(failures[:10]) + ("\n  ..." if len(failures) > 10 else "")
        raise DataError(
            f"{root}: {len(failures)} of {len(names)} pictures can't be read; repair or remove them:\n  {shown}"
        )
    return images


def _read_picture(path, size, channels):
    from PIL import Image, ImageOps  # here, since only a folder of pictures needs it

    height, width = size
    with Image.open(path) as picture:
        if picture.mode.startswith(("I", "F")):  # Pillow would clip these to 8 bits without a word
            raise DataError(f"more than 8 bits per channel (mode {picture.mode}); save it with 8")
        picture = ImageOps.exif_transpose(picture).convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = ImageOps.fit(picture.convert(MODES[channels]), (width, height), Image.Resampling.LANCZOS)
        return np.asarray(picture, np.float32).reshape(height, width, channels) / 255
