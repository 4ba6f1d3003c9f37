"""What objects show of themselves in a notebook: tables, values, curves and images as small pieces of HTML.

Text and lines take the colour of the page, so that the pieces are readable on light and on dark ones. Each piece is
complete in itself: it has no style sheet, no script and no address.
"""

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from tinygen.io.table import format_number

LIMIT = 12  # rows or columns of a table of values; the middle of a longer one is left out
ROWS = 40  # of a table of text
COLOURS = ("#5b79dd", "#c9711c", "#1f9a8a", "#b05bd0")  # contrast of at least 3 on white and on black
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = f"padding:.2em .7em .2em 0;{_LINE};background:none;vertical-align:top"

Cell = str | float


# -- blocks and tables -------------------------------------------------------------------------------------------------


def block(title: str, *parts: str, note: str = "") -> str:
    """A heading, and below it pieces of HTML. `title` and `note` are text; what is wider than the page scrolls."""
    head = f'<div style="font-weight:600;margin:.2em 0;overflow-wrap:anywhere">{text(title)}</div>'
    foot = f'<div style="opacity:.75;margin:.3em 0">{text(note)}</div>' if note else ""
    style = "font:14px/1.45 system-ui,sans-serif;max-width:100%;margin:.3em 0"
    return f'<div style="{style}">{head}{"".join(parts)}{foot}</div>'


def text(value: object, limit: int = 200) -> str:
    """A text of at most `limit` characters, escaped, with control characters made visible."""
    words = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(value))
    return escape(words if len(words) <= limit else words[: limit - 1] + "…").replace("\n", "<br>")


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: int = 0, limit: int = ROWS) -> str:
    """A table whose last `numbers` columns are right-aligned; of more than `limit` rows the middle is left out."""
    rows = [list(row) for row in rows]
    if (left := len(rows) - limit) > 0:
        middle = [f"… {left:,} more", *[""] * (len(head) - 1)]
        rows = [*rows[: limit - limit // 4], middle, *rows[len(rows) - limit // 4 :]]
    first = len(head) - numbers
    lines = [
        _row([f'<th scope="col" style="{_style(i >= first, bold=True)}">{text(h)}</th>' for i, h in enumerate(head)])
    ]
    for row in rows:
        cells = [_cell(c, right=i >= first) for i, c in enumerate(row)]
        lines.append(_row(cells))
    return _scrolling(f'<table style="{_TABLE}">{"".join(lines)}</table>')


def facts(values: Mapping[str, Cell]) -> str:
    """A table of two columns: names and values. Values that are empty texts are left out."""
    cells = [
        _row([f'<th scope="row" style="{_style(False)};opacity:.75">{text(name)}</th>', f"<td {_WRAP}>{shown}</td>"])
        for name, value in values.items()
        if (shown := text(format_number(value, 4)))
    ]
    return f'<table style="{_TABLE}">{"".join(cells)}</table>'


_TABLE = "border-collapse:collapse;border:0;margin:.2em 0;font-size:13px;color:inherit"
_WRAP = f'style="text-align:left;overflow-wrap:anywhere;{_CELL};font-variant-numeric:tabular-nums"'


def _cell(value: Cell, *, right: bool) -> str:
    shown = format_number(value, 4)
    wrap = "" if len(shown) > 24 else ";white-space:nowrap"
    return f'<td style="{_style(right)}{wrap}">{text(shown)}</td>'


def _row(cells: Sequence[str]) -> str:
    return f'<tr style="background:none">{"".join(cells)}</tr>'


def _style(right: bool, *, bold: bool = False) -> str:
    weight = "600" if bold else "400"
    return f"text-align:{'right' if right else 'left'};font-weight:{weight};font-variant-numeric:tabular-nums;{_CELL}"


def _scrolling(content: str) -> str:
    return f'<div style="overflow-x:auto;max-width:100%" tabindex="0">{content}</div>'


# -- numbers -----------------------------------------------------------------------------------------------------------


def values(array: np.ndarray) -> str:
    """The entries of an array as a table, blue below 0 and orange above; of more axes than two the first matrix."""
    matrix = np.atleast_2d(array[(0,) * (array.ndim - 2)])
    rows, columns = (_ends(n) for n in matrix.shape)
    known = np.abs(matrix[np.isfinite(matrix)])
    largest = float(known.max(initial=0)) or 1.0
    lines = []
    for i in rows:
        cells = [
            _entry(None if i is None or j is None else float(matrix[i, j]), largest, array.size > 1) for j in columns
        ]
        lines.append(_row(cells))
    return _scrolling(f'<table style="{_TABLE}">{"".join(lines)}</table>')


def _ends(n: int) -> list[int | None]:
    """All indices below n, or the first and the last ones with a None between them."""
    if n <= LIMIT:
        return [*range(n)]
    return [*range(LIMIT - 4), None, *range(n - 3, n)]


def _entry(value: float | None, largest: float, several: bool) -> str:
    style = "text-align:right;padding:.1em .5em;border:0;font-variant-numeric:tabular-nums"
    if value is None:
        return f'<td style="{style};opacity:.6">…</td>'
    share = abs(value) / largest if several and math.isfinite(value) else 0.0
    red, green, blue = (91, 121, 221) if value < 0 else (229, 144, 58)
    shown = f"{value:.4g}".replace("-", "−")
    return f'<td style="{style};background:rgba({red},{green},{blue},{0.4 * share:.2f})">{shown}</td>'


def summary(array: np.ndarray) -> dict[str, Cell]:
    """The range, mean and standard deviation of an array, and how many entries are not finite; empty without any."""
    finite = array[np.isfinite(array)].astype(np.float64)
    bad = array.size - finite.size
    facts: dict[str, Cell] = {"not finite": f"{bad:,} of {array.size:,} entries"} if bad else {}
    if finite.size > 1:
        facts |= {"range": f"{finite.min():.4g} to {finite.max():.4g}"}
        with np.errstate(over="ignore"):
            facts |= {"mean ± sd": f"{finite.mean():.4g} ± {finite.std():.3g}"}
    return facts


def described(array: np.ndarray) -> str:
    """An array in a few words: its one number, or the range of its entries."""
    shown = summary(array)
    if array.size == 1:
        return f"{array.item():.4g}"
    bad = f"{shown['not finite']} not finite" if "not finite" in shown else ""
    return ", ".join(filter(None, [str(shown.get("range", "")), bad])) or "no entries"


def counted(number: int, noun: str) -> str:
    """ "1 array", "2 arrays"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


# -- curves ------------------------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 320, 150, 56, 30, 22


def chart(title: str, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], *, xlabel: str, log: bool = False) -> str:
    """Curves (x, y), at most four, as an inline SVG: their names above, the ends of both axes in numbers.

    `log` makes the y axis logarithmic; points that are not finite, or not positive then, are left out.
    """
    kept = {name: _visible(np.asarray(x, float), np.asarray(y, float), log) for name, (x, y) in curves.items()}
    kept = {name: (x, y) for name, (x, y) in kept.items() if len(x)}
    if not kept:
        return ""
    (x0, x1), (y0, y1) = (_range([curve[axis] for curve in kept.values()]) for axis in (0, 1))
    lines, names = [], []
    for (name, (x, y)), colour in zip(kept.items(), COLOURS):
        across = _LEFT + (x - x0) / (x1 - x0) * (_WIDTH - _LEFT - 12)
        down = _HEIGHT - _BOTTOM - (y - y0) / (y1 - y0) * (_HEIGHT - _BOTTOM - _TOP)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        names.append(f'<tspan fill="{colour}" dx="6">{text(name, 24)}</tspan>')
    ends = [10.0**y if log else y for y in (y0, y1)]
    right, low = _WIDTH - 12, _HEIGHT - _BOTTOM
    label = f"{title}: {', '.join(kept)} against {xlabel}"
    return (
        f'<svg role="img" aria-label="{text(label)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        'style="max-width:100%;height:auto;font:12px system-ui,sans-serif" fill="currentColor">'
        f'<text x="{_LEFT}" y="13">{text(title, 40)}{"".join(names) if len(kept) > 1 else ""}</text>'
        f'<path d="M{_LEFT} {_TOP}V{low}H{right}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
        f"{''.join(lines)}"
        f'<text x="{_LEFT - 5}" y="{low}" text-anchor="end">{_tick(ends[0])}</text>'
        f'<text x="{_LEFT - 5}" y="{_TOP + 9}" text-anchor="end">{_tick(ends[1])}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 12}">{_tick(x0)}</text>'
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">{text(xlabel, 30)}</text>'
        f'<text x="{right}" y="{_HEIGHT - 12}" text-anchor="end">{_tick(x1)}</text></svg>'
    )


def _visible(x: np.ndarray, y: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The points that can be drawn, at most 200 of them, with log₁₀ y if the axis is logarithmic."""
    keep = np.isfinite(x) & np.isfinite(y) & (~np.array(log) | (y > 0))
    x, y = x[keep], y[keep]
    some = np.unique(np.linspace(0, max(0, len(x) - 1), 200).astype(int)) if len(x) else slice(0)
    return x[some], np.log10(y[some]) if log else y[some]


def _range(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    low, high = min(part.min() for part in parts), max(part.max() for part in parts)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(high) + 0.5)


def _tick(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("-", "−")
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}").replace("-", "−")


# -- images ------------------------------------------------------------------------------------------------------------


def image(array: np.ndarray, alt: str, *, width: int) -> str:
    """An image (H, W, 1) or (H, W, 3) with values in [0, 1], `width` pixels wide on the page, without interpolation."""
    shades = np.rint(255 * np.clip(np.nan_to_num(array), 0, 1)).astype(np.uint8)
    return embedded(png(shades), alt, style=f"width:{width}px;max-width:100%;image-rendering:pixelated")


def embedded(content: bytes, alt: str, *, style: str = "max-width:min(100%,900px);height:auto") -> str:
    """The bytes of a PNG file as an image; `alt` describes it for readers who can't see it."""
    data = base64.b64encode(content).decode()
    return f'<img alt="{text(alt)}" style="{style}" src="data:image/png;base64,{data}">'


def captioned(images: Iterable[tuple[str, str]]) -> str:
    """Images (as HTML) above their captions, side by side; they wrap where the page is narrow."""
    style = "display:inline-block;margin:0 .6em .4em 0;text-align:center;font-size:12px"
    figures = [f'<figure style="{style}">{i}<figcaption>{text(c, 24)}</figcaption></figure>' for i, c in images]
    return f"<div>{''.join(figures)}</div>"


def png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W, 1) or (H, W, 3) uint8 as a PNG file, in a few lines: so data sets need no picture library."""
    h, w, c = pixels.shape
    rows = np.concatenate([np.zeros((h, 1), np.uint8), pixels.reshape(h, w * c)], axis=1)  # 0: rows as they are
    header = struct.pack(">IIBBBBB", w, h, 8, {1: 0, 3: 2}[c], 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
