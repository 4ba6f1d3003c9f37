"""How the outputs of a point change with one argument: the directions, the units and the steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.gradcheck.differences import Slope, few_bits, first_change, five_points, grain, ladder
from tinygen.gradcheck.limits import EPS, FAR, FLOOR, LADDER, ORDINARY, SAME, STEP, TINY
from tinygen.gradcheck.point import Exact, Point, normal


class Moves:
    """The slopes of all outputs as argument j moves along tangents of length 1 in `units`, one unit for each entry.

    The tangents are random; if the argument has at most `full` entries, the unit vectors follow.
    """

    def __init__(
        self, point: Point, j: int, rng: np.random.Generator, *, full: int, directions: int, exact: Exact | None = None
    ):
        self.f, self.x, self.center = point.along(j), point.arrays[j], point.center
        self.exact = exact and (lambda t, nudge=0.0: exact(j, t, nudge))
        x = self.x
        self.units = units_of(x)
        random = [normal(rng, x.shape) for _ in range(directions)]
        single = x.size <= full
        self.tangents = [few_bits(t / max(np.linalg.norm(t), FLOOR)) for t in random]
        self.tangents += list(np.eye(x.size).reshape(x.size, *x.shape)) if single else []
        self.entries = [None] * directions + (list(np.ndindex(x.shape)) if single else [])
        self._known: dict[tuple, Any] = {}
        self.slopes = [self.slope(t) for t in self.tangents]

    @property
    def ordinary(self) -> bool:
        return bool(np.all(self.units == 1))

    def slope(self, t: np.ndarray, h: float = STEP) -> Slope:
        """J t of all outputs with one step."""
        t = t * self.units
        return self.exact(t) if self.exact else five_points(self.f, self.x, t, self.center, h)

    def far(self, t: np.ndarray) -> Slope:
        """J t of all outputs with a large step."""
        return self._once((FAR, t.tobytes()), lambda: self.slope(t, FAR))

    def grain(self, t: np.ndarray) -> np.ndarray:
        """The smallest change other than 0 that the outputs show along t, near x and far from it."""
        moved = t * self.units
        return self._once(("grain", t.tobytes()), lambda: grain(self.f, self.x, moved, self._reach(moved)))

    def first_change(self, t: np.ndarray) -> np.ndarray:
        """The smallest change other than 0 that the outputs show next to x along t; infinite if none."""
        moved = t * self.units
        return self._once(("change", t.tobytes()), lambda: first_change(self.f, self.x, moved, self.center))

    def _ladder(self, t: np.ndarray, powers: range) -> Slope:
        return self._once((powers, t.tobytes()), lambda: ladder(self.f, self.x, t, self.center, powers))

    def _once(self, key: tuple, compute: Callable[[], Any]) -> Any:
        """Computed for all outputs when the first of them needs it."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def _reach(self, t: np.ndarray) -> float:
        reach = _smallest_ratio(self.x, t)
        return reach if np.isfinite(reach) else 1.0

    def settled(self, t: np.ndarray) -> Slope:
        """J t with one step if half the step gives the same, else with the best of many steps."""
        wide, narrow = (five_points(self.f, self.x, t * self.units, self.center, h) for h in (STEP, STEP / 2))
        gap, size = (np.max(np.abs(part), initial=0) for part in (wide.value - narrow.value, wide.value))
        return wide if gap <= SAME * size and (size or self.ordinary) else self.refined(t)

    def refined(self, t: np.ndarray, expected: float = 1.0) -> Slope:
        """J t with the best of many steps; `expected` is a step over which f varies as much as it is large."""
        t = t * self.units
        if self.exact:  # its doubt is how much it changes if each input changes by its rounding
            here, there = self.exact(t), self.exact(t, EPS)
            return here._replace(doubt=here.doubt + np.abs(there.value - here.value))
        nearest, *others = _ladders([1.0, 1 / np.max(self.units), _smallest_ratio(self.x, t), expected])
        found = self._ladder(t, nearest)
        for powers in others:
            slope = self._ladder(t, powers)
            better = ~found.resolved & found.allows(slope) & (slope.doubt < found.doubt)
            still = np.maximum(found.still, slope.still)
            found = slope.where(better, found)._replace(still=still)
        return found


def units_of(x: np.ndarray) -> np.ndarray:
    """A power of two for each entry: 1 in an ordinary array, else near the largest one; a tiny entry has its own."""
    size = np.abs(x, where=np.isfinite(x), out=np.zeros(x.shape))
    largest = size.max(initial=0)
    if largest == 0 or ORDINARY[0] <= largest <= ORDINARY[1]:
        whole = 1.0
    else:
        whole = _power(largest)
    return np.where((size >= whole * TINY) | (size == 0), whole, _power(np.where(size == 0, 1, size)))


def _power(x):
    """The power of two below x."""
    return np.ldexp(0.5, np.frexp(x)[1])


def _smallest_ratio(x: np.ndarray, t: np.ndarray) -> float:
    """The step at which the first entry has moved by its own size."""
    moves = (x != 0) & (t != 0) & np.isfinite(x)
    return float(np.min(np.abs(x[moves] / t[moves]), initial=np.inf))


def _ladders(sizes: list[float]) -> list[range]:
    """The powers of LADDER below each size, from small to large; ladders that overlap become one."""
    powers = {round(np.log2(size)) for size in sizes if 0 < size < np.inf}
    found: list[range] = []
    for power in sorted(powers):
        steps = range(max(LADDER.start + power, -1070), min(LADDER.stop + power, 1020))
        if found and steps.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(steps.stop, found[-1].stop))
        elif steps:
            found.append(steps)
    return found
