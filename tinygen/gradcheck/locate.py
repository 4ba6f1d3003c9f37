"""The entry that is to blame for a failure along a random direction, found by bisection."""

from collections.abc import Callable

import numpy as np

from tinygen.gradcheck.moves import Moves

Probe = Callable[[np.ndarray], tuple[float, float]]  # a tangent -> its slope by the rules and by differences


def largest_gap(moves: Moves, tangent: np.ndarray, sides: Probe) -> tuple[int, ...]:
    """The entry of the argument for which the two sides differ most."""

    def gap(part: np.ndarray) -> float:
        analytic, numerical = sides(_restricted(tangent, part))
        gap = abs(analytic - numerical)
        return np.inf if np.isnan(gap) else gap

    return _halve(moves.x, lambda halves: max(halves, key=gap))


def kinked_entry(moves: Moves, tangent: np.ndarray, block: slice) -> tuple[int, ...]:
    """The entry of the argument along which an output in `block` has a kink."""

    def has_kink(part: np.ndarray) -> bool:
        return bool(moves.refined(_restricted(tangent, part)).kinked[block].any())

    return _halve(moves.x, lambda halves: next((half for half in halves[:-1] if has_kink(half)), halves[-1]))


def _restricted(tangent: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The tangent with zeros everywhere but in `part`; a single entry moves by 1."""
    t = np.zeros(tangent.shape)
    t.flat[part] = tangent.flat[part] if len(part) > 1 else 1
    return t


def _halve(x: np.ndarray, choose: Callable[[list[np.ndarray]], np.ndarray]) -> tuple[int, ...]:
    part = np.arange(x.size)
    while len(part) > 1:
        part = choose(np.array_split(part, 2))
    return tuple(int(i) for i in np.unravel_index(part[0], x.shape))
