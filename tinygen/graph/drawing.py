"""The computation graph as an SVG picture: boxes with values and gradients, and arrows between them."""

import unicodedata
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from numpy import ndarray

from tinygen.graph import numbers
from tinygen.graph.layout import Layout, Piece, layered
from tinygen.graph.nodes import Names
from tinygen.graph.steps import Step, Values, Walk
from tinygen.io import files
from tinygen.tensor import Operand, Tensor

LETTER, LINE = 6.7, 15.0  # pixels: the width of a letter in a monospaced font of 11 pixels, and the height of a line
PADDING, MARGIN = 8.0, 10.0
IN_A_BOX = 3, 3  # rows and columns of an array that is shown in full
LONGEST = 28  # letters of a label; the tooltip has the whole of a longer one

STYLE = """
.tinygen-graph { --paper: #ffffff; --ink: #1b1f24; --faint: #57606a; --line: #8c959f; --box: #f6f8fa; --leaf: #e7f0fb;
  --value: #0b5394; --gradient: #a63c00; font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
@media (prefers-color-scheme: dark) {
  .tinygen-graph { --paper: #12161b; --ink: #e8edf2; --faint: #9aa5b1; --line: #6b7682; --box: #1d242c; --leaf: #16304d;
    --value: #8ecbff; --gradient: #ffab73 }
}
.tinygen-graph .paper { fill: var(--paper) }
.tinygen-graph .box { fill: var(--box); stroke: var(--line) }
.tinygen-graph .leaf .box { fill: var(--leaf) }
.tinygen-graph .root .box { stroke: var(--ink); stroke-width: 2 }
.tinygen-graph text { fill: var(--ink); white-space: pre }
.tinygen-graph .label { font-weight: 700 }
.tinygen-graph .faint { fill: var(--faint) }
.tinygen-graph .value { fill: var(--value) }
.tinygen-graph .gradient { fill: var(--gradient) }
.tinygen-graph .arrow { fill: none; stroke: var(--line); stroke-width: 1.4 }
.tinygen-graph .tip { fill: var(--line) }
.tinygen-graph .back { visibility: hidden }
.tinygen-graph .note .box { stroke-dasharray: 4 3; fill: none }
"""


@dataclass(frozen=True)
class Drawing:
    """An SVG picture: `str(drawing)` is its text, `save` writes it, and notebooks show it."""

    content: str

    def __str__(self) -> str:
        return self.content

    def _repr_svg_(self) -> str:
        return self.content

    def _repr_html_(self) -> str:
        return self.content

    def __repr__(self) -> str:
        boxes = self.content.count("data-step=")
        return f"Drawing({boxes} {'box' if boxes == 1 else 'boxes'})"

    def save(self, path: str | Path) -> Path:
        """Write the picture to `path`, which ends in .svg; returns the path. Raises ValueError for another ending."""
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ValueError(f"graph.svg: expected a path that ends in .svg, got {path.name!r}: rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, self.content.encode())
        return path


def svg(
    y: Tensor,
    *,
    values: Values = False,
    names: Names | None = None,
    gy: Operand | None = None,
    limit: int = 100,
) -> Drawing:
    """The computation graph as an SVG picture, from the variables down to `y`; it follows light and dark mode.

    With `values=True` each box shows the value and the gradient of y with respect to it: at most nine entries in full,
    else the least, mean and greatest. Values that no derivative rule needs are not kept and not shown, unless `values`
    is a list that `tg.trace` has recorded. `gy` weighs the entries of y, as in `tg.grad`. Of a graph with more than
    `limit` nodes only the last are shown. The graph is kept. Raises TypeError for a constant, RuntimeError for a
    dropped graph, ValueError for a y of several entries without gy if values are shown.

    >>> w = tg.Parameter([1.0, 2.0])
    >>> picture = tg.graph.svg((w * w).sum(), values=True, names={"w": w})
    >>> str(picture).count("<rect class='box'")
    3
    """
    return Drawing(draw(Walk(y, names, values, gy, limit)))


def draw(walk: Walk) -> str:
    """The text of the picture. The box of each step has the number of the step, each arrow the numbers of two."""
    boxes = [_Box(step, walk) for step in reversed(walk.steps)]  # parents first
    if walk.left:
        boxes.insert(0, _Box(None, walk))
    place = {box.number: i for i, box in enumerate(boxes)}
    edges = sorted(
        (place[walk.step_of[share.parent].number if share.parent in walk.step_of else 0], place[step.number])
        for step in walk.steps
        for share in step.sent
    )
    if walk.left:  # one arrow for all edges from earlier nodes
        edges = [edge for i, edge in enumerate(edges) if edge[0] or edge not in edges[:i]]
    layout = layered([(box.width, box.height) for box in boxes], edges)
    arrows = [_arrow(pieces, boxes[a].number, boxes[b].number) for pieces, (a, b) in zip(layout.arrows, edges)]
    return _frame(layout, [*arrows, *(box.svg(*corner) for box, corner in zip(boxes, layout.corners))], walk)


def _frame(layout: Layout, parts: list[str], walk: Walk) -> str:
    width, height = (f"{side + 2 * MARGIN:.0f}" for side in (layout.width, layout.height))
    style = f"--width: {width}px; max-width: 100%; height: auto"
    title = f"Computation graph of {walk.graph.label(walk.graph.root)}: {len(walk.graph.nodes):,} nodes"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' class='tinygen-graph' viewBox='0 0 {width} {height}'"
            f" width='{width}' height='{height}' style='{style}' role='img' aria-label='{quoted(title)}'>",
            f"<style>{STYLE}</style>",
            f"<rect class='paper' width='{width}' height='{height}' rx='8'/>",
            f"<g transform='translate({MARGIN:g} {MARGIN:g})'>",
            *parts,
            "</g>",
            "</svg>",
        ]
    )


def quoted(text: str) -> str:
    """Text for HTML and SVG, also inside quotes; control characters, which XML forbids, become question marks."""
    return escape("".join("?" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text))


# -- arrows ------------------------------------------------------------------------------------------------------------


def _arrow(pieces: list[Piece], parent: int, child: int) -> str:
    """Vertical pieces joined by curves, with a tip at the child, and a hidden one at the parent, for gradients."""
    path = f"M{pieces[0].x:.1f} {pieces[0].top:.1f}"
    for upper, lower in pairwise(pieces):
        if abs(upper.x - lower.x) > 0.05:  # else it goes straight on
            middle = (upper.bottom + lower.top) / 2
            path += f"V{upper.bottom:.1f}C{upper.x:.1f} {middle:.1f} "
            path += f"{lower.x:.1f} {middle:.1f} {lower.x:.1f} {lower.top:.1f}"
    path += f"V{pieces[-1].bottom - 4:.1f}"
    down, up = (pieces[-1].x, pieces[-1].bottom, 7), (pieces[0].x, pieces[0].top, -7)
    tips = [
        f"<path class='{kind}' d='M{x - 4:.1f} {y - h:.1f}L{x:.1f} {y:.1f}L{x + 4:.1f} {y - h:.1f}Z'/>"
        for kind, (x, y, h) in (("tip", down), ("tip back", up))
    ]
    line = f"<path class='arrow' d='{path}'/>"
    return f"<g class='edge' data-parent='{parent}' data-child='{child}'>{line}{''.join(tips)}</g>"


# -- boxes -------------------------------------------------------------------------------------------------------------


class _Box:
    """The lines of text of one box, and its size in pixels; without a step the note about nodes that are left out."""

    def __init__(self, step: Step | None, walk: Walk):
        self.number = step.number if step else 0
        self.title = f"{walk.left:,} earlier nodes are not shown"
        self.lines: list[tuple[str, str, str]] = []  # (class, what it is, numbers)
        shape, self.kind = "", "note"
        if step:
            self.title, shape = walk.graph.label(step.node), str(step.node.shape)
            self.kind = "leaf" if step.node.op is None else "root" if step.node is walk.graph.root else "inner"
        if step and walk.has_values:
            self.lines = _lines({"value": step.value, "gradient": step.gradient})
        self.label = self.title if len(self.title) <= LONGEST or not step else self.title[: LONGEST - 1] + "…"
        self.shape = f" {shape}" if shape else ""
        widest = max([columns(self.label + self.shape), *(9 + len(text) for _, _, text in self.lines)])
        self.width = widest * LETTER + 2 * PADDING
        self.height = LINE * (1 + len(self.lines)) + 2 * PADDING - 3

    def svg(self, x: float, y: float) -> str:
        round_corners = self.height / 2 if self.kind == "leaf" and not self.lines else 9 if self.kind == "leaf" else 4
        parts = [
            f"<g class='node {self.kind}' data-step='{self.number}'><title>{quoted(self.title + self.shape)}</title>",
            f"<rect class='box' x='{x:.1f}' y='{y:.1f}' width='{self.width:.1f}' height='{self.height:.1f}'"
            f" rx='{round_corners:g}'/>",
            f"<text x='{x + PADDING:.1f}' y='{y + PADDING + 9:.1f}'><tspan class='label'>{quoted(self.label)}</tspan>"
            f"<tspan class='faint'>{self.shape}</tspan></text>",
        ]
        for i, (kind, what, text) in enumerate(self.lines, 1):
            line = y + PADDING + 9 + i * LINE
            parts.append(f"<text class='{kind}' x='{x + PADDING:.1f}' y='{line:.1f}'>{what:<9}{text}</text>")
        return "".join([*parts, "</g>"])


def _lines(arrays: dict[str, ndarray | None]) -> list[tuple[str, str, str]]:
    """The lines of a box for its value and its gradient, in columns of the same width."""
    tables = {name: None if a is None else numbers.table(a, *IN_A_BOX) for name, a in arrays.items()}
    texts = {name: [[numbers.number(x, 3) for x in row] for row in t] for name, t in tables.items() if t is not None}
    widths = [max(map(len, column)) for column in zip(*(row for rows in texts.values() for row in rows))]
    lines = []
    for name, array in arrays.items():
        if array is None:
            lines.append(("faint", name, "not kept"))
            continue
        inside = [f"{what:<4} {text}" for what, text in numbers.summary(array)]
        if name in texts:
            inside = ["  ".join(f"{entry:>{width}}" for entry, width in zip(row, widths)) for row in texts[name]]
        lines += [(name, "" if i else name, text) for i, text in enumerate(inside)]
    return lines


def columns(text: str) -> int:
    """How many places of a monospaced font a text takes: two for each wide character."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
