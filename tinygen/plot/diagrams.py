"""Diagrams of boxes and arrows."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.textpath import TextPath

from tinygen.errors import arguments
from tinygen.plot.canvas import DPI, FAINT, HEADING, INK, LITERAL, MARGIN, PALETTE, TEXT, Picture, blank, plain

SPACE = 20  # pixels between a text and the border of its box
LEADING = 30  # pixels from one line of text to the next
Arrow = tuple[str, str] | tuple[str, str, str]


def diagram(
    boxes: Mapping[str, tuple[float, float]],
    arrows: Sequence[Arrow] = (),
    *,
    colours: Mapping[str, int] | None = None,
    dashed: Sequence[str] = (),
    width: int = 640,
    height: int = 400,
    title: str = "",
) -> Picture:
    """Boxes, each with its text, and arrows between them.

    `boxes` maps a text, of one or more lines, to the centre of its box: (0, 0) is the upper left corner of the drawing,
    (1, 1) the lower right one. An arrow is (from, to), or (from, to, label), and goes from border to border. `colours`
    gives boxes the i-th colour of `PALETTE`, `dashed` names boxes with a dashed border. `width` and `height` are those
    of the picture in pixels. Raises ValueError for boxes outside the drawing and arrows to a box that does not exist.

    >>> from tinygen import plot
    >>> picture = plot.diagram({"x": (0, 0.5), "f(x)": (1, 0.5)}, [("x", "f(x)", "f")], colours={"x": 0}, height=160)
    """
    sizes = {"width": width, "height": height}
    width, height = (arguments.whole("diagram", name, size, least=100) for name, size in sizes.items())
    for text, place in boxes.items():
        if not all(0 <= coordinate <= 1 for coordinate in place):
            raise ValueError(f"diagram: expected a place from (0, 0) to (1, 1) for {text!r}, got {place}")
    for name in [*(end for arrow in arrows for end in arrow[:2]), *(colours or {}), *dashed]:
        if name not in boxes:
            raise ValueError(f"diagram: expected one of the boxes {', '.join(map(repr, boxes))}, got {name!r}")
    picture, axes = blank(width, height, title)
    top = MARGIN + HEADING * bool(title)
    extents = {text: _extent(text) for text in boxes}
    corners = {}  # of each box: left, top, right, bottom
    for text, (x, y) in boxes.items():
        w, h = extents[text]
        if w > width - 2 * MARGIN or h > height - top - MARGIN:
            raise ValueError(f"diagram: expected a picture of more than {width} x {height} pixels for {text!r}")
        left = MARGIN + x * (width - 2 * MARGIN - w)
        upper = top + y * (height - top - MARGIN - h)
        corners[text] = (left, upper, left + w, upper + h)
    for start, end, *label in arrows:
        a, b = _ends(corners[start], corners[end])
        style = {"arrowstyle": "-|>", "mutation_scale": 13, "color": FAINT, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
        axes.add_patch(FancyArrowPatch(a, b, **style))
        if label:
            x, y = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            place = {"ha": "center", "va": "center", "size": TEXT - 1, "color": FAINT, "bbox": paper}
            axes.text(x, y, plain(label[0]), **place, **LITERAL)
    for text, (left, upper, right, lower) in corners.items():
        colour = PALETTE[(colours or {})[text] % len(PALETTE)] if text in (colours or {}) else "#8a8a8a"
        line = (0, (3, 2)) if text in dashed else "-"
        shape = {"boxstyle": "round,pad=0,rounding_size=8", "ec": colour, "lw": 1.8, "ls": line}
        axes.add_patch(FancyBboxPatch((left, upper), right - left, lower - upper, fc=_tint(colour), **shape))
        first, *rest = plain(text).split("\n")
        y = (upper + lower) / 2 - LEADING * len(rest) / 2
        for i, line_of_text in enumerate((first, *rest)):
            place = {"ha": "center", "va": "center_baseline", "size": TEXT, "color": INK if not i else "#4a4a4a"}
            axes.text((left + right) / 2, y + LEADING * i, line_of_text, **place, **LITERAL)
    return picture


def _tint(colour: str) -> tuple[float, ...]:
    """The colour, mixed with much white."""
    return tuple(0.86 + 0.14 * int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _extent(text: str) -> tuple[float, float]:
    """The width and the height in pixels of a box around a text."""
    lines = plain(text).split("\n")
    widths = [TextPath((0, 0), line.replace("$", "S"), size=TEXT).get_extents().width for line in lines if line.strip()]
    return max(widths, default=0) * DPI / 72 + 2 * SPACE, LEADING * len(lines) + SPACE


def _ends(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow between two boxes starts and ends: straight across if they face each other."""
    centre_a, centre_b = (np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]) for box in (a, b))
    for axis in (0, 1):  # boxes whose sides face each other: a vertical or a horizontal arrow
        low, high = max(a[axis], b[axis]), min(a[axis + 2], b[axis + 2])
        if high - low >= 24:
            at = (low + high) / 2 if not low <= centre_b[axis] <= high else centre_b[axis]
            if low <= centre_a[axis] <= high and high - low > 24:
                at = centre_a[axis] if abs(a[axis + 2] - a[axis]) < abs(b[axis + 2] - b[axis]) else at
            across = 1 - axis
            down = centre_b[across] > centre_a[across]
            first, second = (a[across + 2], b[across]) if down else (a[across], b[across + 2])
            start, end = [at, at], [at, at]
            start[across], end[across] = first, second
            return (start[0], start[1]), (end[0], end[1])
    return _border(a, centre_a, centre_b), _border(b, centre_b, centre_a)


def _border(box: tuple[float, ...], centre: np.ndarray, towards: np.ndarray) -> tuple[float, float]:
    """Where the line from the centre of a box to a point leaves the box."""
    half = np.array([(box[2] - box[0]) / 2, (box[3] - box[1]) / 2])
    direction = towards - centre
    with np.errstate(divide="ignore"):
        x, y = centre + direction * np.min(half / np.abs(direction))
    return float(x), float(y)
