"""Functions of whole rows in one pass: softmax and its like, and rows that are added up where an index puts them.

A row is read for its largest entry, for the exponentials and for the result, but comes from memory only the first time.
"""

import math

import numpy as np

from tinygen.kernels import short_rows
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vector_math import exact_kernel, exp, exp_below_1, f32
from tinygen.kernels.machine.vectors import LANES, chosen, load, nothing, store
from tinygen.kernels.machine.window import clear
from tinygen.kernels.short_rows import LOG_SOFTMAX, LOGSUMEXP, SOFTMAX

SUM = 256  # numbers that float32 adds up before float64 takes over: vectors of them, so few in each lane


def logsumexp(x, axes):
    rows = _rows(x, axes)
    if rows is None:
        return NotImplemented
    values = np.empty(len(rows), f32)
    _share((_softmax, short_rows.softmax), rows, np.empty((0, rows.shape[1]), f32), values, LOGSUMEXP)
    return values.reshape(x.shape[: -len(axes)])


def logsumexp_vjp(g, x, axes):
    rows = _rows(x, axes)
    if rows is None or g.dtype != f32:
        return NotImplemented
    y = empty(rows.shape, f32)
    _share((_softmax, short_rows.softmax), rows, y, g.reshape(-1).copy(), SOFTMAX)
    return y.reshape(x.shape)


def softmax(x):
    return logsumexp_vjp(np.ones(x.shape[:-1], f32), x, (x.ndim - 1,))


def softmax_vjp(g, y):
    return _back((_softmax_vjp, short_rows.softmax_vjp), g, y)


def log_softmax(x):
    rows = _rows(x, (x.ndim - 1,))
    if rows is None:
        return NotImplemented
    y = empty(rows.shape, f32)
    _share((_softmax, short_rows.softmax), rows, y, np.empty(0, f32), LOG_SOFTMAX)
    return y.reshape(x.shape)


def log_softmax_vjp(g, y):
    return _back((_log_softmax_vjp, short_rows.log_softmax_vjp), g, y)


def _back(kernels, g, y):
    if y.dtype != f32 or not y.size:
        return NotImplemented
    gx = empty(y.shape, f32)
    _share(kernels, *(a.reshape(-1, y.shape[-1]) for a in (as_input(g), as_input(y), gx)))
    return gx


def add_rows(x, rows, n):
    """Sorted by where they are added, so that the threads share the result and each sum has one order."""
    order, c = np.argsort(rows, kind="stable"), math.prod(x.shape[1:])
    y, to, each = empty((n, *x.shape[1:]), x.dtype), rows[order], rows_in_block(n, n * c)
    if not y.size:
        return y
    blocks = -(-n // each)
    bounds = np.searchsorted(to, each * np.arange(blocks + 1))
    share(_add_rows, blocks, as_input(x).reshape(-1, c), order, to, bounds, y.reshape(n, c), each)
    return y


def _rows(x, axes) -> np.ndarray | None:
    """x (..., last axes) as (N, K), or None for other axes and for rows that are too long to count in float32."""
    if not axes or not x.size or tuple(axes) != tuple(range(axes[0], x.ndim)):
        return None
    k = math.prod(x.shape[axes[0] :])
    return as_input(x).reshape(-1, k) if k < 1 << 24 else None


def _share(kernels, rows, *arguments):
    """Call the first kernel, or the second one for short rows."""
    each = rows_in_block(len(rows), rows.size)
    share(kernels[rows.shape[1] <= short_rows.LONGEST], -(-len(rows) // each), rows, *arguments, each)


@exact_kernel
def _softmax(x, y, values, kind, each, start, stop):
    """By `kind`: values = logsumexp(x), y = values · softmax(x), or y = log_softmax(x), for each row."""
    k = x.shape[1]
    scratch, lanes, places = np.empty(k, f32), np.empty(LANES, f32), np.empty(LANES, f32)
    for i in range(start * each, min(stop * each, len(x))):
        row, e = x[i], scratch if kind == LOGSUMEXP else y[i]
        largest = _first_largest(row, lanes, places)
        top = row[largest]
        if abs(top) < np.inf:
            for j in range(k):
                e[j] = exp_below_1(row[j] - top)
        else:
            top = top if kind == LOG_SOFTMAX else f32(0)  # ∞ - ∞ would be NaN
            for j in range(k):
                e[j] = exp(row[j] - top)
        own = e[largest]
        e[largest] = own - f32(1)  # that 1 is added by log1p: in the sum it would cost the digits of the others
        rest = _sum(e)
        if kind == LOGSUMEXP:
            values[i] = np.log1p(rest) + top
        elif kind == SOFTMAX:
            e[largest], scale = own, f32(values[i] / (1 + rest))
            for j in range(k):
                e[j] *= scale
        else:
            below = f32(np.log1p(rest))
            for j in range(k):
                e[j] = row[j] - top - below


@piece
def _first_largest(row, lanes, places):
    """The place of the first of the largest entries, or of the first NaN; the two arrays have room for vectors."""
    found = 0
    if len(row) < LANES:
        for j in range(1, len(row)):
            if not row[j] <= row[found] and row[found] == row[found]:
                found = j
        return found
    quarter = len(row) // (4 * LANES) * LANES
    best, place = load(row, 0), nothing(row)
    if quarter:  # four searches at once, or each comparison would wait for the one before
        second, its_place = load(row, quarter), nothing(row) + f32(quarter)
        third, third_place = load(row, 2 * quarter), nothing(row) + f32(2 * quarter)
        fourth, fourth_place = load(row, 3 * quarter), nothing(row) + f32(3 * quarter)
        for j in range(LANES, quarter, LANES):
            best, place = chosen(best, place, load(row, j), f32(j))
            j += quarter
            second, its_place = chosen(second, its_place, load(row, j), f32(j))
            j += quarter
            third, third_place = chosen(third, third_place, load(row, j), f32(j))
            j += quarter
            fourth, fourth_place = chosen(fourth, fourth_place, load(row, j), f32(j))
        best, place = chosen(best, place, second, its_place)
        best, place = chosen(best, place, third, third_place)
        best, place = chosen(best, place, fourth, fourth_place)
    for start in range(max(4 * quarter, LANES), len(row), LANES):
        j = min(start, len(row) - LANES)  # the last vector may repeat some entries
        best, place = chosen(best, place, load(row, j), f32(j))
    store(lanes, 0, best)
    store(places, 0, place)
    for q in range(1, LANES):
        same = lanes[q] == lanes[found] or (lanes[q] != lanes[q] and lanes[found] != lanes[found])
        first = places[q] + q < places[found] + found
        if (same and first) or (not same and not lanes[q] <= lanes[found] and lanes[found] == lanes[found]):
            found = q
    return int(places[found]) + found


@piece
def _sum(row):
    total = 0.0
    for first in range(0, len(row), SUM):
        few, part = f32(0), row[first : first + SUM]
        for j in range(len(part)):
            few += part[j]
        total += few
    return total


@exact_kernel
def _log_softmax_vjp(g, y, gx, each, start, stop):
    """An entry with nearly all the probability p, where g - p Σ g would cancel, gets (1 - p) g - p Σ of the others."""
    lanes, places = np.empty(LANES, f32), np.empty(LANES, f32)
    for i in range(start * each, min(stop * each, len(g))):
        gi, yi, row = g[i], y[i], gx[i]
        largest = _first_largest(yi, lanes, places)
        others, of_largest = _sum(gi[:largest]) + _sum(gi[largest + 1 :]), np.float64(yi[largest])
        total = f32(others + gi[largest])
        for j in range(len(row)):
            row[j] = gi[j] - exp_below_1(yi[j]) * total
        row[largest] = f32(-np.expm1(of_largest) * gi[largest] - np.exp(of_largest) * others)


@exact_kernel
def _softmax_vjp(g, y, gx, each, start, stop):
    """y (g - Σ g y), and 0 where y is 0; for the largest y, 1 - y is the sum of the others, so that nothing cancels."""
    lanes, places = np.empty(LANES, f32), np.empty(LANES, f32)
    for i in range(start * each, min(stop * each, len(g))):
        gi, yi, row = g[i], y[i], gx[i]
        largest = _first_largest(yi, lanes, places)
        for j in range(len(row)):
            row[j] = f32(0) if yi[j] == 0 else gi[j] * yi[j]
        own, row[largest] = row[largest], 0
        others, rest = _sum(row), _sum(yi[:largest]) + _sum(yi[largest + 1 :])
        total = f32(others + own)
        for j in range(len(row)):
            row[j] = f32(0) if yi[j] == 0 else yi[j] * (gi[j] - total)
        row[largest] = f32(yi[largest] * (gi[largest] * rest - others))


@kernel
def _add_rows(x, order, to, bounds, y, each, start, stop):
    """Row order[k] of x is added to row to[k] of y, and `to` ascends; its entries bounds[i]... are those of block i."""
    c, flat, sums = y.shape[1], y.reshape(-1), np.empty(y.shape[1])
    for block in range(start, stop):
        first, last = bounds[block], bounds[block + 1]
        clear(flat, block * each * c, min(each, len(y) - block * each) * c)
        for k in range(first, last):
            row, target = x[order[k]], y[to[k]]
            if k == first or to[k] != to[k - 1]:
                sums[:] = 0
            for j in range(c):
                sums[j] += row[j]
            if k + 1 == last or to[k] != to[k + 1]:
                for j in range(c):
                    target[j] = sums[j]
