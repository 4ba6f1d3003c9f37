"""Films: a player as one HTML file, and animated GIFs."""

import io
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image  # comes with matplotlib

from tinygen.errors import arguments
from tinygen.io import files
from tinygen.plot import html, player
from tinygen.plot.canvas import as_images, plain
from tinygen.plot.frames import Frames, as_frames, as_png

SHOWN = 360  # CSS pixels: smaller images are enlarged to about this size
ENLARGED = 256  # pixels: the same for a GIF


def film(frames: Frames, *, fps: float = 10.0, captions: Sequence[str] | None = None, title: str = "") -> "Film":
    """A film with a player: play, pause, a slider, keys; a notebook shows it, and `save` writes one HTML file.

    Args:
        frames: images in [0, 1], an array (T, H, W, 1) or (T, H, W, 3) or several (H, W, 1 or 3), which are shown
            without interpolation, or figures of matplotlib of one size. A generator may change one figure and yield it
            again: each is drawn before the next is asked for.
        fps: number of frames per second, 0.01 to 50.
        captions: one text per frame, shown below it.
        title: a text above the film.

    Returns a `Film`. Raises ValueError for frames or captions that can't be shown.

    >>> import numpy as np
    >>> from tinygen import plot
    >>> brighter = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 8, 8, 1))
    >>> plot.film(brighter, fps=4, captions=[f"step {i}" for i in range(5)], title="Brighter")
    Film(5 frames of 8 x 8, fps=4, 'Brighter')
    """
    fps = arguments.real("film", "fps", fps, least=0.01, most=50)  # browsers don't keep up with faster films
    if isinstance(captions, str):
        raise TypeError("film: expected captions to be a list of texts, got one text: write one for each frame")
    texts = None if captions is None else [plain(text) for text in captions]
    images, figures = as_frames("film", frames)
    if texts is not None and len(texts) != len(images):
        raise ValueError(f"film: expected {len(images)} captions for {len(images)} frames, got {len(texts)}")
    return Film(images, fps=fps, captions=texts or [], title=plain(title), figures=figures)


class Film:
    """Frames with their speed and captions; `film` makes one.

    `frames` are the images, (T, H, W, 1 or 3) uint8.
    """

    def __init__(self, frames: np.ndarray, *, fps: float, captions: Sequence[str], title: str, figures: bool):
        self.frames, self.fps, self.captions, self.title = frames, fps, list(captions), title
        self._figures = figures  # which are never enlarged

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        _, h, w, _ = self.frames.shape
        title = f", {self.title!r}" if self.title else ""
        return f"Film({len(self)} frames of {w} x {h}, fps={self.fps:g}{title})"

    def save(self, path: str | Path) -> Path:
        """Write the film with its player as one HTML file that loads nothing, and return the path.

        Raises ValueError for another suffix, OSError if the file can't be written.
        """
        path = checked_path("Film.save", path, ".html")
        files.replace(path, html.document(self.fragment(), title=self.title or "Film").encode())
        return path

    def save_gif(self, path: str | Path) -> Path:
        """Write the film as a GIF that repeats, without captions, and return the path.

        Small images are enlarged to about 256 pixels. Raises ValueError for another suffix, OSError if the file can't
        be written.
        """
        path = checked_path("save_gif", path, ".gif")
        scale = 1 if self._figures else max(1, ENLARGED // max(self.frames.shape[1:3]))
        frames = self.frames.repeat(scale, axis=1).repeat(scale, axis=2)
        first, *rest = (Image.fromarray(frame.squeeze(-1) if frame.shape[-1] == 1 else frame) for frame in frames)
        file, delays = io.BytesIO(), _delays(len(frames), self.fps)
        try:
            first.save(file, "GIF", save_all=True, append_images=rest, duration=delays, loop=0)
        except OverflowError as error:  # equal frames are merged; a delay has 16 bits
            expected = "equal frames for at most 655 seconds"
            raise ValueError(f"save_gif: expected {expected}, got more at fps={self.fps:g}: raise fps") from error
        files.replace(path, file.getvalue())
        return path

    def fragment(self, alt: str = "") -> html.Fragment:
        """The player as a part of a page with several.

        `alt` describes the film to readers who can't see it; by default it is the title.
        """
        return player.figure(
            self._png,
            size=self._size,
            blocky=not self._figures,
            fps=self.fps,
            captions=self.captions,
            title=self.title,
            alt=alt or self.title or "film",
        )

    def _repr_html_(self) -> str:
        width, height = self._size
        size = f"calc({100 * height / width:.4g}% + {player.extra(self.captions, self.title)}px)"
        return html.inline(self.fragment(), title=self.title or "film", width=width, height=size)

    def _repr_png_(self) -> bytes:
        return self._png[-1]  # for viewers of notebooks that show no HTML

    @cached_property
    def _png(self) -> list[bytes]:
        return as_png(self.frames)

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height in CSS pixels."""
        _, h, w, _ = self.frames.shape
        scale = 1 if self._figures else max(1, SHOWN // max(h, w))
        return scale * w, scale * h


def save_gif(frames: Frames, path: str | Path, *, fps: float = 10.0) -> Path:
    """Write images (T, H, W, 1) or (T, H, W, 3), or figures of one size, as a GIF that repeats; returns the path.

    `fps` is the mean number of frames per second, 0.01 to 50. Small images are enlarged to about 256 pixels, without
    interpolation. Raises ValueError for frames that can't be drawn, OSError if the file can't be written.
    """
    path = checked_path("save_gif", path, ".gif", make=False)
    fps = arguments.real("save_gif", "fps", fps, least=0.01, most=50)  # browsers slow down faster films
    images, figures = as_frames("save_gif", frames)
    return Film(images, fps=fps, captions=[], title="", figures=figures).save_gif(path)


def checked_path(who: str, path: str | Path, suffix: str, *, make: bool = True) -> Path:
    """The path, whose folder exists; ValueError for another suffix."""
    path = Path(path)
    if path.suffix.lower() != suffix:
        raise ValueError(f"{who}: expected a path that ends in {suffix}, got {path.name!r}")
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
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
