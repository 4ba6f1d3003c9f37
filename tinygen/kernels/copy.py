"""Arrays moved from one layout to another: each number is read once and written once, on all threads."""

import math
from functools import lru_cache
from itertools import accumulate

import numpy as np

from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.memory import LINE, empty, past_caches
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vectors import LANES, transpose
from tinygen.kernels.machine.views import AXES, as_walk, go_on, joined, memory, offset, place_of, run_of
from tinygen.kernels.machine.window import clear, copy, fill, write

STRIP = 32  # rows that become columns together, if there are so many: two lines of the cache
PIECE = 1 << 13  # numbers of a long row that are copied as one
WORTH = 1 << 18  # numbers for each gap around a part, from which clearing the gaps beats clearing all
LEAST = 1 << 16  # numbers in the largest of many parts: each is copied by itself, and threads must be worth it


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
    if x.flags.c_contiguous:
        return x
    y = filled(empty(x.shape, x.dtype), [(..., x)])
    return np.ascontiguousarray(x) if y is NotImplemented else y


def concat(arrays, axis):
    if any([a.dtype != np.float32 for a in arrays]) or max([a.size for a in arrays]) < LEAST:
        return NotImplemented
    shape, before = arrays[0].shape, (slice(None),) * axis
    ends = [*accumulate(a.shape[axis] for a in arrays)]
    parts = [((*before, slice(end - a.shape[axis], end)), a) for end, a in zip(ends, arrays)]
    return filled(empty((*shape[:axis], ends[-1], *shape[axis + 1 :]), np.float32), parts)


def placed(x, index, shape):
    y = empty(shape, x.dtype)
    if not np.may_share_memory(y, y[index]):  # a number, or a copy, as for the index True
        return NotImplemented
    rest = _left_out(index, shape)
    if rest is None or y.size < WORTH * len(rest):
        each = rows_in_block(y.size, y.size)
        share(_clear, -(-y.size // each), y.reshape(-1), each)
        return filled(y, [(index, x)])
    zero = np.zeros((), x.dtype)
    return filled(y, [(index, x), *((gap, np.broadcast_to(zero, y[gap].shape)) for gap in rest)])


def _left_out(index, shape) -> list[tuple[slice, ...]] | None:
    """Indices of what is around a part without steps; None for another index."""
    slices, rest = index if isinstance(index, tuple) else (index,), []
    for axis, part in enumerate(slices):
        if not isinstance(part, slice) or part.step not in (None, 1):
            return None
        first, stop, _ = part.indices(shape[axis])
        gaps = slice(0, first), slice(max(first, stop), shape[axis])
        rest += [(*slices[:axis], gap) for gap in gaps if gap.start < gap.stop]
    return rest


# -- one view into a part of an array ----------------------------------------------------------------------------------


def filled(y, parts):
    """y, after x is copied to y[index] for each (index, x); NotImplemented if one has too many axes."""
    whole, past = y.reshape(-1), past_caches(*[x for _, x in parts], y)
    first, bytes_each = _address(whole), y.itemsize
    for index, x in parts:
        part = y[index]
        jobs = _jobs_of(x.shape, x.strides, part.strides, bytes_each)
        if jobs is None:
            return NotImplemented
        x_memory, x_first = memory(x)
        y_first = (_address(part) - first) // bytes_each
        for job, blocks, x_at, y_at, walk, each, last in jobs:
            if job is _move:
                last = past and last and y_first * bytes_each % LINE == 0
            share(job, blocks, x_memory, x_first + x_at, whole, y_first + y_at, *walk, each, last)
    return y


@lru_cache(1024)  # a training step asks for the same ones again and again
def _jobs_of(shape, x_strides, y_strides, bytes_each) -> list | None:
    """The calls of kernels that copy an array with these strides to one with those; None if it has too many axes."""
    if any(step % bytes_each for step in x_strides):
        return None
    steps = ([step // bytes_each for step in strides] for strides in (x_strides, y_strides))
    axes = joined(shape, *steps)
    return None if len(axes) > AXES else [] if 0 in shape else _jobs(axes, 0, 0)


def _jobs(axes, x_at, y_at) -> list[tuple]:
    """(kernel, blocks, where to begin in x and in y, walk, rows of a block, last argument) along `axes`.

    An axis is a size and the steps in x and y.
    """
    inner = max(axes, key=lambda axis: (1 in axis[1:], axis[0]))  # the longest that is contiguous in one of them
    along, across = (max([axis for axis in axes if axis[side] == 1 != axis[3 - side]], default=None) for side in (1, 2))
    if along and across and min(along[0], across[0]) >= LANES:
        return _turns(along, across, [a for a in axes if a not in (along, across)], x_at, y_at)
    outer, (n, *step), rest = [axis for axis in axes if axis is not inner], inner, []
    if step == [1, 1] and n >= 2 * PIECE and len(outer) < AXES - 1:  # for several threads
        whole, n = n // PIECE * PIECE, PIECE
        outer = [*outer, (whole // PIECE, PIECE, PIECE)]
        if whole < inner[0]:
            rest = _jobs([*outer[:-1], (inner[0] - whole, 1, 1)], x_at + whole, y_at + whole)
    rows = math.prod([size for size, *_ in outer])
    each = rows_in_block(rows, rows * n)
    lines = not any([size * 4 % LINE for size in (n, y_at, *[y_step for *_, y_step in outer])])  # whole ones in rows
    return [(_move, -(-rows // each), x_at, y_at, as_walk([*outer, (n, *step)]), each, lines), *rest]


def _turns(along, across, axes, x_at, y_at) -> list[tuple]:
    """Jobs for rows of x, contiguous `along` one axis, that become columns of y, which is contiguous `across` them."""
    n, x_step, y_step = across
    strip = STRIP if n >= STRIP else LANES
    walk = as_walk([*axes, (n // strip, strip * x_step, strip * y_step), along])
    rows = n // strip * math.prod([size for size, *_ in axes])
    each, done = rows_in_block(rows, rows * strip * along[0]), n - n % strip
    job = _turn, -(-rows // each), x_at, y_at, walk, each, (strip, x_step)
    if done == n:
        return [job]
    rest = [*axes, (n - done, x_step, y_step), along]
    return [job, *_jobs(rest, x_at + done * x_step, y_at + done * y_step)]


def _address(x) -> int:
    return x.__array_interface__["data"][0]


@kernel
def _move(x, x_first, y, y_first, sizes, x_steps, y_steps, each, past, start, stop):
    width, x_step, y_step = sizes[-1], x_steps[-1], y_steps[-1]
    row, last = start * each, min(stop * each, sizes[0] * sizes[1] * sizes[2] * sizes[3])
    place = np.empty(AXES - 1, np.int64)
    place_of(row, place, sizes)
    while row < last:
        at, to = x_first + offset(place, x_steps), y_first + offset(place, y_steps)
        run = run_of(place, sizes, last - row)
        for _ in range(run):
            if past and x_step == 1 and y_step == 1:
                write(x, at, y, to, width)
            elif x_step == 1 and y_step == 1:
                copy(x, at, y, to, width)
            elif x_step == 0 and y_step == 1:
                fill(y, to, width, x[at])
            else:
                for i in range(width):  # an unsigned index needs no test whether it counts from the end
                    y[np.uintp(to + i * y_step)] = x[np.uintp(at + i * x_step)]
            at, to = at + x_steps[-2], to + y_steps[-2]
        row += run
        go_on(place, sizes, run)


@kernel
def _turn(x, x_first, y, y_first, sizes, x_steps, y_steps, each, form, start, stop):
    """Each row is a strip: rows of x, so many and so far apart as `form` says, as columns of y."""
    width, y_row, (strip, x_row) = sizes[-1], y_steps[-1], form
    first, last = start * each, min(stop * each, sizes[0] * sizes[1] * sizes[2] * sizes[3])
    place, whole = np.empty(AXES - 1, np.int64), width // LANES * LANES
    place_of(first, place, sizes)
    for _ in range(first, last):
        at, to = x_first + offset(place, x_steps), y_first + offset(place, y_steps)
        for i in range(0, whole, LANES):
            for j in range(0, strip, LANES):
                transpose(x, at + i + j * x_row, x_row, y, to + i * y_row + j, y_row)
        for i in range(whole, width):
            for j in range(strip):
                y[np.uintp(to + i * y_row + j)] = x[np.uintp(at + j * x_row + i)]
        go_on(place, sizes, 1)


@kernel
def _clear(y, each, start, stop):
    first = start * each
    clear(y, first, min(stop * each, len(y)) - first)
