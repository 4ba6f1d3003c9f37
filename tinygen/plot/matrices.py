"""Matrices as coloured cells on one scale, with their numbers and with parts of them outlined."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tinygen.errors import arguments
from tinygen.plot.canvas import DPI, HEADING, INK, LITERAL, MARGIN, PALETTE, TEXT, Picture, blank, text_width, write

LINE, GAP = 32, 32  # pixels: the height of a name, and the space between two matrices
Part = tuple[int, int, int, int]  # first row, first column, rows, columns


def matrices(
    arrays: Mapping[str, np.ndarray],
    *,
    numbers: bool = False,
    outlines: Mapping[str, Sequence[Part]] | None = None,
    cell: int | None = None,
    width: int = 640,
    title: str = "",
) -> Picture:
    """Matrices (rows, columns) by name, as cells of one size: negative ones blue, zero white, positive ones red.

    The largest absolute value of all of them has the darkest colour. Those that don't fit beside each other go to the
    next line. `numbers` writes the value of each cell in it. `outlines` frames parts of a matrix, given as (first row,
    first column, rows, columns), the i-th part in the i-th colour. `cell` is the size of a cell and `width` that of the
    picture, in pixels; without `cell`, the widest matrix fills the picture, up to 48 pixels for a cell. Raises
    ValueError for arrays that are not matrices of finite numbers, and for parts that are not in them.

    >>> import numpy as np
    >>> from tinygen import plot
    >>> picture = plot.matrices({"x": np.eye(3), "2 x": 2 * np.eye(3)}, numbers=True, outlines={"x": [(0, 0, 1, 3)]})
    """
    tables = {name: _matrix(name, array) for name, array in arrays.items()}
    if not tables:
        raise ValueError("matrices: expected at least one matrix, got none")
    for name, parts in (outlines or {}).items():
        _check_parts(name, parts, tables)
    width = arguments.whole("matrices", "width", width, least=200)
    widest = max(table.shape[1] for table in tables.values())
    if cell is None:
        cell = max(1, min(48, (width - 2 * MARGIN) // widest))
    cell = arguments.whole("matrices", "cell", cell, least=1)
    places, bottom = _places(tables, cell, width, top=MARGIN + HEADING * bool(title))
    width = max(width, MARGIN + max(x + cell * tables[name].shape[1] for name, (x, _) in places.items()))
    picture, axes = blank(width, bottom + MARGIN, title)
    limit = max(float(np.abs(table).max()) for table in tables.values()) or 1.0
    for name, table in tables.items():
        x, y = places[name]
        write(axes, x, y - 10, name, size=TEXT, color=INK)
        draw_cells(axes, table, x, y, cell, limit)
        if numbers:
            draw_numbers(axes, table, x, y, cell, limit)
        for i, (row, column, rows, columns) in enumerate((outlines or {}).get(name, ())):
            draw_outline(
                axes, x + cell * column, y + cell * row, cell * columns, cell * rows, PALETTE[i % len(PALETTE)], cell
            )
    return picture


def _matrix(name: str, array: np.ndarray) -> np.ndarray:
    table = np.asarray(array, float)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"matrices: expected a matrix of finite numbers for {name!r}, got shape {table.shape}")
    return table


def _check_parts(name: str, parts: Sequence[Part], tables: Mapping[str, np.ndarray]) -> None:
    if name not in tables:
        raise ValueError(f"matrices: expected outlines for {', '.join(map(repr, tables))}, got {name!r}")
    for part in parts:
        row, column, rows, columns = part
        inside = row + rows <= tables[name].shape[0] and column + columns <= tables[name].shape[1]
        if min(row, column) < 0 or min(rows, columns) < 1 or not inside:
            raise ValueError(f"matrices: expected a part of {name!r}, {tables[name].shape}, got {part}")


def _places(
    tables: Mapping[str, np.ndarray], cell: int, width: int, top: int
) -> tuple[dict[str, tuple[int, int]], int]:
    """The upper left corner of each matrix, line by line and on one axis in each line, and where the last line ends."""
    lines: list[list[str]] = [[]]
    x, places = MARGIN, {}
    for name, table in tables.items():
        across = max(cell * table.shape[1], text_width(name))
        if lines[-1] and x + across > width - MARGIN:
            lines.append([])
            x = MARGIN
        lines[-1].append(name)
        places[name] = x
        x += across + GAP
    corners = {}
    for line in lines:
        tallest = max(cell * tables[name].shape[0] for name in line)
        top += LINE
        for name in line:
            corners[name] = (places[name], top)
        top += tallest + GAP // 2
    return corners, top - GAP // 2


def draw_cells(axes: Axes, table: np.ndarray, x: float, y: float, cell: int, limit: float) -> None:
    """The entries of a matrix as coloured cells; `limit` has the darkest colour."""
    rows, columns = table.shape
    extent = (x, x + cell * columns, y + cell * rows, y)
    axes.imshow(table, extent=extent, cmap="RdBu_r", vmin=-1.25 * limit, vmax=1.25 * limit, interpolation="nearest")
    if cell >= 8:  # lines between cells
        style = {"color": "#d4d4d4", "lw": 0.6 if cell < 24 else 1.0}
        axes.vlines(x + cell * np.arange(columns + 1), y, y + cell * rows, **style)
        axes.hlines(y + cell * np.arange(rows + 1), x, x + cell * columns, **style)
    else:
        axes.add_patch(Rectangle((x, y), cell * columns, cell * rows, fill=False, ec="#b0b0b0", lw=0.8))


def draw_numbers(axes: Axes, table: np.ndarray, x: float, y: float, cell: int, limit: float) -> None:
    """The entries of a matrix as numbers in its cells."""
    texts = [[f"{value + 0.0:.3g}".replace("-", "−") for value in row] for row in table]  # + 0.0 makes 0 of -0
    longest = max(text_width(text, size=TEXT) for row in texts for text in row)
    size = min(TEXT, TEXT * 0.84 * cell / longest, 0.6 * cell * 72 / DPI)
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            colour = "white" if abs(table[i, j]) > 0.8 * limit else INK
            place = {"ha": "center", "va": "center_baseline", "size": size, "color": colour}
            axes.text(x + cell * (j + 0.5), y + cell * (i + 0.5), text, **place, **LITERAL)


def draw_outline(axes: Axes, x: float, y: float, width: float, height: float, colour: str, cell: int) -> None:
    """A frame with a thin white border, which is visible on cells of its own colour too."""
    thick = 2.4 if cell >= 24 else 2.0  # points
    for line, ink in ((thick + 1.2, "white"), (thick, colour)):
        axes.add_patch(Rectangle((x, y), width, height, fill=False, ec=ink, lw=line, joinstyle="miter"))
