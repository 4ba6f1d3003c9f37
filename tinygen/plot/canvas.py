"""What all pictures share: a figure without pyplot, its colours and letters, its file, and the checks of images."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from tinygen.io import files

DPI = 144  # two pixels per point: sharp on a phone and in a notebook
MARGIN, HEADING = 24, 48  # pixels: around a sheet of images, and for its title
MOST = 20_000  # pixels a side
TEXT = 10  # points
INK, FAINT = "#222222", "#6b6b6b"
AS_IT_IS = {"parse_math": False, "usetex": False}  # of a text: a $ begins no formula
# Ten colours found by search to stay apart for every eye: the closest two are 0.16 apart in OKLab for normal vision,
# 0.12 under simulated protanopia, deuteranopia and tritanopia (the usual ten of plotting libraries: 0.01 to 0.06).
PALETTE = "#4961be #e5903a #771372 #1fa0a0 #b675f8 #40550f #9eb7e9 #937210 #40eeb8 #e3d112".split()


class Picture(Figure):
    """A matplotlib figure that draws itself without pyplot, so without a display; a notebook shows it as it is."""

    def __init__(self, width: int, height: int):  # pixels
        if max(width, height) > MOST:
            raise ValueError(f"expected a picture of at most {MOST} pixels a side, got {width} x {height}: show fewer")
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self)

    def pixels(self) -> np.ndarray:
        """The picture itself, (height, width, 3) uint8."""
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _repr_png_(self) -> bytes:
        return _png(self)


def save(picture: Figure, path: str | Path) -> Path:
    """Write a picture as PNG, making its folder if need be, and return the path. Raises OSError if the disk fails."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"save: a picture is written as .png, got {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, _png(picture))
    return path


def _png(picture: Figure) -> bytes:
    file = io.BytesIO()
    picture.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


# ---- texts and axes -------------------------------------------------------------------------------------------------


def plain(text: object) -> str:
    """A text that can be drawn: what is no character is escaped."""
    return "\n".join(map(files.printable, str(text).split("\n")))


def write(axes: Axes, x: float, y: float, text: object, **style) -> None:
    """A text on axes, as it is."""
    axes.text(x, y, plain(text), **AS_IT_IS, **style)


def text_width(text: object, size: float = TEXT) -> int:
    """The width of a text in pixels."""
    letters = plain(text).replace("$", "S")  # as wide, and no formula
    return math.ceil(TextPath((0, 0), letters, size=size).get_extents().width * DPI / 72) if letters else 0


def blank(width: int, height: int, title: str) -> Axes:
    """Axes that fill a picture and count its pixels, y downwards."""
    width = max(width, 2 * MARGIN + text_width(title, size=TEXT + 2))
    axes = Picture(width, height).add_axes((0, 0, 1, 1), autoscale_on=False, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    write(axes, MARGIN, MARGIN, title, size=TEXT + 2, color=INK, va="top")
    return axes


def named_axes(title: str, xlabel: str, ylabel: str, *, height: int, width: int = 960) -> Axes:
    """Axes for points or curves."""
    picture = Picture(width, height)
    picture.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    axes = picture.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
    axes.set_title(plain(title), loc="left", size=TEXT + 2, color=INK, pad=12, **AS_IT_IS)
    axes.set_xlabel(plain(xlabel), size=TEXT, color=INK, **AS_IT_IS)
    axes.set_ylabel(plain(ylabel), size=TEXT, color=INK, **AS_IT_IS)
    return axes


# ---- images ---------------------------------------------------------------------------------------------------------


def as_images(name: str, images: np.ndarray, *, channels: tuple[int, ...] = (1, 3)) -> np.ndarray:
    """Finite images, at least one."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in channels or not images.size:
        wanted = " or ".join(f"(N, H, W, {c})" for c in channels)
        raise ValueError(f"{name}: expects images {wanted}, got {images.shape}; images[..., None] adds the last axis")
    if not np.isfinite(images).all():
        raise ValueError(f"{name}: the images hold NaN or infinity")
    return images


def as_bytes(name: str, images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as whole numbers 0 to 255, so that no colour map rounds them."""
    images = as_images(name, images)
    low, high = images.min(), images.max()
    if low < -1e-6 or high > 1 + 1e-6:  # as far as rounding goes
        raise ValueError(
            f"{name}: pixels must lie in [0, 1], got [{low:.4g}, {high:.4g}]; divide by 255, or np.clip(images, 0, 1)"
        )
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
