"""Pictures of a run: image grids, reconstructions, signed filters, latent maps, loss curves, GIFs.

The only file that imports matplotlib, and never pyplot: no global state, no display. Arrays in, a `Picture` out, which
`save` writes. Images are (N, H, W, 1) or (N, H, W, 3) in [0, 1]; each of their pixels becomes a square block of the
picture, nothing is blurred.
"""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image  # comes with matplotlib

from tinygen.files import replacing

DPI = 144  # two pixels per point: sharp on a phone and in a notebook
MARGIN, HEADING = 24, 48  # pixels: around a sheet of images, and for its title
TEXT = 10  # points
INK, FAINT = "#222222", "#6b6b6b"
# Ten colours found by search to stay apart for every eye: the closest two are 0.16 apart in OKLab for normal vision,
# 0.12 under simulated protanopia, deuteranopia and tritanopia (the usual ten of plotting libraries: 0.01 to 0.06).
PALETTE = "#4961be #e5903a #771372 #1fa0a0 #b675f8 #40550f #9eb7e9 #937210 #40eeb8 #e3d112".split()

Curve = Sequence[float] | np.ndarray


class Picture(Figure):
    """A matplotlib figure that draws itself without pyplot; a notebook shows it as it stands."""

    def __init__(self, width: int, height: int):  # pixels
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self)

    def pixels(self) -> np.ndarray:
        """The picture itself, (height, width, 3) uint8."""
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()


def save(picture: Figure, path: str | Path) -> Path:
    """Write a picture as PNG, making its folder if need be, and return the path."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"save: a picture is written as .png, got {path.name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        picture.savefig(file, format="png", dpi=DPI)
    return path


def save_gif(frames: np.ndarray | Sequence[Picture], path: str | Path, *, fps: float = 10.0) -> Path:
    """Write frames as a GIF that repeats: images (T, H, W, 1) or (T, H, W, 3), or pictures of one size.

    Small images are enlarged, pixel by block, to about 256 pixels.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif" or not 0 < fps <= 50:  # browsers slow down what is faster
        raise ValueError(f"save_gif: expects a path ending in .gif and 0 < fps <= 50, got {path.name!r} and {fps}")
    if isinstance(frames, np.ndarray):
        frames = _bytes("save_gif", frames)
        scale = max(1, 256 // max(frames.shape[1:3]))
        frames = list(frames.repeat(scale, axis=1).repeat(scale, axis=2))
    else:
        frames = [picture.pixels() for picture in frames]
    sizes = {frame.shape for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"save_gif: expects frames of one size, got {len(frames)} frames of sizes {sorted(sizes)}")
    first, *rest = (Image.fromarray(frame.squeeze(-1) if frame.shape[-1] == 1 else frame) for frame in frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=1000 / fps, loop=0)
    return path


# ---- sheets of images ----------------------------------------------------------------------------------------------


def image_grid(
    images: np.ndarray, *, columns: int | None = None, titles: Sequence[str] | None = None, title: str = ""
) -> Picture:
    """Images row by row; `titles` stand above the single images. Without `columns` the grid is about square."""
    images = _bytes("image_grid", images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"image_grid: {len(images)} images need as many titles, got {len(titles)}")
    sheet = _Sheet(images.shape, columns, room=0 if titles is None else 32)
    top = MARGIN + HEADING * bool(title)
    axes = _canvas(sheet.width + 2 * MARGIN, top + sheet.height + MARGIN, title)
    sheet.draw(axes, images, MARGIN, top)
    for (x, y), name in zip(sheet.corners(MARGIN, top), titles or ()):
        axes.text(x + sheet.image[1] / 2, y - 6, name, size=TEXT - 1, color=INK, ha="center")
    return axes.figure


def tiled(images: np.ndarray, *, columns: int) -> np.ndarray:
    """Images (N, H, W, C) as one, row by row with a white line around each: a frame of a film."""
    if len(images) % columns:
        raise ValueError(f"tiled: {len(images)} images don't fill rows of {columns}")
    images = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    n, h, w, c = images.shape
    return images.reshape(n // columns, columns, h, w, c).swapaxes(1, 2).reshape(-1, columns * w, c)


def reconstructions(
    originals: np.ndarray, reconstructed: np.ndarray | Mapping[str, np.ndarray], *, title: str = ""
) -> Picture:
    """A row of originals above a row of reconstructions; a dict `label: images` gives one labelled row each."""
    if not isinstance(reconstructed, Mapping):
        reconstructed = {"reconstruction": reconstructed}
    rows = {"original": originals, **reconstructed}
    rows = {label: _bytes("reconstructions", images) for label, images in rows.items()}
    for label, images in rows.items():
        if images.shape != rows["original"].shape:
            raise ValueError(f"reconstructions: originals {rows['original'].shape}, but {label!r} {images.shape}")
    n = len(rows["original"])
    sheet = _Sheet((n * len(rows), *rows["original"].shape[1:]), columns=n)
    left, top = MARGIN + max(map(_text_width, rows)) + 20, MARGIN + HEADING * bool(title)
    axes = _canvas(left + sheet.width + MARGIN, top + sheet.height + MARGIN, title)
    sheet.draw(axes, np.concatenate(list(rows.values())), left, top)
    for (x, y), label in zip(sheet.corners(left, top)[::n], rows):
        axes.text(x - 20, y + sheet.image[0] / 2, label, size=TEXT, color=INK, ha="right", va="center")
    return axes.figure


def images_pair(
    left: np.ndarray, right: np.ndarray, *, titles: tuple[str, str], columns: int | None = None, title: str = ""
) -> Picture:
    """Two grids of signed images (N, H, W, 1), such as filters and principal components, on one scale of colour.

    Blue is negative, near white is zero, red is positive; the scale ends at the largest absolute value of either grid.
    """
    left, right = (_images("images_pair", images, channels=(1,)) for images in (left, right))
    if left.shape != right.shape:
        raise ValueError(f"images_pair: both grids must have one shape, got {left.shape} and {right.shape}")
    limit = float(max(np.abs(left).max(), np.abs(right).max())) or 1.0
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    sheet = _Sheet(left.shape, columns, width=520)
    step = max(sheet.width, *map(_text_width, titles)) + 48
    top = MARGIN + HEADING * bool(title) + 36
    axes = _canvas(2 * step - 48 + 2 * MARGIN, top + sheet.height + 84, title)
    for x, name, images in zip((MARGIN, MARGIN + step), titles, (left, right)):
        axes.text(x, top - 12, name, size=TEXT, color=INK)
        sheet.draw(axes, images, x, top, **colours)
    bar = top + sheet.height + 28
    axes.imshow(np.linspace(-limit, limit, 256)[None], extent=(MARGIN, MARGIN + 256, bar + 16, bar), **colours)
    for x, value, side in ((0, -limit, "left"), (128, 0, "center"), (256, limit, "right")):
        axes.text(MARGIN + x, bar + 22, f"{value:.2g}".replace("-", "−"), size=TEXT - 2, color=FAINT, ha=side, va="top")
    return axes.figure


class _Sheet:
    """Where the images of a grid go, in whole pixels: `scale` of them for one of an image's, `gap` between images."""

    def __init__(self, shape: tuple[int, ...], columns: int | None, *, width: int = 960, room: int = 0):
        n, h, w, _ = shape
        if columns is not None and columns < 1:
            raise ValueError(f"a grid needs at least one column, got {columns}")
        columns = min(n, columns or math.ceil(math.sqrt(n)))
        rows = math.ceil(n / columns)
        scale = max(1, round(min(width / columns, 144) / max(h, w)))
        gap = max(2, round(0.08 * scale * max(h, w)))
        self.image = (scale * h, scale * w)
        self.places = [divmod(i, columns) for i in range(n)]
        self.pitch = (self.image[0] + gap + room, self.image[1] + gap)
        self.room = room  # for a title above each image
        self.width, self.height = columns * self.pitch[1] - gap, rows * self.pitch[0] - gap

    def corners(self, left: int, top: int) -> list[tuple[int, int]]:
        """The upper left corner (x, y) of each image, on a sheet whose own is (left, top)."""
        return [(left + column * self.pitch[1], top + row * self.pitch[0] + self.room) for row, column in self.places]

    def draw(self, axes: Axes, images: np.ndarray, left: int, top: int, **colours) -> None:
        h, w = self.image
        for image, (x, y) in zip(images, self.corners(left, top)):
            if not colours:  # grey levels or colours as they stand
                image = np.broadcast_to(image, (*image.shape[:2], 3))
            axes.imshow(image, extent=(x, x + w, y + h, y), interpolation="nearest", **colours)


def _canvas(width: int, height: int, title: str) -> Axes:
    """Axes that fill a picture and count its pixels, y downwards."""
    width = max(width, 2 * MARGIN + _text_width(title, size=TEXT + 2))
    axes = Picture(width, height).add_axes((0, 0, 1, 1), autoscale_on=False, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(MARGIN, MARGIN, title, size=TEXT + 2, color=INK, va="top")
    return axes


def _text_width(text: str, size: float = TEXT) -> int:
    return math.ceil(TextPath((0, 0), text, size=size).get_extents().width * DPI / 72) if text else 0


def _images(name: str, images: np.ndarray, *, channels: tuple[int, ...] = (1, 3)) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in channels or not images.size:
        wanted = " or ".join(f"(N, H, W, {c})" for c in channels)
        raise ValueError(f"{name}: expects images {wanted}, got {images.shape}; images[..., None] adds the last axis")
    if not np.isfinite(images).all():
        raise ValueError(f"{name}: the images hold NaN or infinity")
    return images


def _bytes(name: str, images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as whole numbers 0 to 255, so that no colour map rounds them."""
    images = _images(name, images)
    low, high = images.min(), images.max()
    if low < -1e-6 or high > 1 + 1e-6:  # as far as rounding goes
        raise ValueError(
            f"{name}: pixels must lie in [0, 1], got [{low:.4g}, {high:.4g}]; divide by 255, or np.clip(images, 0, 1)"
        )
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)


# ---- points and curves ---------------------------------------------------------------------------------------------


def latent_map(
    codes: np.ndarray, labels: np.ndarray, *, title: str = "", axis_labels: tuple[str, str] = ("z₁", "z₂")
) -> Picture:
    """Codes (N, 2) as points coloured by their labels (N,), numbers or names, ten kinds at most.

    Longer codes are projected first, e.g. by `metrics.pca_2d`.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1] or not labels.size:
        raise ValueError(
            f"latent_map: expects codes (N, 2) and labels (N,), got {codes.shape} and {labels.shape}; "
            "metrics.pca_2d projects longer codes"
        )
    if not np.isfinite(codes).all():
        raise ValueError("latent_map: the codes hold NaN or infinity")
    classes, kinds = np.unique(labels, return_inverse=True)
    if len(classes) > len(PALETTE):
        raise ValueError(f"latent_map: an eye tells ten colours apart, got {len(classes)} labels; merge or select some")
    axes = _axes(title, *axis_labels, height=820)
    axes.set_aspect("equal", adjustable="datalim")
    size = min(40.0, max(4.0, 2e4 / len(codes)))  # points²: the more points, the smaller
    # One call in the order given: drawn class by class, the last would hide the others.
    axes.scatter(*codes.T, c=np.array(PALETTE)[kinds], s=size, alpha=0.8, linewidths=0)
    for label, colour in zip(classes, PALETTE):
        axes.scatter([], [], c=colour, s=48, linewidths=0, label=str(label))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=TEXT, labelcolor=INK)
    return axes.figure


def loss_curves(
    curves: Mapping[str, Curve],
    *,
    x: Curve | Mapping[str, Curve] | None = None,
    reference: Mapping[str, float] | None = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    title: str = "",
    log: bool = False,
    width: int = 960,
) -> Picture:
    """Curves named at their ends, and dotted lines across for what they are held against.

    `x` serves every curve, or is a dict with one for each; without it they count 1, 2, ... `log` concerns the y axis.
    `width` is in pixels, and letters keep their size: narrow pictures can be read where several stand side by side.
    """
    axes = _axes(title, xlabel, ylabel, width=width, height=round(width / 1.6))
    ends = []  # (name, y, colour)
    for i, (name, values) in enumerate(curves.items()):
        values, colour = np.asarray(values, float), PALETTE[i % len(PALETTE)]
        steps = np.arange(1, values.size + 1) if x is None else np.asarray(x[name] if isinstance(x, Mapping) else x)
        finite = np.isfinite(values)
        if values.ndim != 1 or steps.shape != values.shape:
            raise ValueError(f"loss_curves: {name!r} needs as many x as values, got {steps.shape}, {values.shape}")
        if not finite.any() or (log and (values <= 0).any()):
            raise ValueError(f"loss_curves: {name!r} needs {'positive' if log else 'finite'} values, got {values}")
        width, marker = (1.2 if values.size > 200 else 2), ("o" if values.size <= 20 else "")
        axes.plot(steps, values, color=colour, lw=width, marker=marker, ms=4)
        ends.append((name, values[finite][-1], [0.65 * c for c in to_rgb(colour)]))  # dark enough to read
    for name, value in (reference or {}).items():
        axes.axhline(value, color=FAINT, lw=1.2, ls=(0, (1, 2)))
        ends.append((name, value, FAINT))
    _number_axes(axes, log)
    heights = (axes.transScale + axes.transLimits).transform([(1, y) for _, y, _ in ends])[:, 1]  # 0 bottom, 1 top
    for (name, y, colour), height in zip(ends, _spread(heights, gap=0.06)):
        axes.text(1.015, height, f"{name}  {y:.4g}", transform=axes.transAxes, size=TEXT, color=colour, va="center")
    return axes.figure


def _axes(title: str, xlabel: str, ylabel: str, *, height: int, width: int = 960) -> Axes:
    picture = Picture(width, height)
    picture.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    axes = picture.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
    axes.set_title(title, loc="left", size=TEXT + 2, color=INK, pad=12)
    axes.set_xlabel(xlabel, size=TEXT, color=INK)
    axes.set_ylabel(ylabel, size=TEXT, color=INK)
    return axes


def _number_axes(axes: Axes, log: bool) -> None:
    """Round and plain numbers at the ticks, whole ones along x."""
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ticks = MaxNLocator(7, steps=[1, 2, 5, 10])
    axes.set_yscale("log" if log else "linear")
    low, high = axes.get_ylim()  # which also settles them
    if log:
        if high > 6 * low:  # below that, the ticks of a straight axis serve better
            ticks = LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """The heights moved as little as it takes (least squares) to lie `gap` apart, in the same order.

    Less i gap for the i-th, they need only be sorted: isotonic regression, by pooling neighbours that are not.
    """
    order = np.argsort(heights, kind="stable")
    pools = []  # (sum, count)
    for i, height in enumerate(heights[order]):
        total, count = height - i * gap, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            total, count = total + pools[-1][0], count + pools.pop()[1]
        pools.append((total, count))
    spread = np.empty(len(heights))
    spread[order] = np.repeat([t / n for t, n in pools], [n for _, n in pools]) + gap * np.arange(len(heights))
    return spread
