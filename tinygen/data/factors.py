"""Images with known factors of variation: one coloured shape on black, with a kind, an area, a position and a hue.

The factors that a latent code should discover are known here, so "this direction means larger" can be measured.
"""

from dataclasses import dataclass

import numpy as np

from tinygen.errors import arguments

KINDS = ("circle", "square", "triangle")
AREAS = (0.03, 0.12)
POSITIONS = (0.31, 0.69)  # every shape fits: the tip of the largest triangle is 0.304 above its centroid
SUB_ROWS = 16  # scan lines in each row of pixels


@dataclass(frozen=True, eq=False)
class Factors:
    """The factors of N images; the side of an image has length 1, and y points down.

    Raises ValueError for arrays of different lengths, an unknown kind or a negative area.
    """

    kind: np.ndarray  # (N,) integers, indices into KINDS
    area: np.ndarray  # (N,) share of the image that the shape covers
    x: np.ndarray  # (N,) distance of the centroid from the left edge
    y: np.ndarray  # (N,) distance of the centroid from the top edge
    hue: np.ndarray  # (N,) in [0, 1): red 0, green 1/3, blue 2/3

    def __post_init__(self):
        shapes = {name: np.shape(array) for name, array in vars(self).items()}
        if len(set(shapes.values())) != 1 or len(shapes["kind"]) != 1:
            raise ValueError(f"Factors: expected five arrays of one shape (N,), got {shapes}")
        if not np.isin(self.kind, range(len(KINDS))).all():
            raise ValueError(f"Factors: expected kind to be in 0..2, indices into KINDS, got {np.unique(self.kind)}")
        if not np.all(np.asarray(self.area) >= 0):
            raise ValueError(f"Factors: expected area to be at least 0, got {np.min(self.area)}")

    def __len__(self) -> int:
        return len(self.kind)


def shapes(n: int, rng: np.random.Generator, *, size: int = 16) -> tuple[np.ndarray, Factors]:
    """Draw n images (n, size, size, 3), float32 in [0, 1], and their factors, which are independent and uniform."""
    arguments.whole("shapes", "n", n, least=0)
    arguments.generator("shapes", rng)
    factors = Factors(
        kind=rng.integers(len(KINDS), size=n),
        area=rng.uniform(*AREAS, n),
        x=rng.uniform(*POSITIONS, n),
        y=rng.uniform(*POSITIONS, n),
        hue=rng.uniform(0, 1, n),
    )
    return render_shapes(factors, size=size), factors


def render_shapes(factors: Factors, *, size: int = 16) -> np.ndarray:
    """The images (N, size, size, 3), float32 in [0, 1], with these factors; nothing is random.

    The brightness of a pixel is the share of it that the shape covers, so the mean over the pixels is the area.
    """
    arguments.whole("render_shapes", "size", size, least=1)
    coverage = np.zeros((len(factors), size, size))  # (N, H, W)
    left = np.arange(size) / size  # (W,) the left edges of the pixels
    x = np.asarray(factors.x)[:, None, None]
    for sub_row in range(SUB_ROWS):  # one scan line in each row of pixels; a loop keeps the memory at N·H·W
        y = (np.arange(size) + (sub_row + 0.5) / SUB_ROWS) / size  # (H,)
        half = _half_width(factors, y - np.asarray(factors.y)[:, None])[..., None]  # (N, H, 1)
        overlap = np.minimum(x + half, left + 1 / size) - np.maximum(x - half, left)  # (N, H, W)
        coverage += np.maximum(overlap, 0) * size / SUB_ROWS
    return (coverage[..., None] * _colour(factors.hue)[:, None, None, :]).astype(np.float32)


def _half_width(factors, dy):
    """Half the width of each shape at height dy below its centroid, (N, H)."""
    area, kind = np.asarray(factors.area)[:, None], np.asarray(factors.kind, np.int64)[:, None]
    circle = np.sqrt(np.maximum(area / np.pi - dy**2, 0))
    side = np.sqrt(area)
    square = np.where(np.abs(dy) <= side / 2, side / 2, 0)
    height = np.sqrt(np.sqrt(3) * area)  # of the equilateral triangle; its centroid is a third above the base
    below_tip = dy + 2 / 3 * height
    triangle = np.where((below_tip >= 0) & (below_tip <= height), below_tip / np.sqrt(3), 0)
    return np.choose(kind, [circle, square, triangle])


def _colour(hue):
    """The saturated colour of each hue, (N, 3): its strongest channel is 1, its weakest 0."""
    distance = np.abs((6 * np.asarray(hue)[:, None] + [0, 4, 2]) % 6 - 3)  # from the opposite hue, in sixths
    return np.clip(distance - 1, 0, 1)
