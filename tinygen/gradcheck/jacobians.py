"""The Jacobian of a derivative that was checked, by differences and by the rules, as arrays for a picture."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.gradcheck.examining import examining
from tinygen.gradcheck.limits import FULL
from tinygen.gradcheck.moves import Moves
from tinygen.gradcheck.point import Arrays, Point, first, names_of, normal, second
from tinygen.gradcheck.report import Row


class Jacobian(NamedTuple):
    """∂y/∂x of one output by all arguments: rows are entries of y, columns entries of the arguments in turn.

    Of an output or an argument with more than 64 entries it is the part around the entry that failed.
    """

    numerical: np.ndarray  # (R, C)
    analytic: np.ndarray  # (R, C); NaN where the rule returned an array of another shape
    kinked: np.ndarray  # (R, C): True where the slopes to both sides differ
    rows: np.ndarray  # (R,): which entries of the output, flat
    columns: dict[str, np.ndarray]  # by argument, in order: which of its entries, flat
    output: str  # "y" at order 1, "∂y/∂x" at order 2


def jacobian(f: Callable, arrays: Arrays, row: Row, seed: int) -> Jacobian:
    """The Jacobian that this row of a report is about."""
    with examining():
        names = names_of(f, len(arrays))
        if row.order == 1:
            point, k, output = first(f, arrays), row.output, "y"
        else:
            g = normal(np.random.default_rng(seed), first(f, arrays).outputs[row.output].shape)
            point, k, output = second(f, arrays, row.output, g), row.argument, f"∂y/∂{names[row.argument]}"
            names = [*names, "cotangent"]
        failed = next(j for j, name in enumerate(names) if name == (row.name if row.order == 1 else row.by))
        return _around(point, k, names, failed, row.entry, output)


def _around(
    point: Point, k: int, names: list[str], failed: int, entry: tuple[int, ...] | None, output: str
) -> Jacobian:
    """All arguments side by side, cut to the part around one entry of the argument that failed."""
    block, shapes = point.blocks[k], [x.shape for x in point.arrays]
    at = [int(np.ravel_multi_index(entry, s)) if entry and j == failed else 0 for j, s in enumerate(shapes)]
    columns = [_window(x.size, i) for x, i in zip(point.arrays, at)]
    moves = [Moves(point, j, np.random.default_rng(0), full=0, directions=0) for j in range(len(shapes))]
    rows = np.arange(block.stop - block.start)
    if len(rows) > FULL:  # around the output that the failed entry moves most
        slope = _slope(moves[failed], at[failed], block)[0] if point.arrays[failed].size else np.zeros(1)
        rows = _window(len(rows), int(np.abs(np.nan_to_num(slope)).argmax()))
    slopes = [_slope(move, c, block) for move, some in zip(moves, columns) for c in some]
    numerical, kinked = (np.array([s[i][rows] for s in slopes]).T.reshape(len(rows), -1) for i in (0, 1))
    analytic = np.array([_pulled(point, k, r, block.stop - block.start, columns) for r in rows])
    shown = {name: some for name, some in zip(names, columns)}
    return Jacobian(numerical, analytic.reshape(numerical.shape), kinked.astype(bool), rows, shown, output)


def _window(size: int, at: int) -> np.ndarray:
    """Up to FULL neighbouring indices below `size`, with `at` near their middle."""
    start = max(0, min(at - FULL // 2, size - FULL))
    return np.arange(start, min(size, start + FULL))


def _slope(moves: Moves, column: int, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """The derivative of an output, flat, by one entry of the argument; and where it has a kink."""
    t = np.zeros(moves.x.shape)
    t.flat[column] = 1
    slope = moves.settled(t)
    return slope.value[block] / moves.units.flat[column], slope.kinked[block]


def _pulled(point: Point, k: int, row: int, size: int, columns: list[np.ndarray]) -> np.ndarray:
    """One row of the Jacobian by the rules, for these entries of each argument."""
    g = np.zeros(size)
    g[row] = 1
    parts = []
    with np.errstate(all="ignore"):
        pulled = point.pull(k, g)
    for x, d, some in zip(point.arrays, pulled, columns):
        parts.append(d.reshape(-1)[some] if d.shape == x.shape else np.full(len(some), np.nan))
    return np.concatenate(parts)
