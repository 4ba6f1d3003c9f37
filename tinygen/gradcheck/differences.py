"""What a function does when its input moves along t: by five points, by many steps where those fail, by complex steps.

All functions here take and return plain arrays; outputs are flat, shape (M,).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.gradcheck.limits import COMPLEX_STEP, EPS, STEP

Function = Callable[[np.ndarray], np.ndarray]

_LADDER = STEP * 2.0 ** np.arange(7, -14, -1)  # from 0.09 down to 9e-8


class Slope(NamedTuple):
    """J t, flat (M,), and how far to believe it."""

    value: np.ndarray
    doubt: np.ndarray  # how far each entry may be off
    bent: np.ndarray  # where the function has a corner: its slopes to the left and to the right differ
    step: float

    def cut(self, block: slice) -> "Slope":
        """The same for some of the outputs."""
        return Slope(self.value[block], self.doubt[block], self.bent[block], self.step)


def five_points(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray) -> Slope:
    """(f(x-2ht) - 8f(x-ht) + 8f(x+ht) - f(x+2ht)) / 12h; `center` is f(x)."""
    with np.errstate(all="ignore"):  # a step over the edge of the domain makes a NaN, and that is an answer
        return _slope(center, _pair(f, x, t, STEP), _pair(f, x, t, 2 * STEP), STEP)


def best_of_ladder(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray) -> Callable[[slice], Slope]:
    """Five points with 20 steps; then, for any block of the output, the step whose neighbours agree with it best.

    Large steps suffer from curvature, small ones from rounding, and both from kinks that they step over; where three
    steps in a row give one answer, none of them does. What they still differ by is the doubt.
    """
    with np.errstate(all="ignore"):
        pairs = [_pair(f, x, t, h) for h in _LADDER]
        slopes = [_slope(center, near, far, h) for far, near, h in zip(pairs, pairs[1:], _LADDER[1:])]
        jumps = np.abs(np.diff([s.value for s in slopes], axis=0))
        doubts = jumps[1:] + jumps[:-1] + [s.doubt for s in slopes[1:-1]]  # against both neighbours, and rounding
        doubts[np.isnan(doubts)] = np.inf

    def best(block: slice) -> Slope:
        i = int(doubts[:, block].max(axis=1, initial=0).argmin())
        return slopes[i + 1].cut(block)._replace(doubt=doubts[i, block])

    return best


def complex_step(oracle: Function, x: np.ndarray, t: np.ndarray) -> Slope:
    """Im f(x + iht) / h, exact to rounding for an analytic f (Squire & Trapp 1998)."""
    y = oracle(x + 1j * COMPLEX_STEP * t)
    if y.dtype.kind != "c":
        raise TypeError(
            f"check: oracle answers {y.dtype} to complex input, so it can't show a complex step: "
            "write it with analytic functions only (no abs, real, maximum, comparisons), or leave it away"
        )
    value = y.imag / COMPLEX_STEP
    return Slope(value, EPS * np.abs(value), np.zeros(value.shape, bool), COMPLEX_STEP)


def _pair(f: Function, x: np.ndarray, t: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    return f(x - h * t), f(x + h * t)


def _slope(center: np.ndarray, near: tuple, far: tuple, h: float) -> Slope:
    value = (8 * (near[1] - near[0]) - (far[1] - far[0])) / (12 * h)
    rounding = EPS * np.max(np.abs([center, *near, *far]), axis=0) / h
    # The two one-sided slopes differ by h f'' where f is smooth, so half as much at half the step. At a kink they
    # differ by the same at any step.
    bend, wider = (np.abs(a + b - 2 * center) / k for (a, b), k in ((near, h), (far, 2 * h)))
    visible = 1e-5 * np.max(np.abs(value), initial=0) + 1e4 * rounding
    return Slope(value, 4 * rounding, (bend > 0.75 * wider) & (bend > visible), h)
