"""A transposed convolution as a film: each entry of the input places a kernel, and where kernels overlap, they add."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tinygen.errors import arguments
from tinygen.plot.canvas import INK, MARGIN, PALETTE, TEXT, Picture, blank, text_width, write
from tinygen.plot.films import Film, film
from tinygen.plot.matrices import draw_cells, draw_numbers, draw_outline

NAME, BETWEEN = 36, 56  # pixels: the height of a name, and the space between the input and the sum
LARGEST = 56  # pixels: a cell
MARK = PALETTE[2]  # of the entry and of the kernel whose turn it is
MOST = 400  # entries of the input, each with its frame
Pair = int | tuple[int, int]


def placed_kernels(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    output_padding: Pair = 0,
    fps: float = 2.0,
    width: int = 640,
    title: str = "",
) -> Film:
    """The film of a transposed convolution: a frame for each entry of the input, and one of the result.

    A frame shows the input, the kernel times the entry whose turn it is, and the sum so far; an outline shows where
    this kernel is added. The padding has dashed lines; what lies in it is cut off in the end.

    Args:
        x: the input (GH, GW).
        kernel: the kernel (KH, KW).
        stride: rows and columns from one placed kernel to the next, one number or a pair.
        padding: rows and columns to cut off on each side.
        dilation: rows and columns from one entry of the kernel to the next.
        output_padding: rows and columns to add below and at the right.
        fps: frames per second.
        width: largest width of the film in pixels.
        title: a text above the film.

    Raises ValueError for arrays that are not matrices, an input of more than 400 entries, and one too large to draw.

    >>> import numpy as np
    >>> from tinygen import plot
    >>> plot.placed_kernels(np.array([[1, 3], [0, 2]]), np.array([[1, 3], [0, 2]]), stride=2, title="stride 2")
    Film(5 frames of 498 x 344, fps=2, 'stride 2')
    """
    form = _form(x, kernel, stride, padding, dilation, output_padding)
    width = arguments.whole("placed_kernels", "width", width, least=300)
    beside = max(form.x.shape[1], form.kernel.shape[1])  # columns at the left
    left = max(text_width(name) for name in (form.input_name, "x[10, 10] · kernel"))
    room = width - 2 * MARGIN - BETWEEN
    cell = int(min(LARGEST, room // (beside + form.size[1]), (room - left) // form.size[1]))
    if cell < 6:
        raise ValueError(f"placed_kernels: expected a sum that fits {width} pixels, got {form.size}: crop the input")
    right = MARGIN + max(cell * beside, left) + BETWEEN
    captions = [
        f"{value:.3g} times the kernel, at row {row - form.padding[0]} and column {column - form.padding[1]}"
        for value, (row, column) in zip(form.x.flat, form.places())
    ]
    cut = ", without the padding" if any(form.padding) else ""
    frames = _frames(form, cell, right, right + cell * form.size[1] + MARGIN)
    return film(frames, fps=fps, captions=[*captions, f"the sum of all placed kernels{cut}"], title=title)


class _Form(NamedTuple):
    """The arrays, the geometry as pairs, and the size of the sum with its padding."""

    x: np.ndarray
    kernel: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    size: tuple[int, int]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first to the last entry of a placed kernel."""
        h, w = (d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel.shape))
        return h, w

    @property
    def output(self) -> tuple[int, int]:
        """The size of the result."""
        h, w = (n - 2 * p for n, p in zip(self.size, self.padding))
        return h, w

    @property
    def input_name(self) -> str:
        return f"input x  {self.x.shape[0]} × {self.x.shape[1]}"

    def places(self) -> list[tuple[int, int]]:
        """The upper left corner of each placed kernel, row by row."""
        return [(self.stride[0] * i, self.stride[1] * j) for i, j in np.ndindex(self.x.shape)]

    def sums(self) -> Iterator[np.ndarray]:
        """The sum after each placed kernel."""
        total, ((h, w), (down, across)) = np.zeros(self.size), (self.reach, self.dilation)
        for value, (row, column) in zip(self.x.flat, self.places()):
            total[row : row + h : down, column : column + w : across] += value * self.kernel
            yield total


def _form(
    x: np.ndarray, kernel: np.ndarray, stride: Pair, padding: Pair, dilation: Pair, output_padding: Pair
) -> _Form:
    who = "placed_kernels"
    tables = {"x": np.asarray(x, np.float64), "kernel": np.asarray(kernel, np.float64)}
    for name, table in tables.items():
        if table.ndim != 2 or not table.size or not np.isfinite(table).all():
            raise ValueError(f"{who}: expected {name} to be a matrix of finite numbers, got shape {table.shape}")
    if tables["x"].size > MOST:
        raise ValueError(
            f"{who}: expected at most {MOST} entries of x, one for a frame, got {tables['x'].size}: crop the input"
        )
    strides, dilations = (arguments.pair(who, n, v, least=1) for n, v in (("stride", stride), ("dilation", dilation)))
    paddings = arguments.pair(who, "padding", padding, least=0)
    extra = arguments.pair(who, "output_padding", output_padding, least=0)
    height, width = (
        s * (g - 1) + d * (k - 1) + 1 + e
        for s, g, d, k, e in zip(strides, tables["x"].shape, dilations, tables["kernel"].shape, extra)
    )
    form = _Form(tables["x"], tables["kernel"], strides, paddings, dilations, (height, width))
    if min(form.output) < 1:
        raise ValueError(f"{who}: expected a result of at least 1 x 1, got {form.output}: use less padding")
    return form


def _frames(form: _Form, cell: int, right: int, width: int) -> Iterator[Picture]:
    """One picture for each entry, and the last one, which shows the result alone."""
    below = MARGIN + 2 * NAME + cell * form.x.shape[0]  # the upper border of the kernel
    top, height = MARGIN + NAME, max(MARGIN + NAME + cell * form.size[0], below + cell * form.kernel.shape[0])
    scaled = np.multiply.outer(form.x, form.kernel)  # (GH, GW, KH, KW)
    limit = max(np.abs(scaled).max(), max(np.abs(total).max() for total in form.sums())) or 1.0
    name = f"sum  {form.output[0]} × {form.output[1]}"
    total = np.zeros(form.size)
    for (i, j), (row, column), total in zip(np.ndindex(form.x.shape), form.places(), form.sums()):
        picture, axes = blank(width, height + MARGIN, "")
        _table(axes, form.input_name, form.x, MARGIN, top, cell, limit)
        _table(axes, f"x[{i}, {j}] · kernel", scaled[i, j], MARGIN, below, cell, limit)
        _sum(axes, name, total, (0, 0), form.padding, right, top, cell, limit)
        draw_outline(axes, MARGIN + cell * j, top + cell * i, cell, cell, MARK, cell)
        h, w = form.reach
        draw_outline(axes, right + cell * column, top + cell * row, cell * w, cell * h, MARK, cell)
        if max(form.dilation) > 1:  # a dot for each entry of the kernel
            taps = [np.add((row, column), np.multiply(form.dilation, tap)) for tap in np.ndindex(form.kernel.shape)]
            y, x = np.transpose(taps) + 0.18
            axes.scatter(right + cell * x, top + cell * y, s=(0.08 * cell) ** 2, color=MARK, linewidths=0)
        yield picture
    picture, axes = blank(width, height + MARGIN, "")
    _table(axes, form.input_name, form.x, MARGIN, top, cell, limit)
    _table(axes, "kernel", form.kernel, MARGIN, below, cell, limit)
    _sum(axes, name, total, form.padding, form.padding, right, top, cell, limit)
    yield picture


def _sum(
    axes: Axes,
    name: str,
    total: np.ndarray,
    cut: tuple[int, int],
    padding: tuple[int, int],
    x: float,
    y: float,
    cell: int,
    limit: float,
) -> None:
    """The sum; with `cut`, without its outer rows and columns. Dashed lines show the padding."""
    (down, across), (rows, columns) = cut, total.shape
    shown = total[down : rows - down, across : columns - across]
    _table(axes, name, shown, x + cell * across, y + cell * down, cell, limit, title_at=(x, y))
    if any(padding):
        style = {"fill": False, "ec": "#8a8a8a", "lw": 1.4, "zorder": 2.5}  # above the lines of the cells
        axes.add_patch(Rectangle((x, y), cell * columns, cell * rows, ls=(0, (3, 3)), **style))
        (p, q), (h, w) = padding, (n - 2 * each for n, each in zip(total.shape, padding))
        axes.add_patch(Rectangle((x + cell * q, y + cell * p), cell * w, cell * h, **style | {"ec": INK, "lw": 1.6}))


def _table(
    axes: Axes,
    name: str,
    table: np.ndarray,
    x: float,
    y: float,
    cell: int,
    limit: float,
    title_at: tuple[float, float] | None = None,
) -> None:
    left, top = title_at or (x, y)
    write(axes, left, top - 10, name, size=TEXT, color=INK)
    draw_cells(axes, table, x, y, cell, limit)
    if cell >= 18:
        draw_numbers(axes, table, x, y, cell, limit)
