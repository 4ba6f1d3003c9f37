"""Views of arrays as loops read them: flat memory, and a few axes with a step along each.

Neighbouring axes that follow each other in all views are joined, so that few are left. The last one is the innermost
loop; the places along the others are counted like the digits of a number.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.machine.jit import as_input, piece

AXES = 5  # at most, that are left


def steps(view) -> tuple[int, ...]:
    """How many numbers lie between two neighbours along each axis."""
    return tuple([step // view.itemsize for step in view.strides])


def joined(shape, *steps) -> list[tuple[int, ...]]:
    """(size, step in each view) of the axes that are left; there may be more than AXES."""
    axes = [(1,) + (0,) * len(steps)]
    for axis in zip(shape, *steps):
        if axes[-1][0] == 1:
            axes[-1] = axis
        elif all([before == axis[0] * step for before, step in zip(axes[-1][1:], axis[1:])]):
            axes[-1] = (axes[-1][0] * axis[0], *axis[1:])
        elif axis[0] > 1:
            axes.append(axis)
    return axes


def as_walk(axes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The sizes of AXES axes, and their steps in each view."""
    return [*zip(*[(1,) + (0,) * (len(axes[0]) - 1)] * (AXES - len(axes)), *axes)]


def memory(view) -> tuple[np.ndarray, int]:
    """All numbers from the lowest address of a view to the highest, and where its first entry is among them."""
    if view.flags.c_contiguous:
        return as_input(view).reshape(-1), 0
    ends = [(n - 1) * step for n, step in zip(view.shape, steps(view))]
    lowest = view[tuple([slice(None, None, -1 if end < 0 else 1) for end in ends])]
    return as_input(as_strided(lowest, (1 + sum(map(abs, ends)),), (view.itemsize,))), -sum(e for e in ends if e < 0)


@piece
def place_of(row, place, sizes):
    """Set `place` to the place of a row, along all axes but the last."""
    for axis in range(AXES - 2, -1, -1):
        place[axis] = row % sizes[axis]
        row = row // sizes[axis]


@piece
def run_of(place, sizes, most):
    """How many rows from this one on, at most so many, are neighbours along the last axis but one."""
    return min(sizes[AXES - 2] - place[AXES - 2], most)


@piece
def go_on(place, sizes, run):
    """Move `place` on by `run` rows, which are neighbours along the last axis but one."""
    place[AXES - 2] += run
    for axis in range(AXES - 2, 0, -1):
        if place[axis] < sizes[axis]:
            break
        place[axis] = 0
        place[axis - 1] += 1


@piece
def offset(place, steps):
    """How far a place is from the first entry of a view."""
    total = 0
    for axis in range(AXES - 1):
        total += place[axis] * steps[axis]
    return total
