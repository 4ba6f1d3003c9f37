"""Empty axes side by side in one picture, in the style of the other pictures: for figures of your own."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from tinygen.errors import arguments
from tinygen.plot.canvas import FAINT, INK, LITERAL, TEXT, Picture, plain

Names = str | Sequence[str]


def panels(
    *titles: str,
    xlabel: Names = "",
    ylabel: Names = "",
    title: str = "",
    columns: int | None = None,
    width: int = 640,
    height: int = 400,
) -> tuple[Picture, list[Axes]]:
    """A picture and its axes, one for each of `titles`, row by row.

    `xlabel` and `ylabel` name the axes, with their units: one text for all panels, or one for each. `title` is that of
    the whole picture. Without `columns` all panels are in one row. `width` and `height` are those of the picture in
    pixels. A picture 640 pixels wide is readable on a phone. Raises ValueError for impossible sizes or missing names.

    >>> from tinygen import plot
    >>> picture, (left, right) = plot.panels("a parabola", "its slope", xlabel="x", ylabel=("x²", "2x"))
    >>> _ = left.plot([-1, 0, 1], [1, 0, 1]), right.plot([-1, 1], [-2, 2])
    """
    if not titles:
        raise ValueError('panels: expected at least one title, got none: panels("") has one panel without a title')
    count = len(titles)
    columns = count if columns is None else arguments.whole("panels", "columns", columns, least=1, most=count)
    sizes = {"width": width, "height": height}
    width, height = (arguments.whole("panels", name, size, least=100) for name, size in sizes.items())
    below, beside = _each("xlabel", xlabel, count), _each("ylabel", ylabel, count)
    picture = Picture(width, height)
    picture.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    if title:
        picture.suptitle(plain(title), x=0.02, ha="left", size=TEXT + 1, color=INK, **LITERAL)
    rows = math.ceil(count / columns)
    places = [picture.add_subplot(rows, columns, i + 1) for i in range(count)]
    for axes, name, under, left in zip(places, titles, below, beside):
        frame(axes)
        axes.set_title(plain(name), loc="left", size=TEXT, color=INK, pad=8, **LITERAL)
        axes.set_xlabel(plain(under), size=TEXT, color=INK, **LITERAL)
        axes.set_ylabel(plain(left), size=TEXT, color=INK, **LITERAL)
    return picture, places


def _each(argument: str, names: Names, count: int) -> Sequence[str]:
    """One name for each panel."""
    names = [names] * count if isinstance(names, str) else names
    if len(names) != count:
        raise ValueError(f"panels: expected one {argument}, or {count} for {count} panels, got {len(names)}")
    return names


def frame(axes: Axes) -> None:
    """Grey lines at the left and below, and grey numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
