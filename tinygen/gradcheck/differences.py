"""The slope of a function along a tangent t: by five points, by a ladder of steps, or by complex steps.

Steps are powers of two and tangents have few bits (`few_bits`), so every point x + ht is a float, and the difference is
divided by exactly the step that was taken. All functions here take and return plain arrays; outputs have shape (M,).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np

from tinygen.gradcheck.limits import (
    AHEAD,
    BITS,
    COMPLEX_STEP,
    EPS,
    FAR,
    GRAINS,
    KINK,
    PLACES,
    PLATEAU,
    RESOLVED,
    STEP,
    STEPS,
    TRUST,
)

Function = Callable[[np.ndarray], np.ndarray]


class Slope(NamedTuple):
    """J t and how accurate it is; each field has shape (M,)."""

    value: np.ndarray
    doubt: np.ndarray  # how far each entry may be off
    kinked: np.ndarray  # where the function has a kink: its slopes to the left and to the right differ
    gap: np.ndarray  # by how much they differ
    noise: np.ndarray  # how far values of f may be off
    size: np.ndarray  # the largest |f| at the points that were used
    step: np.ndarray
    still: np.ndarray  # the largest step that leaves f bit-equal, at least to one side; 0 if every step changes it

    def cut(self, block: slice, units: np.ndarray) -> "Slope":
        """The same for some of the outputs, measured in `units`."""
        value, doubt, kinked, gap, noise, size, step, still = (field[block] for field in self)
        return Slope(value / units, doubt / units, kinked, gap / units, noise / units, size / units, step, still)

    def where(self, condition: np.ndarray, other: "Slope") -> "Slope":
        """This slope for the outputs where `condition` is true, the other slope elsewhere."""
        return Slope(*(np.where(condition, a, b) for a, b in zip(self, other)))

    def allows(self, other: "Slope") -> np.ndarray:
        """Where the other slope is no further off than this one may be."""
        return np.abs(other.value - self.value) <= TRUST * self.doubt

    def with_grain(self, grain: np.ndarray) -> "Slope":
        """The same for outputs whose values have gaps of this size."""
        return self._replace(doubt=self.doubt + 4 * grain / self.step)

    @property
    def resolved(self) -> np.ndarray:
        return ~self.kinked & (self.doubt < RESOLVED * np.abs(self.value))


def few_bits(t: np.ndarray) -> np.ndarray:
    """t with its components rounded to BITS binary digits."""
    mantissa, exponent = np.frexp(t)
    return np.ldexp(np.rint(np.ldexp(mantissa, BITS)), exponent - BITS)


def five_points(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray, h: float = STEP) -> Slope:
    """(f(x-2ht) - 8f(x-ht) + 8f(x+ht) - f(x+2ht)) / 12h; `center` is f(x), and the doubt is rounding alone."""
    with np.errstate(all="ignore"):  # a step out of the domain gives NaN, which is a result
        return _slope(center, _pair(f, x, t, h), _pair(f, x, t, 2 * h), h)


def ladder(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray, powers: Iterable[int]) -> Slope:
    """Five points with every step 2^power, from small to large; for each output the most accurate one.

    Small steps suffer from rounding, large ones from curvature. In between is a plateau, where neighbouring steps
    agree. The slope is the one with the smallest doubt on the first plateau. Larger steps may show other plateaus: over
    a large step x + sin x looks like a straight line. So a plateau must not contradict smaller steps. Without a plateau
    the slope is that of the near step with the smallest doubt.
    """
    noise, still, zero = np.zeros((3, *center.shape))
    run, left = np.zeros(center.shape, int), np.zeros(center.shape, bool)
    with np.errstate(all="ignore"):
        slopes = _with_doubts(_slopes(f, x, t, center, powers))
        first = next(slopes)
        below = top = first._replace(doubt=np.where(first.step <= FAR, first.doubt, np.inf))  # below and on the plateau
        for slope in chain([first], slopes):
            resolved, near = slope.resolved, slope.step <= FAR
            still = np.where(near, np.maximum(still, slope.still), still)
            zero = np.where(near & (slope.value == 0), slope.step, zero)
            left |= (run >= PLATEAU) & ~resolved
            top = slope.where(~left & resolved & ((run == 0) | (slope.doubt < top.doubt)), top)
            run = np.where(left, run, np.where(resolved, run + 1, 0))
            below = slope.where((run == 0) & near & (slope.doubt < below.doubt), below)
            noise = np.where(near & (slope.step <= AHEAD * below.step), slope.noise, noise)
        doubt = np.maximum(below.doubt, 4 * noise / below.step)
        step = np.where(below.value == 0, np.maximum(below.step, zero), below.step)  # larger steps show 0 as well
        kinked = below.kinked & (below.gap > KINK * noise / below.step)  # else the gaps between values look like one
        below = below._replace(doubt=doubt, step=step, kinked=kinked)
        return top.where((run >= PLATEAU) & below.allows(top), below)._replace(still=still)


def _slopes(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray, powers: Iterable[int]) -> Iterator[Slope]:
    """One slope per step; its doubt is the noise of f, as far as smaller steps have shown it, over the step."""
    noise, near, before = np.zeros(center.shape), None, np.zeros((2, *center.shape))
    for power in powers:
        h = 2.0**power
        near, far = near or _pair(f, x, t, h), _pair(f, x, t, 2 * h)
        # The curvature of f is 4 or 8 times that of half the step if f is smooth, and twice that at a kink.
        curved = np.abs([near[0] + near[1] - 2 * center, (far[1] - far[0]) - 2 * (near[1] - near[0])])
        noise = np.fmax(noise, np.max(np.where(before > 0.6 * curved, before, 0), axis=0))
        slope = _slope(center, near, far, h)
        noise = np.fmax(noise, slope.noise)
        yield slope._replace(doubt=4 * noise / h, noise=noise)
        near, before = far, curved


def _with_doubts(slopes: Iterable[Slope]) -> Iterator[Slope]:
    """All slopes but the first and last; to the doubt of each is added how much both neighbours differ from it."""
    steps = iter(slopes)
    below, here = next(steps), next(steps)
    for above in steps:
        doubt = here.doubt + np.abs(here.value - below.value) + np.abs(above.value - here.value)
        yield here._replace(doubt=np.where(np.isnan(doubt), np.inf, doubt))
        below, here = here, above


def grain(f: Function, x: np.ndarray, t: np.ndarray, reach: float) -> np.ndarray:
    """The smallest change other than 0 of each output, near x and at places along t on both sides; 0 if none.

    It is the rounding of f where f is smooth. It is much larger where f adds a large number and subtracts it again.
    """
    found = np.min([change for _, change in _places(f, x, t, reach)], axis=0)
    return np.where(np.isfinite(found), found, 0.0)


def _places(f: Function, x: np.ndarray, t: np.ndarray, reach: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The values of f at places along t, and the smallest change other than 0 next to each; infinite if none."""
    with np.errstate(all="ignore"):
        for distance in (reach * 2.0**power for power in PLACES):
            for place in (x - distance * t, x + distance * t):
                here, found = f(place), np.inf
                for power in GRAINS:
                    change = np.abs(f(place + distance * 2.0**power * t) - here)
                    found = np.where(change > 0, np.fmin(found, change), found)
                yield here, np.broadcast_to(found, here.shape)


def first_change(f: Function, x: np.ndarray, t: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The smallest change other than 0 of each output over steps from x to both sides; infinite if none."""
    found = np.full(center.shape, np.inf)
    with np.errstate(all="ignore"):
        for h in (2.0**power for power in STEPS):
            for change in np.abs([value - center for value in _pair(f, x, t, h)]):
                found = np.where(change > 0, np.fmin(found, change), found)
    return found


def complex_step(oracle: Function, x: np.ndarray, t: np.ndarray) -> Slope:
    """Im f(x + iht) / h, exact to rounding for an analytic f (Squire & Trapp 1998)."""
    y = oracle(x + 1j * COMPLEX_STEP * t)
    if y.dtype.kind != "c":
        raise TypeError(
            f"check: expected complex numbers from the oracle for complex input, got {y.dtype}: "
            "use analytic functions only (no abs, real, maximum, comparisons), or pass no oracle"
        )
    value = np.imag(y) / COMPLEX_STEP
    doubt, step = EPS * np.abs(value), np.full(value.shape, COMPLEX_STEP)
    none, noise = np.zeros(value.shape), EPS * np.abs(y)
    return Slope(value, doubt, kinked=none > 0, gap=none, noise=noise, size=np.abs(y), step=step, still=none)


def _pair(f: Function, x: np.ndarray, t: np.ndarray, h: float) -> tuple[np.ndarray, np.ndarray]:
    return f(x - h * t), f(x + h * t)


def _slope(center: np.ndarray, near: tuple, far: tuple, h: float) -> Slope:
    value = (8 * ((near[1] - near[0]) / h) - (far[1] - far[0]) / h) / 12
    size = np.max(np.abs([center, *near, *far]), axis=0)
    noise = EPS * size
    # The two one-sided slopes differ by h f'' where f is smooth, so half as much at half the step. At a kink they
    # differ by the same at any step.
    gap, wider = (np.abs((a - center) / k + (b - center) / k) for (a, b), k in ((near, h), (far, 2 * h)))
    kinked = (gap > 0.75 * wider) & (gap > 1e-5 * np.abs(value) + KINK * noise / h)
    still = np.where((near[0] == center) | (near[1] == center), h, 0.0)
    return Slope(value, 4 * noise / h, kinked, gap, noise, size, np.full(value.shape, h), still)
