"""Grids of images, reconstructions below their originals, and pairs of grids of filters."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tinygen.errors import arguments
from tinygen.plot.canvas import (
    FAINT,
    HEADING,
    INK,
    MARGIN,
    TEXT,
    Picture,
    as_bytes,
    as_images,
    blank,
    text_width,
    write,
)


def image_grid(
    images: np.ndarray, *, columns: int | None = None, titles: Sequence[str] | None = None, title: str = ""
) -> Picture:
    """Images (N, H, W, C) in a grid, row by row, with `titles` above each; without `columns` it is about square."""
    images = as_bytes("image_grid", images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"image_grid: expected {len(images)} titles for {len(images)} images, got {len(titles)}")
    grid = _Grid(images.shape, columns, room=0 if titles is None else 32)
    top = MARGIN + HEADING * bool(title)
    picture, axes = blank(grid.width + 2 * MARGIN, top + grid.height + MARGIN, title)
    grid.draw(axes, images, MARGIN, top)
    for (x, y), name in zip(grid.corners(MARGIN, top), titles or ()):
        write(axes, x + grid.image[1] / 2, y - 6, name, size=TEXT - 1, color=INK, ha="center")
    return picture


def reconstructions(
    originals: np.ndarray, reconstructed: np.ndarray | Mapping[str, np.ndarray], *, title: str = ""
) -> Picture:
    """A row of originals (N, H, W, C) above a row of reconstructions; a dict `label: images` makes one row each."""
    if not isinstance(reconstructed, Mapping):
        reconstructed = {"reconstruction": reconstructed}
    rows = {"original": originals, **reconstructed}
    rows = {label: as_bytes("reconstructions", images) for label, images in rows.items()}
    for label, images in rows.items():
        if images.shape != rows["original"].shape:
            raise ValueError(f"reconstructions: expected {rows['original'].shape} for {label!r}, got {images.shape}")
    n = len(rows["original"])
    grid = _Grid((n * len(rows), *rows["original"].shape[1:]), columns=n)
    left, top = MARGIN + max(map(text_width, rows)) + 20, MARGIN + HEADING * bool(title)
    picture, axes = blank(left + grid.width + MARGIN, top + grid.height + MARGIN, title)
    grid.draw(axes, np.concatenate(list(rows.values())), left, top)
    for (x, y), label in zip(grid.corners(left, top)[::n], rows):
        write(axes, x - 20, y + grid.image[0] / 2, label, size=TEXT, color=INK, ha="right", va="center")
    return picture


def images_pair(
    left: np.ndarray, right: np.ndarray, *, titles: tuple[str, str], columns: int | None = None, title: str = ""
) -> Picture:
    """Two grids of signed images (N, H, W, 1), such as filters and principal components, with one colour scale.

    Negative values are blue, zero is white, positive values are red; the scale ends at the largest absolute value.
    """
    left, right = (as_images("images_pair", images, channels=(1,)) for images in (left, right))
    if left.shape != right.shape:
        raise ValueError(f"images_pair: expected two arrays of one shape, got {left.shape} and {right.shape}")
    limit = float(max(np.abs(left).max(), np.abs(right).max())) or 1.0
    colours: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    grid = _Grid(left.shape, columns, width=520)
    step = max(grid.width, *map(text_width, titles)) + 48
    top = MARGIN + HEADING * bool(title) + 36
    picture, axes = blank(2 * step - 48 + 2 * MARGIN, top + grid.height + 84, title)
    for x, name, images in zip((MARGIN, MARGIN + step), titles, (left, right)):
        write(axes, x, top - 12, name, size=TEXT, color=INK)
        grid.draw(axes, images, x, top, **colours)
    bar = top + grid.height + 28
    axes.imshow(np.linspace(-limit, limit, 256)[None], extent=(MARGIN, MARGIN + 256, bar + 16, bar), **colours)
    for x, value, side in ((0, -limit, "left"), (128, 0, "center"), (256, limit, "right")):
        write(
            axes, MARGIN + x, bar + 22, f"{value:.2g}".replace("-", "−"), size=TEXT - 2, color=FAINT, ha=side, va="top"
        )
    return picture


class _Grid:
    """The positions of the images of a grid in pixels; a pixel of an image becomes a block of `scale` x `scale`."""

    def __init__(self, shape: tuple[int, ...], columns: int | None, *, width: int = 960, room: int = 0):
        n, h, w, _ = shape
        if columns is not None:
            columns = arguments.whole("a grid of images", "columns", columns, least=1)
        columns = min(n, columns or math.ceil(math.sqrt(n)))
        rows = math.ceil(n / columns)
        scale = max(1, round(min(width / columns, 144) / max(h, w)))
        gap = max(2, round(0.08 * scale * max(h, w)))
        self.image = (scale * h, scale * w)
        self.places = [divmod(i, columns) for i in range(n)]
        self.pitch = (self.image[0] + gap + room, self.image[1] + gap)
        self.room = room  # pixels for a title above each image
        self.width, self.height = columns * self.pitch[1] - gap, rows * self.pitch[0] - gap

    def corners(self, left: int, top: int) -> list[tuple[int, int]]:
        """The upper left corner (x, y) of each image, if that of the grid is (left, top)."""
        return [(left + column * self.pitch[1], top + row * self.pitch[0] + self.room) for row, column in self.places]

    def draw(self, axes: Axes, images: np.ndarray, left: int, top: int, **colours: Any) -> None:
        h, w = self.image
        for image, (x, y) in zip(images, self.corners(left, top)):
            if not colours:  # grey or RGB values
                image = np.broadcast_to(image, (*image.shape[:2], 3))
            axes.imshow(image, extent=(x, x + w, y + h, y), interpolation="nearest", **colours)
