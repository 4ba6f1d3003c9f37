"""GIFs: frames one after the other, each in its time."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image  # comes with matplotlib

from tinygen.errors import arguments
from tinygen.io import files
from tinygen.plot.canvas import Picture, as_bytes, as_images


def save_gif(frames: np.ndarray | Sequence[Picture], path: str | Path, *, fps: float = 10.0) -> Path:
    """Write frames as a GIF that repeats: images (T, H, W, 1) or (T, H, W, 3), or pictures of one size.

    `fps` is the mean number of frames a second, 0.01 to 50. Small images are enlarged, pixel by block, to about 256
    pixels. Raises ValueError for frames that can't be drawn, OSError if the disk fails.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"save_gif: expected a path that ends in .gif, got {path.name!r}")
    fps = arguments.real("save_gif", "fps", fps, least=0.01, most=50)  # browsers slow down what is faster
    frames = frames if isinstance(frames, np.ndarray) else list(frames)
    if isinstance(frames, np.ndarray) or not all(isinstance(frame, Picture) for frame in frames):
        images = as_bytes("save_gif", frames)
        scale = max(1, 256 // max(images.shape[1:3]))
        arrays = list(images.repeat(scale, axis=1).repeat(scale, axis=2))
    else:
        arrays = [picture.pixels() for picture in frames]
    sizes = {array.shape for array in arrays}
    if len(sizes) != 1:
        raise ValueError(f"save_gif: expects frames of one size, got {len(arrays)} frames of sizes {sorted(sizes)}")
    first, *rest = (Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array) for array in arrays)
    file, delays = io.BytesIO(), _delays(len(arrays), fps)
    try:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=delays, loop=0)
    except OverflowError as error:  # equal frames become one, whose delay is a number of 16 bits
        raise ValueError(f"save_gif: expected no still of more than 655 seconds, at fps={fps:g}: raise fps") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, file.getvalue())
    return path


def _delays(count: int, fps: float) -> list[int]:
    """How long each frame stays, in milliseconds. A GIF counts hundredths: each frame ends at the nearest one.

    So 15 frames a second are 7, 6, 7, ... hundredths, and the film has its right length to half of one.
    """
    ends = np.rint(100 * np.arange(count + 1) / fps)
    return [10 * int(delay) for delay in np.diff(ends)]


def tiled(images: np.ndarray, *, columns: int) -> np.ndarray:
    """Images (N, H, W, C) as one, row by row with a white line around each: a frame of a film."""
    images, columns = as_images("tiled", images), arguments.whole("tiled", "columns", columns, least=1)
    if len(images) % columns:
        raise ValueError(f"tiled: {len(images)} images don't fill rows of {columns}")
    images = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    n, h, w, c = images.shape
    return images.reshape(n // columns, columns, h, w, c).swapaxes(1, 2).reshape(-1, columns * w, c)
