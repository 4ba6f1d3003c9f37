"""Turns a formula for single entries into a kernel for float32 arrays: one pass over memory, with vectors."""

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from inspect import signature

import numpy as np
from numba import njit

from tinygen.kernels.copy import in_order
from tinygen.kernels.machine.jit import as_input, piece
from tinygen.kernels.machine.memory import empty, past_caches
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vector_math import exact, exact_kernel, f32
from tinygen.kernels.machine.vectors import WIDE
from tinygen.kernels.machine.views import AXES, as_walk, joined, memory, offset, place_of
from tinygen.kernels.machine.window import copy, write

BLOCK = 1 << 14  # numbers: 64 kB of each array
FEW = 1 << 9  # numbers that go past the caches together: the next ones are computed while these are on their way
REPEATED = 1 << 11  # numbers in place of an array that is one number, again and again
BUFFER = 1 << 12  # numbers of a small view that are repeated side by side, at most
LONG_ROW = 1 << 8  # numbers, a loop along which is long enough
CONSTANTS = {"negative_slope", "alpha", "delta", "exponent"}

# -- a kernel from a formula -------------------------------------------------------------------------------------------


def entrywise(name: str, formula: Callable, *, light: bool = False) -> Callable:
    """The kernel that computes `formula` for all entries of float32 arrays of one shape.

    The formula takes one to three entries, and after them what is in `CONSTANTS`, if it is a function of that too. A
    formula of two entries also takes arrays that NumPy broadcasts to one shape, in any layout. A `light` one is done
    before memory has delivered the next entries: where its arrays are large, the result is written past the caches,
    unless a vector is a whole cache line, which processors write without reading it first.
    """
    count, formula = len(signature(formula).parameters.keys() - CONSTANTS), exact(formula)
    light = light and not WIDE

    def one(y, at, constants, x):
        x = _part(x, at, len(y))
        for i in range(len(y)):
            y[i] = formula(x[i], *constants)

    def two(y, at, constants, a, b):
        a, b = _part(a, at, len(y)), _part(b, at, len(y))
        for i in range(len(y)):
            y[i] = formula(a[i], b[i], *constants)

    def three(y, at, constants, a, b, c):
        a, b, c = _part(a, at, len(y)), _part(b, at, len(y)), _part(c, at, len(y))
        for i in range(len(y)):
            y[i] = formula(a[i], b[i], c[i], *constants)

    compute = exact((one, two, three)[count - 1])

    def loop(out, constants, arrays, start, stop):
        compute(out[start * BLOCK : stop * BLOCK], start * BLOCK, constants, *arrays)

    def pieces(out, constants, arrays, size, past, start, stop):
        few = np.empty(size, out.dtype)
        for at in range(start * BLOCK, min(stop * BLOCK, len(out)), size):
            if past is None:
                compute(out[at : at + size], at, constants, *arrays)
            else:
                y = few[: len(out) - at]
                compute(y, at, constants, *arrays)
                write(y, 0, out, at, len(y))

    loop, pieces = _named(f"{name}_loop", loop), _named(f"{name}_pieces", pieces)
    pairs = _named(f"{name}_of_pairs", _of_pairs(formula)) if count == 2 else None

    @wraps(formula)
    def kernel(*arguments):
        arrays, constants = arguments[:count], tuple([f32(c) for c in arguments[count:]])
        shape, alike, flat = arrays[0].shape, True, True
        for a in arrays:
            if a.dtype != f32 and a.dtype != np.bool_:
                return NotImplemented
            alike, flat = alike and a.shape == shape, flat and a.flags.c_contiguous
        if not alike:
            shape = max([a.shape for a in arrays], key=len)
            arrays = [a if a.ndim else np.broadcast_to(a, shape) for a in arrays]
            alike = all([a.shape == shape for a in arrays])
            flat = False
        if not flat and count == 2 and not (alike and _is_flat(arrays[0]) and _is_flat(arrays[1])):
            a, b = arrays
            if not alike or a.shape[-1:] >= (LONG_ROW,) or 0 in a.strides + b.strides:
                return _broadcast(pairs, a, b, constants)
            arrays = [in_order(a), in_order(b)]  # slices with short rows
        if not alike:
            return NotImplemented
        y, entries = empty(shape, f32), tuple([_flat(a) for a in arrays])
        out, blocks = y.reshape(-1), -(-y.size // BLOCK)
        if light and past_caches(*arrays, y):
            share(pieces, blocks, out, constants, entries, FEW, True)
        elif flat or all([len(a) == len(out) for a in entries]):
            share(loop, blocks, out, constants, entries)
        else:
            share(pieces, blocks, out, constants, entries, REPEATED, None)
        return y

    kernel.__module__, kernel.__name__, kernel.__qualname__ = "tinygen.kernels.elementwise", name, name
    return kernel


def _named(name, loop):
    """The compiled loop, with a name by which it is found on disk."""
    loop.__name__ = loop.__qualname__ = name
    return exact_kernel(loop)


def _of_pairs(formula):
    """The loop over pairs of entries of two views, row by row of the result."""

    def pairs(a, b, out, a_first, b_first, sizes, a_steps, b_steps, each, repeated, constants, start, stop):
        place, last = np.empty(AXES - 1, np.int64), min(stop * each, len(out))
        row, (side, k), n1, n2, flat = start * each, repeated, sizes[-2], sizes[-1], out.reshape(-1)
        buffer, known = np.empty(k * n2, out.dtype), np.int64(-1)
        while row < last:  # those that are left along the last axis but one
            r = row % n1
            rest = min(n1, r + last - row)
            place_of(row - r, place, sizes)
            at, bt = a_first + offset(place, a_steps), b_first + offset(place, b_steps)
            if side == 1:
                known = _repeat(a, at, known, buffer, k, n2, a_steps)
            elif side == 2:
                known = _repeat(b, bt, known, buffer, k, n2, b_steps)
            while r < rest:
                rows = min(k - r % k, rest - r) if side else 1  # as many as are repeated together
                y, here = flat[row * n2 : (row + rows) * n2], buffer[r % max(k, 1) * n2 :]
                if side == 1:
                    other = b[bt + r * n2 : bt + (r + rows) * n2]
                    for i in range(len(y)):
                        y[i] = formula(here[i], other[i], *constants)
                elif side == 2:
                    other = a[at + r * n2 : at + (r + rows) * n2]
                    for i in range(len(y)):
                        y[i] = formula(other[i], here[i], *constants)
                else:
                    of_a, of_b = at + r * a_steps[-2], bt + r * b_steps[-2]
                    along(y, a, of_a, a_steps[-1], b, of_b, b_steps[-1], constants)
                row, r = row + rows, r + rows

    @piece
    def along(y, a, at, a_step, b, bt, b_step, constants):
        if a_step == 1 and b_step == 1:
            a_, b_ = a[at : at + len(y)], b[bt : bt + len(y)]
            for i in range(len(y)):
                y[i] = formula(a_[i], b_[i], *constants)
        elif a_step == 1 and b_step == 0:
            a_, number = a[at : at + len(y)], b[bt]
            for i in range(len(y)):
                y[i] = formula(a_[i], number, *constants)
        elif a_step == 0 and b_step == 1:
            number, b_ = a[at], b[bt : bt + len(y)]
            for i in range(len(y)):
                y[i] = formula(number, b_[i], *constants)
        else:
            for i in range(len(y)):  # an unsigned index needs no test whether it counts from the end
                y[i] = formula(a[np.uintp(at + i * a_step)], b[np.uintp(bt + i * b_step)], *constants)

    return pairs


@piece
def _repeat(view, at, known, buffer, k, n2, steps):
    """Fill `buffer` with k rows of a view from entry `at` on, unless they are `known`; returns where they begin."""
    if at != known:
        for r in range(k):
            if steps[-1] == 1:
                copy(view, at + r * steps[-2], buffer, r * n2, n2)
            else:
                for i in range(n2):
                    buffer[r * n2 + i] = view[np.uintp(at + r * steps[-2] + i * steps[-1])]
    return at


def _broadcast(loop, a, b, constants):
    """The rows of the result are its last axis, joined with those before it where both arrays allow it."""
    plan = _plan(a.shape, a.strides, b.shape, b.strides)
    if plan is None:
        return NotImplemented
    shape, width, rows, each, walk, repeated = plan
    (a_memory, a_first), (b_memory, b_first), y = memory(a), memory(b), empty(shape, f32)
    out = y.reshape(rows, width)
    share(loop, -(-rows // each), a_memory, b_memory, out, a_first, b_first, *walk, each, repeated, constants)
    return y


@lru_cache(1024)  # a training step asks for the same ones again and again
def _plan(a_shape, a_strides, b_shape, b_strides) -> tuple | None:
    """The shape of the result, its rows and their width, rows of a block, the walk, and what is `_repeated`."""
    shape, bytes_each = np.broadcast_shapes(a_shape, b_shape), np.dtype(f32).itemsize
    a_steps, b_steps = _steps(shape, a_shape, a_strides), _steps(shape, b_shape, b_strides)
    axes = joined(shape, *([step // bytes_each for step in each] for each in (a_steps, b_steps)))
    if len(axes) > AXES or 0 in shape or any(step % bytes_each for step in (*a_steps, *b_steps)):
        return None
    width = axes[-1][0]
    return shape, width, math.prod(shape) // width, max(1, BLOCK // width), as_walk(axes), _repeated(axes)


def _steps(shape, own, strides) -> list[int]:
    """The strides of an array of the shape `own`, repeated to `shape`."""
    extra = len(shape) - len(own)
    return [0] * extra + [0 if n == 1 else step for n, step in zip(own, strides)]


def _repeated(axes) -> tuple[int, int]:
    """(1, k) or (2, k) if rows are short, and k of them of the first or second view serve again and again; or (0, 0).

    Side by side in a buffer they make a longer loop, along which the other view is in one piece.
    """
    if len(axes) < 2 or axes[-1][0] >= LONG_ROW:
        return 0, 0
    (n1, *outer), (n2, *inner) = axes[-2:]
    for side in (2, 1):
        if inner[2 - side] == 1 and outer[2 - side] == n2:  # of the other view
            k = n1 if outer[side - 1] else min(n1, max(1, BUFFER // n2))
            return (side, k) if k * n2 <= BUFFER else (0, 0)
    return 0, 0


@njit(inline="always")
def _part(array, at, count):
    """Entries from `at` on, or of the only piece. Counting from 0 in it lets the compiler make vectors of a loop."""
    first = at if at < len(array) else 0
    return array[first : first + count]


def _is_flat(a) -> bool:
    """Whether the entries follow each other, or all are one number."""
    return a.flags.c_contiguous or not any(a.strides)


def _flat(a):
    """The entries in a row. One number, repeated to the shape of an array, is given as REPEATED of it."""
    if not a.flags.c_contiguous and a.size > BLOCK and not any(a.strides):
        a = np.full(REPEATED, a.flat[0])
    return as_input(a).reshape(-1)
