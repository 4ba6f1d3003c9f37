"""Arrays moved from one layout to another: each number is read once and written once, on all threads.

A view is a flat piece of memory and a step along each axis. Neighbouring axes that follow each other in both views are
joined, so that few are left, and the innermost loop runs along the longest one that is contiguous in one of them.
"""

from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.window import clear, copy

MOST = 5  # axes that are left


def contiguous(x):
    """x, or a copy of it if it is a part of the channels of an array: each op that follows would make a copy."""
    if x.flags.c_contiguous or x.ndim < 2:
        return x
    apart = [s != x.strides[i + 1] * x.shape[i + 1] for i, s in enumerate(x.strides[:-2])]
    if any(apart) or x.strides[-1] != x.itemsize or x.strides[-2] < 0:
        return x
    return in_order(x)


def in_order(x):
    """x, or a copy of it whose entries follow each other in C order."""
    return x if x.flags.c_contiguous else _filled(empty(x.shape, x.dtype), [(..., x)])


def concat(arrays, axis):
    if any(a.dtype != np.float32 for a in arrays):
        return NotImplemented
    shape, before = arrays[0].shape, (slice(None),) * axis
    ends = [*accumulate(a.shape[axis] for a in arrays)]
    parts = [((*before, slice(end - a.shape[axis], end)), a) for end, a in zip(ends, arrays)]
    return _filled(empty((*shape[:axis], ends[-1], *shape[axis + 1 :]), np.float32), parts)


def placed(x, index, shape):
    y = empty(shape, x.dtype)
    if not np.may_share_memory(y, y[index]):  # a number, or a copy, as for the index True
        return NotImplemented
    each = rows_in_block(y.size, y.size)
    share(_clear, -(-y.size // each), y.reshape(-1), each)
    return _filled(y, [(index, x)])


# -- one view into a part of an array ----------------------------------------------------------------------------------


class Axis(NamedTuple):
    """Its size, and how many numbers lie between two neighbours, in x and in y."""

    size: int
    x: int
    y: int


def _filled(y, parts):
    """y, after x is copied to y[index] for each (index, x); NotImplemented if more than MOST axes are left of one."""
    whole = y.reshape(-1)
    for index, x in parts:
        if x.size and not _move_to(whole, y[index], x):
            return NotImplemented
    return y


def _move_to(whole, part, x):
    """Copy x to a part of the same shape of the array whose entries are `whole`, if few axes are left."""
    size = x.itemsize
    axes = _joined([Axis(n, p // size, q // size) for n, p, q in zip(x.shape, x.strides, part.strides)])
    if len(axes) > MOST or any(step % size for step in x.strides):
        return False
    inner = max(axes, key=lambda axis: (1 in (axis.x, axis.y), axis.size))
    axes.remove(inner)
    sizes, x_steps, y_steps = zip(*[Axis(1, 0, 0)] * (MOST - 1 - len(axes)), *axes, inner)
    rows, (memory, first) = x.size // inner.size, _memory(x)
    each, at = rows_in_block(rows, x.size), (_address(part) - _address(whole)) // size
    share(_move, -(-rows // each), memory, first, whole, at, sizes, x_steps, y_steps, each)
    return True


def _joined(axes: list[Axis]) -> list[Axis]:
    """The axes without those of size 1, each joined with the next one if it goes on where that one ends."""
    joined = [Axis(1, 0, 0)]
    for axis in axes:
        last = joined[-1]
        if last.size == 1:
            joined[-1] = axis
        elif (last.x, last.y) == (axis.size * axis.x, axis.size * axis.y):
            joined[-1] = Axis(last.size * axis.size, axis.x, axis.y)
        elif axis.size > 1:
            joined.append(axis)
    return joined


def _memory(x):
    """All numbers from the lowest address of a view to the highest, and where its first entry is among them."""
    if x.flags.c_contiguous:
        return as_input(x).reshape(-1), 0
    ends = [(n - 1) * step // x.itemsize for n, step in zip(x.shape, x.strides)]
    first = -sum(end for end in ends if end < 0)
    lowest = x[tuple(slice(None, None, -1 if end < 0 else 1) for end in ends)]
    return as_input(as_strided(lowest, (1 + sum(map(abs, ends)),), (x.itemsize,))), first


def _address(x) -> int:
    return x.__array_interface__["data"][0]


@kernel
def _move(x, x_first, y, y_first, sizes, x_steps, y_steps, each, start, stop):
    (first, second, third, fourth, width), (a, b, c, d, x_step), (p, q, r, s, y_step) = sizes, x_steps, y_steps
    row, end = start * each, min(stop * each, first * second * third * fourth)
    m, k, j = row % fourth, row // fourth % third, row // (fourth * third) % second
    i = row // (fourth * third * second)
    for _ in range(row, end):
        at, to = x_first + i * a + j * b + k * c + m * d, y_first + i * p + j * q + k * r + m * s
        if x_step == 1 and y_step == 1:
            copy(x, at, y, to, width)
        else:
            here, there = np.uintp(at), np.uintp(to)  # unsigned: there is no test for an index from the end
            for _ in range(width):
                y[there] = x[here]
                here += np.uintp(x_step)
                there += np.uintp(y_step)
        m += 1
        if m == fourth:
            m, k = 0, k + 1
            if k == third:
                k, j = 0, j + 1
                if j == second:
                    j, i = 0, i + 1


@kernel
def _clear(y, each, start, stop):
    first = start * each
    clear(y, first, min(stop * each, len(y)) - first)
