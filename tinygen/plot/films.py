"""Animated GIFs."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image  # comes with matplotlib

from tinygen.errors import arguments
from tinygen.io import files
from tinygen.plot.canvas import Picture, as_bytes, as_images


def save_gif(frames: np.ndarray | Sequence[Picture], path: str | Path, *, fps: float = 10.0) -> Path:
    """Write images (T, H, W, 1) or (T, H, W, 3), or pictures of one size, as a GIF that repeats; returns the path.

    `fps` is the mean number of frames per second, 0.01 to 50. Small images are enlarged to about 256 pixels, without
    interpolation. Raises ValueError for frames that can't be drawn, OSError if the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"save_gif: expected a path that ends in .gif, got {path.name!r}")
    fps = arguments.real("save_gif", "fps", fps, least=0.01, most=50)  # browsers slow down faster films
    pictures = [] if isinstance(frames, np.ndarray) else [each for each in frames if isinstance(each, Picture)]
    if len(pictures) == len(frames) and not isinstance(frames, np.ndarray):
        arrays = [picture.pixels() for picture in pictures]
    else:
        images = as_bytes("save_gif", np.asarray(frames))
        scale = max(1, 256 // max(images.shape[1:3]))
        arrays = list(images.repeat(scale, axis=1).repeat(scale, axis=2))
    sizes = {array.shape for array in arrays}
    if len(sizes) != 1:
        raise ValueError(f"save_gif: expected frames of one size, got {len(arrays)} frames of sizes {sorted(sizes)}")
    first, *rest = (Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array) for array in arrays)
    file, delays = io.BytesIO(), _delays(len(arrays), fps)
    try:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=delays, loop=0)
    except OverflowError as error:  # equal frames are merged; a delay has 16 bits
        raise ValueError(
            f"save_gif: expected equal frames for at most 655 seconds, got more at fps={fps:g}: raise fps"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, file.getvalue())
    return path


def _delays(count: int, fps: float) -> list[int]:
    """The duration of each frame in milliseconds; a GIF counts hundredths of a second.

    15 frames per second become 7, 6, 7, ... hundredths: each frame ends at most half a hundredth too early or late.
    """
    ends = np.rint(100 * np.arange(count + 1) / fps)
    return [10 * int(delay) for delay in np.diff(ends)]


def tiled(images: np.ndarray, *, columns: int) -> np.ndarray:
    """Images (N, H, W, C) as one image, row by row, with a white border of one pixel around each: a frame of a film."""
    images, columns = as_images("tiled", images), arguments.whole("tiled", "columns", columns, least=1)
    if len(images) % columns:
        raise ValueError(f"tiled: expected a multiple of {columns} images for {columns} columns, got {len(images)}")
    images = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    n, h, w, c = images.shape
    return images.reshape(n // columns, columns, h, w, c).swapaxes(1, 2).reshape(-1, columns * w, c)
