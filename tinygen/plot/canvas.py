"""What all pictures share: a figure without pyplot, colours, texts and axes, PNG files, checks of images."""

import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from tinygen.io import files

DPI = 144  # dots per inch, two per point: sharp on a phone and in a notebook
MARGIN, HEADING = 24, 48  # pixels: around the images, and for the title
MOST = 20_000  # pixels: the largest width and height
TEXT = 10  # font size in points
INK, FAINT = "#222222", "#6b6b6b"
LITERAL: dict[str, Any] = {"parse_math": False, "usetex": False}  # for a text: "$x$" is not a formula
# Ten colours found by search so that they can be distinguished with any kind of colour vision: the closest two have a
# distance of 0.16 in OKLab, and 0.12 under simulated protanopia, deuteranopia and tritanopia (the default colours of
# plotting libraries: 0.01 to 0.06).
PALETTE = "#4961be #e5903a #771372 #1fa0a0 #b675f8 #40550f #9eb7e9 #937210 #40eeb8 #e3d112".split()


class Picture(Figure):
    """A matplotlib figure that needs no pyplot and no display; a notebook shows it."""

    def __init__(self, width: int, height: int):  # pixels
        if max(width, height) > MOST:
            raise ValueError(
                f"expected a picture of at most {MOST} x {MOST} pixels, got {width} x {height}: show fewer images"
            )
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self._agg = FigureCanvasAgg(self)

    def pixels(self) -> np.ndarray:
        """The pixels of the picture, (height, width, 3) uint8."""
        self._agg.draw()
        return np.asarray(self._agg.buffer_rgba())[..., :3].copy()

    def _repr_png_(self) -> bytes:
        return _png(self)


def save(picture: Figure, path: str | Path) -> Path:
    """Write a picture as PNG or SVG, create its folder if necessary, and return the path. Raises OSError if that fails.

    The same picture gives the same bytes. An SVG has letters as shapes, so it looks the same without any font.
    """
    path = Path(path)
    content = {".png": _png, ".svg": _svg}.get(path.suffix.lower())
    if content is None:
        raise ValueError(f"save: expected a path that ends in .png or .svg, got {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, content(picture))
    return path


def _png(picture: Figure) -> bytes:
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _svg(picture: Figure) -> bytes:
    """Without a date and with names that depend on nothing; as large as the PNG, in pixels instead of points."""
    file = io.BytesIO()
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "tinygen"}):
        picture.savefig(file, format="svg", metadata={"Date": None})
    width, height = (round(DPI * inches) for inches in picture.get_size_inches())
    text = re.sub(
        r'width="[\d.]+pt" height="[\d.]+pt"', f'width="{width}" height="{height}"', file.getvalue().decode(), count=1
    )
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines()).encode()


# -- texts and axes ----------------------------------------------------------------------------------------------------


def plain(text: object) -> str:
    """A text that can be drawn: undecodable bytes and control characters are escaped."""
    return "\n".join(map(files.printable, str(text).split("\n")))


def write(axes: Axes, x: float, y: float, text: object, **style: Any) -> None:
    """Draw a text literally."""
    axes.text(x, y, plain(text), **LITERAL, **style)


def text_width(text: object, size: float = TEXT) -> int:
    """The width of a text in pixels."""
    letters = plain(text).replace("$", "S")  # of the same width, but never a formula
    return math.ceil(TextPath((0, 0), letters, size=size).get_extents().width * DPI / 72) if letters else 0


def blank(width: int, height: int, title: str) -> tuple[Picture, Axes]:
    """Axes that fill a new picture, in pixels from its upper left corner, with the title."""
    width = max(width, 2 * MARGIN + text_width(title, size=TEXT + 2))
    picture = Picture(width, height)
    axes = picture.add_axes((0, 0, 1, 1), autoscale_on=False, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    write(axes, MARGIN, MARGIN, title, size=TEXT + 2, color=INK, va="top")
    return picture, axes


def named_axes(title: str, xlabel: str, ylabel: str, *, height: int, width: int = 960) -> tuple[Picture, Axes]:
    """Axes in a new picture for points or curves, with the title and the names of the axes."""
    picture = Picture(width, height)
    picture.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    axes = picture.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
    axes.set_title(plain(title), loc="left", size=TEXT + 2, color=INK, pad=12, **LITERAL)
    axes.set_xlabel(plain(xlabel), size=TEXT, color=INK, **LITERAL)
    axes.set_ylabel(plain(ylabel), size=TEXT, color=INK, **LITERAL)
    return picture, axes


# -- checks of images --------------------------------------------------------------------------------------------------


def as_images(name: str, images: np.ndarray, *, channels: tuple[int, ...] = (1, 3)) -> np.ndarray:
    """The images as an array; ValueError unless there is at least one, and all are finite."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in channels or not images.size:
        wanted = " or ".join(f"(N, H, W, {c})" for c in channels)
        raise ValueError(f"{name}: expected images {wanted}, got {images.shape}: images[..., None] adds the last axis")
    if not np.isfinite(images).all():
        raise ValueError(f"{name}: expected finite images, got NaN or infinity: replace them, e.g. by np.nan_to_num")
    return images


def as_bytes(name: str, images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as uint8, so that no colour map rounds them."""
    images = as_images(name, images)
    low, high = images.min(), images.max()
    if low < -1e-6 or high > 1 + 1e-6:  # allows rounding errors
        raise ValueError(
            f"{name}: expected pixels in [0, 1], got [{low:.4g}, {high:.4g}]: divide by 255, or np.clip(images, 0, 1)"
        )
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
