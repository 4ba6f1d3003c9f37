"""One picture of all families beside real digits, `tour.png`, for the first page of the documentation."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch

from tinygen import plot
from tinygen.data import Dataset
from tour_families.family import Family

GROUND, FAINT = "#10131a", "#9aa3b2"
COLOURS = "#ffffff", "#ffd477", "#93b7ff", "#ff9d85", "#7be0c0"
COLUMNS, ROWS = 5, 6
SIDE, GAP = 56, 6  # pixels: of an image, and between two
MARGIN, HEADING = 44, 92  # pixels: around the blocks, and above them for their names


def draw(digits: Dataset, families: list[Family]) -> plot.Picture:
    """Thirty test digits, then thirty images of each family, each in a colour of its own on a dark ground."""
    blocks = [("real digits", "test images", digits.test_images)]
    blocks += [
        (family.name, "samples" if family.samples is not None else "reconstructions", family.shown)
        for family in families
    ]
    width, height = (count * (SIDE + GAP) - GAP for count in (COLUMNS, ROWS))
    size = (len(blocks) * (width + MARGIN) + MARGIN, HEADING + height + MARGIN)
    picture = plot.Picture(*size)
    picture.set_facecolor("none")  # outside the rounded corners
    axes = picture.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0))
    axes.set_axis_off()
    axes.add_patch(
        FancyBboxPatch((24, 24), size[0] - 48, size[1] - 48, boxstyle="round,pad=24", color=GROUND, lw=0, zorder=-1)
    )
    for i, ((name, what, images), colour) in enumerate(zip(blocks, COLOURS)):
        left = MARGIN + i * (width + MARGIN)
        axes.text(left, 44, name, size=13, weight="bold", color=colour, va="center")
        axes.text(left, 72, what, size=9, color=FAINT, va="center")
        for k, image in enumerate(images[: COLUMNS * ROWS]):
            row, column = divmod(k, COLUMNS)
            x, y = left + column * (SIDE + GAP), HEADING + row * (SIDE + GAP)
            axes.imshow(tinted(image, colour), extent=(x, x + SIDE, y + SIDE, y), interpolation="nearest")
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="auto")
    return picture


def tinted(image: np.ndarray, colour: str) -> np.ndarray:
    """A grey image (H, W, 1) between the ground and a colour; images with colours stay as they are."""
    if image.shape[-1] == 3:
        return image
    low, high = np.array(to_rgb(GROUND)), np.array(to_rgb(colour))
    return low + np.clip(image, 0, 1) * (high - low)
