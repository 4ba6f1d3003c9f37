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
    images: np.ndarray,
    *,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    title: str = "",
) -> Picture:
    """Images in a grid, row by row.

    Args:
        images: (N, H, W, 1) or (N, H, W, 3) in [0, 1].
        columns: number of columns; by default the grid is about square.
        titles: a text above each image; fewer texts are for the images of the first row.
        row_titles: a text at the left of each row.
        title: a text above the grid.

    Returns a `Picture`. Raises ValueError for other images, or another number of titles.

    >>> from tinygen import plot
    >>> plot.image_grid(np.zeros((6, 8, 8, 1)), columns=3, title="Six images")
    <Picture ...>
    """
    images = as_bytes("image_grid", images)
    grid = _Grid(images.shape, columns)
    count = {len(images), grid.columns} if titles is not None else {0}
    if len(titles or ()) not in count:
        raise ValueError(f"image_grid: expected {len(images)} titles for {len(images)} images, got {len(titles or ())}")
    if row_titles is not None and len(row_titles) != grid.rows:
        raise ValueError(f"image_grid: expected {grid.rows} titles for {grid.rows} rows, got {len(row_titles)}")
    above = 32 if titles else 0
    if len(titles or ()) == len(images):
        grid = _Grid(images.shape, columns, room=above)
        above = 0
    left = MARGIN + (max(map(text_width, row_titles)) + 20 if row_titles else 0)
    top = MARGIN + HEADING * bool(title) + above
    picture, axes = blank(left + grid.width + MARGIN, top + grid.height + MARGIN, title)
    grid.draw(axes, images, left, top)
    corners = grid.corners(left, top)
    for (x, y), name in zip(corners, titles or ()):
        write(axes, x + grid.image[1] / 2, y - 6, name, size=TEXT - 1, color=INK, ha="center")
    for (x, y), name in zip(corners[:: grid.columns], row_titles or ()):
        write(axes, x - 20, y + grid.image[0] / 2, name, size=TEXT, color=INK, ha="right", va="center")
    return picture


def reconstructions(
    originals: np.ndarray, reconstructed: np.ndarray | Mapping[str, np.ndarray], *, title: str = "", width: int = 960
) -> Picture:
    """A row of originals above rows of reconstructions.

    Args:
        originals: (N, H, W, 1) or (N, H, W, 3) in [0, 1].
        reconstructed: images of the same shape; or a dict from labels to such images, one row each.
        title: a text above the rows.
        width: about that of the images of a row, in pixels; the labels keep their size.

    Returns a `Picture`. Raises ValueError for other images, or other shapes.

    >>> from tinygen import plot
    >>> images = np.zeros((4, 8, 8, 1))
    >>> plot.reconstructions(images, {"PCA": images, "autoencoder": images})
    <Picture ...>
    """
    width = arguments.whole("reconstructions", "width", width, least=100)
    if not isinstance(reconstructed, Mapping):
        reconstructed = {"reconstruction": reconstructed}
    return _rows("reconstructions", {"original": originals, **reconstructed}, title, width)


def image_rows(rows: Mapping[str, np.ndarray], *, title: str = "") -> Picture:
    """One row of images (N, H, W, C) for each entry `label: images`, with the labels on the left."""
    if not rows:
        raise ValueError("image_rows: expected at least one row, got none: write {'t = 0': images}")
    return _rows("image_rows", rows, title)


def _rows(who: str, rows: Mapping[str, np.ndarray], title: str, width: int = 960) -> Picture:
    rows = {label: as_bytes(who, images) for label, images in rows.items()}
    shape = next(iter(rows.values())).shape
    for label, images in rows.items():
        if images.shape != shape:
            raise ValueError(f"{who}: expected {shape} for {label!r}, got {images.shape}")
    n = len(next(iter(rows.values())))
    grid = _Grid((n * len(rows), *shape[1:]), columns=n, width=width)
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
        self.columns, self.rows = columns, rows
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
