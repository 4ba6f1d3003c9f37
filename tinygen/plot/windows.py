"""The geometry of a convolution: the windows that its outputs read, or the kernels that a transposed one places."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

from tinygen.errors import arguments
from tinygen.plot.canvas import FAINT, HEADING, INK, LITERAL, MARGIN, PALETTE, TEXT, Picture, blank, text_width, write

Pair = int | tuple[int, int]
NAME, BETWEEN = 36, 96  # pixels: the height of a name, and the space for the arrow
SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", "#8f8f8f"])


def windows(
    size: Pair,
    kernel_size: Pair,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    transposed: bool = False,
    shown: Sequence[tuple[int, int]] | None = None,
    width: int = 640,
    title: str = "",
) -> Picture:
    """An image (rows, columns) with the windows of a convolution over it, and the grid of the outputs.

    The entries `shown` of the grid, given as (row, column), and their windows have the same colour; with a dilation,
    dots mark the pixels that the kernel entries meet. By default these are the first two of the first row and the last
    of all. The number in a pixel counts the windows that contain it; pixels of the padding are dashed. The arrow leads
    from the image to the grid, as in `conv2d`, or back if `transposed`: then each entry of the grid places a kernel,
    and the number counts the kernels that are added in a pixel. `width` is that of the picture in pixels. Raises
    ValueError if no window fits, or an entry is not in the grid.

    >>> from tinygen import plot
    >>> picture = plot.windows(7, 3, stride=2, padding=1, transposed=True)
    """
    form = _form(size, kernel_size, stride, padding, dilation)
    width = arguments.whole("windows", "width", width, least=300)
    last_row, last_column = (int(n) - 1 for n in form.grid)
    if shown is None:
        shown = list(dict.fromkeys([(0, 0), (0, min(1, last_column)), (last_row, last_column)]))
    for entry in shown:
        if not (0 <= entry[0] <= last_row and 0 <= entry[1] <= last_column):
            raise ValueError(f"windows: expected entries of a grid {_text(form.grid)}, got {entry}")
    roles = ("output", "input") if transposed else ("input", "output")
    image_name, grid_name = (f"{role}  {h} × {w}" for role, (h, w) in zip(roles, (form.image, form.grid)))
    # -- sizes in pixels; the name of the grid may be wider than the grid
    rows, columns = form.image + 2 * form.paddings
    room, wide = width - 2 * MARGIN - BETWEEN, text_width(grid_name)
    cell = int(min(48, room // (columns + form.grid[1]), (room - wide) // columns))
    if cell < 4:
        raise ValueError(
            f"windows: expected an image that fits {width} pixels, got {_text(form.image)}: show a smaller one"
        )
    top, height = MARGIN + HEADING * bool(title) + NAME, int(cell * max(rows, form.grid[0]))
    picture, axes = blank(width, top + height + MARGIN, title)
    second = MARGIN + (max(cell * form.grid[1], wide) if transposed else cell * columns) + BETWEEN
    left, right = (second, MARGIN) if transposed else (MARGIN, second)  # of the image and of the grid
    image_corner = np.array([top + (height - cell * rows) / 2, left])
    grid_corner = np.array([top + (height - cell * form.grid[0]) / 2, right])
    # -- the picture
    _draw_image(axes, form, image_corner, cell)
    _lines(axes, grid_corner, form.grid, cell, color="#8a8a8a", lw=1.0)
    for k, entry in enumerate(shown):
        y, x = grid_corner + cell * np.array(entry)
        axes.add_patch(
            Rectangle((x + 2, y + 2), cell - 4, cell - 4, fc=PALETTE[k % len(PALETTE)], ec="none", alpha=0.85)
        )
        _draw_window(axes, form, k, form.strides * entry, image_corner, cell)
    for (y, x), name in ((image_corner, image_name), (grid_corner, grid_name)):
        write(axes, x, y - 10, name, size=TEXT, color=INK)
    start, end = (second - BETWEEN + 14, top + height / 2), (second - 14, top + height / 2)
    style = {"arrowstyle": "-|>", "mutation_scale": 14, "color": FAINT, "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(start, end, **style))
    return picture


class _Form(NamedTuple):
    """The geometry; each part has a number for the rows and one for the columns."""

    image: np.ndarray
    kernel: np.ndarray
    strides: np.ndarray
    paddings: np.ndarray
    dilations: np.ndarray
    reach: np.ndarray  # of a kernel, in pixels
    grid: np.ndarray


def _form(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> _Form:
    sizes = {"size": size, "kernel_size": kernel_size, "stride": stride, "dilation": dilation}
    image, kernel, strides, dilations = (np.array(_pair(name, value, least=1)) for name, value in sizes.items())
    paddings = np.array(_pair("padding", padding, least=0))
    reach = dilations * (kernel - 1) + 1
    grid = (image + 2 * paddings - reach) // strides + 1
    if (grid < 1).any():
        raise ValueError(f"windows: expected a window that fits, got {_text(reach)} for an image {_text(image)}")
    return _Form(image, kernel, strides, paddings, dilations, reach, grid)


def _text(pair: np.ndarray) -> str:
    return f"({pair[0]}, {pair[1]})"


def _draw_image(axes: Axes, form: _Form, corner: np.ndarray, cell: int) -> None:
    """The pixels with their numbers, and those of the padding dashed."""
    counts = _counts(form)
    _lines(axes, corner, form.image + 2 * form.paddings, cell, color="#b0b0b0", lw=0.8, ls=(0, (2, 2)))
    (y, x), (h, w) = corner + cell * form.paddings, cell * form.image
    shades: dict[str, Any] = {"cmap": SHADES, "vmin": 0, "vmax": max(4, counts.max()), "interpolation": "nearest"}
    axes.imshow(counts, extent=(x, x + w, y + h, y), **shades)
    _lines(axes, np.array([y, x]), form.image, cell, color="#8a8a8a", lw=1.0)
    if cell >= 20:
        for (i, j), count in np.ndenumerate(counts):
            place = {"ha": "center", "va": "center_baseline", "size": min(TEXT, 0.26 * cell), "color": INK}
            axes.text(x + cell * (j + 0.5), y + cell * (i + 0.5), str(count), **place, **LITERAL)


def _draw_window(axes: Axes, form: _Form, k: int, first: np.ndarray, corner: np.ndarray, cell: int) -> None:
    """The k-th window, from its pixel `first` on; the insets differ, so that all borders are visible."""
    colour, inset = PALETTE[k % len(PALETTE)], 2 + 3 * (k % 4)
    y, x = corner + cell * first + inset
    h, w = cell * form.reach - 2 * inset
    axes.add_patch(Rectangle((x, y), w, h, fc=(*to_rgb(colour), 0.14), ec=colour, lw=2.2))
    if (form.dilations > 1).any():  # the kernel entries have gaps between them
        taps = [first + form.dilations * tap for tap in np.ndindex(*form.kernel)]
        place = np.array([(0.27, 0.27), (0.27, 0.73), (0.73, 0.73), (0.73, 0.27)][k % 4])
        y, x = np.transpose(corner + cell * (np.array(taps) + place))
        axes.scatter(x, y, s=(0.1 * cell) ** 2, color=colour, linewidths=0)


def _pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    values = value if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"windows: expected one number or a pair as {name}, got {value}")
    first, second = (arguments.whole("windows", name, each, least=least) for each in values)
    return first, second


def _counts(form: _Form) -> np.ndarray:  # (H, W)
    """The number of windows that contain each pixel: a product of those along each axis."""
    along = []
    for n, k, s, p, d, _, g in zip(*form):
        places = s * np.arange(g)[:, None] + d * np.arange(k) - p  # (G, K)
        along.append(np.bincount(places[(places >= 0) & (places < n)], minlength=n))
    return np.outer(*along)


def _lines(axes: Axes, corner: np.ndarray, shape: np.ndarray, cell: int, **style: Any) -> None:
    """The lines around the cells of an array."""
    (top, left), (rows, columns) = corner, shape
    axes.vlines(left + cell * np.arange(columns + 1), top, top + cell * rows, **style)
    axes.hlines(top + cell * np.arange(rows + 1), left, left + cell * columns, **style)
