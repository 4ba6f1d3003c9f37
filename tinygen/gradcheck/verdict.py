"""Describing a wrong derivative: its Jacobian is compared with the true one, and the kind of mistake is named.

Every phrase completes the sentence "its derivative in x ...".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations, permutations

import numpy as np

from tinygen.gradcheck.limits import FULL, SAME
from tinygen.gradcheck.moves import Moves
from tinygen.gradcheck.point import Point, normal

SEVERAL = 3  # entries of a Jacobian that agree on a factor before any number is called one
COLUMNS = 4 * FULL  # number of entries of the argument that are examined; a random choice if it has more


@dataclass
class Picture:
    """Two Jacobians / `scale`, entries of the argument across: (R, C). The first `units` rows are single outputs."""

    rule: np.ndarray
    truth: np.ndarray
    scale: float
    units: int
    columns: np.ndarray  # (C,): flat indices into the argument
    shape: tuple[int, ...]  # of the argument
    output: tuple[int, ...]  # shape
    doubled: float  # how many times larger the gradient gets when the incoming one is doubled; 0 if it stays the same
    others: dict[str, np.ndarray]  # the true Jacobians in other arguments of this shape

    @property
    def whole(self) -> bool:
        return len(self.columns) == math.prod(self.shape)

    def entry(self, column: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(self.columns[column], self.shape))


def words(point: Point, k: int, j: int, names: list[str], rng: np.random.Generator) -> str:
    """What is wrong with the gradient of output k in argument j."""
    shape, g = point.arrays[j].shape, normal(rng, point.outputs[k].shape)
    found = point.pull(k, g)[j].shape
    if found != shape:
        return f"has the wrong shape, {found} for an argument of {shape}" + _unsummed(found, shape)
    if not g.size:
        return "is not zero, though the output has no entries"
    picture = _picture(point, k, j, names, rng)
    return next(phrase for mistake in MISTAKES if (phrase := mistake(picture)))


def _unsummed(found: tuple[int, ...], shape: tuple[int, ...]) -> str:
    try:
        repeated = np.broadcast_shapes(found, shape) == found
    except ValueError:
        return ""
    return ": the sum over the broadcast axes is missing" if repeated else ""


def _picture(point: Point, k: int, j: int, names: list[str], rng: np.random.Generator) -> Picture:
    x, y = point.arrays[j], point.outputs[k]
    columns = np.arange(x.size) if x.size <= COLUMNS else np.sort(rng.choice(x.size, COLUMNS, replace=False))
    units, cotangents = y.size, np.eye(y.size) if y.size <= FULL else None
    if cotangents is None:  # the outputs that move most, and some mixtures of all
        some = columns[:: -(-len(columns) // FULL)]
        moved = {int(np.abs(slope).argmax()) for slope in _slopes(point, k, j, some)}
        units, cotangents = len(moved), np.concatenate([_rows(sorted(moved), y.size), normal(rng, (8, y.size))])
    rule = np.array([point.pull(k, g)[j].reshape(-1)[columns] for g in cotangents])
    truth = _jacobian(point, k, j, columns, cotangents)
    scale = max(np.max(np.abs(a), where=np.isfinite(a), initial=0) for a in (rule, truth)) or 1.0
    same_shape = [i for i, other in enumerate(point.arrays) if i != j and other.shape == x.shape]
    g = normal(rng, y.shape)
    once, twice = point.pull(k, g)[j], point.pull(k, 2 * g)[j]
    return Picture(
        rule=rule / scale,
        truth=truth / scale,
        scale=float(scale),
        units=units,
        columns=columns,
        shape=x.shape,
        output=y.shape,
        doubled=0 if np.array_equal(once, twice) else 2 if _same(twice, 2 * once) else np.nan,
        others={names[i]: _jacobian(point, k, i, columns, cotangents) / scale for i in same_shape},
    )


def _rows(which: list[int], size: int) -> np.ndarray:
    """These rows of the identity matrix, without the whole of it, which may not fit into memory."""
    rows = np.zeros((len(which), size))
    rows[np.arange(len(which)), which] = 1
    return rows


def _jacobian(point: Point, k: int, j: int, columns: np.ndarray, cotangents: np.ndarray) -> np.ndarray:
    """The weighted sums of output k by some entries of argument j: (R, C)."""
    return np.array([cotangents @ slope for slope in _slopes(point, k, j, columns)]).T


def _slopes(point: Point, k: int, j: int, columns: np.ndarray) -> Iterator[np.ndarray]:
    """The derivative of output k, flat, by each of these entries of argument j in turn."""
    x = point.arrays[j]
    moves = Moves(point, j, np.random.default_rng(0), full=0, directions=0)
    for column in columns:
        t = np.zeros(x.shape)
        t.flat[column] = 1
        yield moves.settled(t).value[point.blocks[k]] / moves.units.flat[column]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max(initial=0) <= SAME * np.abs(b).max(initial=0))


# -- the mistakes, from the most common to the rarest ------------------------------------------------------------------


def _not_finite(p: Picture) -> str:
    bad = ~np.isfinite(p.rule)
    if not bad.any():
        return ""
    row, column = np.argwhere(bad)[0]
    return f"is not finite: {p.rule[row, column]} at entry {p.entry(column)}"


def _nonlinear(p: Picture) -> str:
    if p.doubled == 0 and p.rule.any():
        return "ignores the incoming gradient: it stays the same whatever that is"
    return "" if p.doubled in (0, 2) else "is not linear in the incoming gradient: twice that doesn't give twice this"


def _zero(p: Picture) -> str:
    if not p.truth.any():
        return f"reaches up to {p.scale * np.abs(p.rule).max():.3g}; it should be zero"
    return "" if p.rule.any() else f"is zero; it should reach up to {p.scale * np.abs(p.truth).max():.3g}"


def _sign(p: Picture) -> str:
    return "has the wrong sign" if _same(p.rule, -p.truth) else ""


def _factor(p: Picture) -> str:
    """One factor for all entries. In one or two entries it may be chance, unless it is 2, 1/2 or a size."""
    unit = np.max(np.abs(p.truth))  # its square may be too small for a float
    factor = float(np.vdot(p.truth / unit, p.rule) / np.vdot(p.truth / unit, p.truth / unit) / unit)
    if not _same(p.rule, factor * p.truth):
        return ""
    simple = Fraction(factor).limit_denominator(4096)
    name = str(simple) if abs(float(simple) - factor) < SAME * abs(factor) else f"{factor:.9g}"
    sizes = {n: f"the length of axis {i} of the output" for i, n in enumerate(p.output)}
    sizes |= {n: f"the length of its axis {i}" for i, n in enumerate(p.shape)}
    sizes |= {math.prod(p.output): "the size of the output", math.prod(p.shape): "the size of the argument"}
    hints = [f" ({n} is also {what})" for n, what in sizes.items() if n > 1 and abs(simple) in (n, Fraction(1, n))]
    agreeing = (np.abs(p.truth) > SAME * unit).sum()
    if agreeing < SEVERAL and not hints and abs(simple) not in (2, Fraction(1, 2)):
        return ""
    return f"is off by a constant factor: it is {name} times what it should be" + "".join(hints[:1])


def _swapped(p: Picture) -> str:
    return next((f"is the one that belongs to {name}" for name, truth in p.others.items() if _same(p.rule, truth)), "")


def _transposed(p: Picture) -> str:
    """The gradient as an array with its axes in another order or direction, or Jg where Jᵀg belongs."""
    if not p.whole:
        return ""
    rows, axes = len(p.rule), range(len(p.shape))
    truth = p.truth.reshape(rows, *p.shape)
    for order in permutations(axes):
        if order != tuple(axes) and _same(p.rule, truth.transpose(0, *(i + 1 for i in order)).reshape(rows, -1)):
            return f"is transposed: its axes come in the order {order}"
    for some in chain.from_iterable(combinations(axes, n + 1) for n in axes):
        if _same(p.rule, np.flip(truth, tuple(i + 1 for i in some)).reshape(rows, -1)):
            return f"is flipped along axes {some}"
    if p.units == rows == p.rule.shape[1] and _same(p.rule, p.truth.T):
        return "is transposed: it multiplies by the Jacobian, where its transpose belongs"
    return ""


def _lost(p: Picture) -> str:
    """Right where it is not zero, but zero in places where it should not be."""
    rule, truth = p.rule[: p.units], p.truth[: p.units]
    there, here = np.abs(truth) > SAME * np.abs(truth).max(initial=0), rule != 0
    lost = there & ~here
    if not lost.any() or not here.any():
        return ""
    share = f"{lost.sum()} of {there.sum()} entries of the Jacobian are 0 that are not"
    if not _same(np.where(lost, truth, rule), truth):
        return f"lacks a path: {share}, and others are off, as when the way through a mean or a sum is forgotten"
    if len(p.shape) < len(p.output) or any(n == 1 < m for n, m in zip(p.shape[::-1], p.output[::-1])):
        share += "; the sum over a broadcast axis is missing"
    elif (there.sum(axis=0) > 1).any():
        share += "; an entry that is used several times must get the sum of all shares"
    return f"lacks contributions: {share}"


def _entries(p: Picture) -> str:
    gap = np.abs(p.rule - p.truth)
    wrong = gap.max(axis=0) > SAME * np.abs(p.truth).max(initial=0)
    if not wrong.any() or 4 * wrong.sum() > wrong.size:
        return ""
    named = ", ".join(str(p.entry(c)) for c in np.flatnonzero(wrong)[:4]) + (", ..." if wrong.sum() > 4 else "")
    return f"differs in {wrong.sum()} of {wrong.size} entries: {named}"


def _term(p: Picture) -> str:
    """A difference of rank 1 is an outer product: one sum that was forgotten, spread over all entries."""
    gap = p.rule - p.truth
    if min(gap.shape) < 3 or (np.abs(gap) > SAME * np.abs(gap).max()).sum(axis=1).max() < 2:
        return ""  # few entries, or each output differs in one place only: an op that works entry by entry
    sizes = np.linalg.svd(gap, compute_uv=False)
    if sizes[1] > 1e-6 * sizes[0]:
        return ""
    return "lacks a term that all entries share, as when the way through a mean or a sum is forgotten"


def _elsewhere(p: Picture) -> str:
    if _same(p.rule, p.truth):
        return "is right in the entries that were looked at, but not in all"
    row, column = (int(i) for i in np.unravel_index(np.abs(p.rule - p.truth).argmax(), p.rule.shape))
    rule, truth = p.scale * p.rule[row, column], p.scale * p.truth[row, column]
    return f"differs, most at entry {p.entry(column)}: the rule gives {rule:.9g}, the differences {truth:.9g}"


MISTAKES = (_not_finite, _nonlinear, _zero, _sign, _factor, _swapped, _transposed, _lost, _entries, _term, _elsewhere)
