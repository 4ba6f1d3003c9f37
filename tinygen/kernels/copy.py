"""Arrays moved from one layout to another: each number is read once and written once, on all threads."""

from itertools import accumulate

import numpy as np

from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.views import AXES, as_walk, go_on, joined, memory, offset, place_of, steps
from tinygen.kernels.machine.window import clear, copy


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


def _filled(y, parts):
    """y, after x is copied to y[index] for each (index, x); NotImplemented if one has too many axes."""
    whole = y.reshape(-1)
    for index, x in parts:
        if x.size and not _move_to(whole, y[index], x):
            return NotImplemented
    return y


def _move_to(whole, part, x):
    """Copy x to a part of the same shape of the array whose entries are `whole`, if few axes are left."""
    axes = joined(x.shape, steps(x), steps(part))
    if len(axes) > AXES or any(step % x.itemsize for step in x.strides):
        return False
    inner = max(axes, key=lambda axis: (1 in axis[1:], axis[0]))  # the longest that is contiguous in one of them
    axes.remove(inner)
    walk, rows, (entries, first) = as_walk([*axes, inner]), x.size // inner[0], memory(x)
    each, at = rows_in_block(rows, x.size), (_address(part) - _address(whole)) // x.itemsize
    share(_move, -(-rows // each), entries, first, whole, at, *walk, each)
    return True


def _address(x) -> int:
    return x.__array_interface__["data"][0]


@kernel
def _move(x, x_first, y, y_first, sizes, x_steps, y_steps, each, start, stop):
    width, x_step, y_step = sizes[-1], x_steps[-1], y_steps[-1]
    first, last = start * each, min(stop * each, sizes[0] * sizes[1] * sizes[2] * sizes[3])
    place = np.empty(AXES - 1, np.int64)
    place_of(first, place, sizes)
    for _ in range(first, last):
        at, to = x_first + offset(place, x_steps), y_first + offset(place, y_steps)
        if x_step == 1 and y_step == 1:
            copy(x, at, y, to, width)
        else:
            for i in range(width):  # an unsigned index needs no test whether it counts from the end
                y[np.uintp(to + i * y_step)] = x[np.uintp(at + i * x_step)]
        go_on(place, sizes)


@kernel
def _clear(y, each, start, stop):
    first = start * each
    clear(y, first, min(stop * each, len(y)) - first)
