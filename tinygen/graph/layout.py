"""Where the boxes and arrows of a graph go: rows by longest path, few crossings, lines as straight as possible.

The three steps are those of Sugiyama, Tagawa and Toda (1981). An arrow that passes a row has a narrow place of its own
there, a lane, so arrows never run through boxes.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

LANE = 6.0  # the width of a lane in pixels; the gap between neighbours in a row is added to it
GAP_X, GAP_Y = 18.0, 34.0  # pixels between boxes: side by side, and between rows


@dataclass(frozen=True)
class Piece:
    """A vertical piece of an arrow, in pixels from the upper left corner; curves join the pieces of an arrow."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Layout:
    """Pixels from the upper left corner: the corner (x, y) of each box, the pieces of each arrow, the whole size."""

    corners: list[tuple[float, float]]
    arrows: list[list[Piece]]
    width: float
    height: float


def layered(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]) -> Layout:
    """Place boxes of `sizes` (width, height) so that each arrow (parent, child) points down.

    A parent must have a smaller number than its child, as it has in the order of computation. Several arrows between
    the same boxes are placed side by side.
    """
    items = _Items([width for width, _ in sizes], edges)
    items.uncross()
    x = items.straighten()
    heights = [max((sizes[i][1] for i in row if i < len(sizes)), default=0.0) for row in items.rows]
    tops = [0.0, *accumulate(height + GAP_Y for height in heights)]
    middles = [top + height / 2 for top, height in zip(tops, heights)]
    left = min((x[i] - items.widths[i] / 2 for i in range(len(x))), default=0.0)
    right = max((x[i] + items.widths[i] / 2 for i in range(len(x))), default=0.0)
    x = [each - left for each in x]

    def vertical(item: int, port: float = 0.0) -> Piece:
        row = items.row_of[item]
        return Piece(x[item] + port, tops[row], tops[row] + heights[row])

    arrows = []
    for (a, b), chain, port in zip(edges, items.chains, _ports(x, items.chains, items.widths)):
        pieces = [vertical(item, port if item == b else 0.0) for item in chain]
        first, last = pieces[0], pieces[-1]
        pieces[0] = Piece(first.x, middles[items.row_of[a]] + sizes[a][1] / 2, first.bottom)
        pieces[-1] = Piece(last.x, last.top, middles[items.row_of[b]] - sizes[b][1] / 2)
        arrows.append(pieces)
    corners = [(x[i] - w / 2, middles[items.row_of[i]] - h / 2) for i, (w, h) in enumerate(sizes)]
    return Layout(corners, arrows, right - left, tops[-1] - GAP_Y if items.rows else 0.0)


def _ports(x: list[float], chains: list[list[int]], widths: list[float]) -> list[float]:
    """Where each arrow meets its child, as a distance from the middle: side by side, in the order of their origins."""
    arriving: dict[int, list[int]] = {}
    for edge, chain in enumerate(chains):
        arriving.setdefault(chain[-1], []).append(edge)
    ports = [0.0] * len(chains)
    for child, edges in arriving.items():
        edges.sort(key=lambda edge: x[chains[edge][-2]])
        distance = min(26.0, (widths[child] - 16) / len(edges))
        for place, edge in enumerate(edges):
            ports[edge] = (place - (len(edges) - 1) / 2) * distance
    return ports


@dataclass
class _Items:
    """The boxes, by number, and after them the lanes; with the rows that they are in, from left to right."""

    widths: list[float]
    edges: Sequence[tuple[int, int]]
    row_of: list[int] = field(init=False)
    rows: list[list[int]] = field(init=False)
    chains: list[list[int]] = field(init=False)  # for each edge the parent, the lanes, the child

    def __post_init__(self):
        self.boxes = len(self.widths)
        above: list[int] = [0] * self.boxes  # the rows below each box: the longest way down
        for a, b in sorted(self.edges, key=lambda edge: -edge[1]):
            above[a] = max(above[a], above[b] + 1)
        last = max(above, default=-1)
        self.row_of = [last - rows for rows in above]  # as low as possible: a variable is right above its first use
        lanes: dict[tuple[int, int], int] = {}  # one for all arrows from a box that pass a row
        self.chains = []
        for a, b in self.edges:
            chain = [a]
            for row in range(self.row_of[a] + 1, self.row_of[b]):
                if (a, row) not in lanes:
                    lanes[a, row] = len(self.widths)
                    self.widths.append(LANE)
                    self.row_of.append(row)
                chain.append(lanes[a, row])
            self.chains.append([*chain, b])
        self.up: list[list[int]] = [[] for _ in self.widths]  # the neighbours of each item in the row above
        self.down: list[list[int]] = [[] for _ in self.widths]
        for link in dict.fromkeys(link for chain in self.chains for link in pairwise(chain)):
            self.down[link[0]].append(link[1])
            self.up[link[1]].append(link[0])
        self.rows = [[] for _ in range(last + 1)]
        for item in self._from_below():
            self.rows[self.row_of[item]].append(item)

    def _from_below(self) -> list[int]:
        """Every item, in the order of a walk up from the last box: what belongs together begins side by side."""
        found: dict[int, None] = {}
        for start in reversed(range(self.boxes)):
            todo = [] if self.down[start] else [start]
            while todo:
                item = todo.pop()
                if item not in found:
                    found[item] = None
                    todo += reversed(self.up[item])
        return list(found)

    def uncross(self, sweeps: int = 12) -> None:
        """Sort each row by the mean place of its neighbours, down and up in turn; keep the order that crosses least."""
        best, fewest = [*map(list, self.rows)], self._crossings()
        for sweep in range(sweeps):
            if not fewest:
                break
            neighbours = self.down if sweep % 2 else self.up
            place = {item: float(i) for row in self.rows for i, item in enumerate(row)}
            for row in reversed(self.rows) if sweep % 2 else self.rows:
                means = {i: sum(place[j] for j in neighbours[i]) / len(neighbours[i]) for i in row if neighbours[i]}
                row.sort(key=lambda item: means.get(item, place[item]))
                place.update((item, float(i)) for i, item in enumerate(row))
            if (crossings := self._crossings()) < fewest:
                best, fewest = [*map(list, self.rows)], crossings
        self.rows = best

    def _crossings(self) -> int:
        count = 0
        for upper, lower in pairwise(self.rows):
            place, ends = {item: i for i, item in enumerate(lower)}, []
            for item in upper:
                here = sorted(place[other] for other in self.down[item])
                count += sum(len(ends) - bisect_right(ends, end) for end in here)
                for end in here:
                    insort(ends, end)
        return count

    def straighten(self, sweeps: int = 60) -> list[float]:
        """The middle of each item in pixels: near the middle of its neighbours, in order, GAP_X apart."""
        x = [0.0] * len(self.widths)
        for sweep in range(sweeps):
            for row in reversed(self.rows) if sweep % 2 == 0 else self.rows:  # from the last box up first
                wanted, weights = [], []
                for item in row:
                    near = [(x[other], self._pull(item, other)) for other in self.up[item] + self.down[item]]
                    weights.append(sum(pull for _, pull in near) or 1e-3)
                    wanted.append(sum(place * pull for place, pull in near) / weights[-1] if near else x[item])
                for item, place in zip(row, self._in_order(row, wanted, weights)):
                    x[item] = place
        return x

    def _pull(self, item: int, other: int) -> float:
        """How much a crooked line between two items disturbs: most between two lanes."""
        return (1.0, 3.0, 9.0)[(item >= self.boxes) + (other >= self.boxes)]

    def _in_order(self, row: list[int], wanted: list[float], weights: list[float]) -> list[float]:
        """The places nearest to the wanted ones, in weighted squares, that keep the order and the gaps of a row.

        Without the gaps this is isotonic regression: neighbours in the wrong order share their mean.
        """
        offsets = [0.0, *accumulate((self.widths[a] + self.widths[b]) / 2 + GAP_X for a, b in pairwise(row))]
        blocks: list[tuple[float, float, int]] = []  # (mean, weight, number of items)
        for place, weight, offset in zip(wanted, weights, offsets):
            mean, count = place - offset, 1
            while blocks and blocks[-1][0] >= mean:
                other, mass, more = blocks.pop()
                mean, weight, count = (mean * weight + other * mass) / (weight + mass), weight + mass, count + more
            blocks.append((mean, weight, count))
        places = [mean for mean, _, count in blocks for _ in range(count)]
        return [place + offset for place, offset in zip(places, offsets)]
