"""Image files in a folder: finding them, and reading one without trusting its content."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError

FORMATS = (
    "BMP",
    "GIF",
    "JPEG",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
)  # Pillow's names; the content decides
SUFFIXES = frozenset(".bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split())
MODES = {1: "L", 3: "RGB"}  # number of channels: Pillow's mode
MAX_PIXELS = 2**26  # of one picture: it takes less than 1 GB of memory until it is resized


def picture_names(root: Path) -> Iterator[str]:
    """The paths of all pictures in `root` and its subfolders, relative, with forward slashes, in no particular order.

    Links are followed, except to a folder that contains them. Hidden files and folders (".name") are left out. A broken
    link counts as a picture, so that reading it raises an error with its name.
    """
    todo: list[tuple[str, frozenset[str]]] = [
        (os.fspath(root), frozenset())
    ]  # a folder, and the real folders around it
    while todo:
        folder, around = todo.pop()
        real = os.path.realpath(folder)
        if real in around:
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    todo.append((entry.path, around | {real}))
                elif _is_picture(entry):
                    yield Path(entry.path).relative_to(root).as_posix()


def _is_picture(entry: os.DirEntry) -> bool:
    if entry.is_symlink() and not os.path.exists(entry.path):
        return True
    return entry.is_file() and os.path.splitext(entry.name)[1].lower() in SUFFIXES


def read_picture(path: Path, size: tuple[int, int], channels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture as float32 (H, W, channels) in [0, 1], and its size (H, W) in the file.

    It is turned upright as its EXIF data say, laid on white where it is transparent, cropped around its centre to the
    aspect ratio of `size`, and resized. Raises an exception of any type unless it is a complete picture of at most
    MAX_PIXELS pixels.
    """
    from PIL import Image, ImageOps  # here, because only a folder of pictures needs it

    height, width = size
    with _open(path) as picture:
        if picture.width * picture.height > MAX_PIXELS:  # read from the header, before the pixels are decoded
            raise _too_large()
        if picture.mode.startswith(("I", "F")):  # Pillow would silently clip these to 8 bits
            raise DataError(f"expected 8 bits per channel, got more (mode {picture.mode}): save it with 8")
        before = picture.height, picture.width
        picture = ImageOps.exif_transpose(picture).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture)
    paper = ImageOps.fit(paper.convert(MODES[channels]), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(paper, np.float32).reshape(height, width, channels) / 255, before


def _open(path: Path):
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is stricter
        try:
            return Image.open(path, formats=FORMATS)
        except Image.DecompressionBombError:
            raise _too_large() from None


def _too_large() -> DataError:
    return DataError(f"expected at most {MAX_PIXELS:,} pixels, got more: resize it")
