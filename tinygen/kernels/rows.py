"""Functions of whole rows in one pass: softmax and its like, and rows that are added up where an index puts them.

A row is read for its largest entry, for the exponentials and for the result, but comes from memory only the first time.
"""

import math

import numpy as np

from tinygen.kernels import short_rows
from tinygen.kernels.copy import in_order
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.sums import SHORT, sum_row
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vector_math import exact_kernel, exp, exp_below_1, f32
from tinygen.kernels.machine.vectors import LANES, larger, largest, load
from tinygen.kernels.machine.window import clear
from tinygen.kernels.short_rows import AT, BACK, LOG_MOST, LOG_SOFTMAX, LOGSUMEXP, LONGEST, MOST, SOFTMAX

NONE, NO_LABELS = (as_input(np.empty(0, dtype)) for dtype in (f32, np.intp))


def logsumexp(x, axes):
    rows = _rows(x, axes)
    if rows is None:
        return NotImplemented
    return _softmaxes(rows, LOGSUMEXP).reshape([n for i, n in enumerate(x.shape) if i not in axes])


def logsumexp_vjp(g, x, axes):
    rows = _rows(x, axes)
    if rows is None or g.dtype != f32:
        return NotImplemented
    y = _softmaxes(rows, SOFTMAX, g.reshape(-1).copy())
    if _are_last(axes, x.ndim):
        return y.reshape(x.shape)
    order = _rows_first(x.ndim, axes)
    return y.reshape([x.shape[i] for i in order]).transpose(np.argsort(order))


def softmax(x):
    return logsumexp_vjp(np.ones(x.shape[:-1], f32), x, (x.ndim - 1,))


def softmax_vjp(g, y):
    return _back((_softmax_vjp, short_rows.softmax_vjp), g, y)


def log_softmax(x):
    rows = _rows(x, (x.ndim - 1,))
    return NotImplemented if rows is None else _softmaxes(rows, LOG_SOFTMAX).reshape(x.shape)


def log_softmax_vjp(g, y):
    return _back((_log_softmax_vjp, short_rows.log_softmax_vjp), g, y)


def log_softmax_at(x, labels):
    rows, labels = _rows(x, (1,)), labels.astype(np.intp, copy=False)
    if rows is None or not labels.view(np.uintp).max() < x.shape[1]:  # a number below 0 is a very large one here
        return NotImplemented
    return _softmaxes(rows, AT, labels=as_input(labels))


def log_softmax_at_vjp(g, x, y, labels):
    rows = _rows(x, (1,))
    labels = as_input(labels.astype(np.intp, copy=False))
    return NotImplemented if rows is None else _softmaxes(rows, SOFTMAX, -g, as_input(y), labels)


def _softmaxes(rows, kind, values=None, known=NONE, labels=NO_LABELS):
    """What `_softmax` makes of rows by `kind`: a number for each row, or an array like all of them."""
    y = empty(rows.shape, f32) if kind in (SOFTMAX, LOG_SOFTMAX) else np.empty((0, rows.shape[1]), f32)
    values = np.empty(len(rows), f32) if values is None else values
    _share(kind, (_softmax, short_rows.softmax), rows, y, values, known, labels, kind)
    return y if len(y) else values


def _back(pair, g, y):
    if y.dtype != f32 or not y.size:
        return NotImplemented
    gx = empty(y.shape, f32)
    _share(BACK, pair, *(a.reshape(-1, y.shape[-1]) for a in (as_input(in_order(g)), as_input(y), gx)))
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
    """x as (N, K), K along `axes`; None for no axes, no entries, and rows that are too long to count in float32."""
    k = math.prod([x.shape[i] for i in axes])
    if not axes or not x.size or k >= 1 << 24:
        return None
    if not _are_last(axes, x.ndim):
        x = x.transpose(_rows_first(x.ndim, axes))
    return as_input(in_order(x)).reshape(-1, k)


def _are_last(axes, ndim) -> bool:
    return axes[0] + len(axes) == ndim


def _rows_first(ndim, axes) -> list[int]:
    """All axes, with `axes` behind the others."""
    return [i for i in range(ndim) if i not in axes] + list(axes)


def _share(kind, pair, rows, *arguments):
    """Call the first kernel, or the second one for short rows."""
    each = rows_in_block(len(rows), rows.size)
    share(pair[rows.shape[1] <= LONGEST[kind]], -(-len(rows) // each), rows, *arguments, each)


@exact_kernel
def _softmax(x, y, values, known, labels, kind, each, start, stop):
    """One of four functions of each row.

    `kind` is LOGSUMEXP (to values), AT (log_softmax at the label, to values), LOG_SOFTMAX (to y), or SOFTMAX: values ·
    softmax(x), to y. If SOFTMAX has labels, the entry at a label is values · (p - 1) instead, from its `known` log p.
    """
    k = x.shape[1]
    scratch = np.empty(k, f32)
    for i in range(start * each, min(stop * each, len(x))):
        row, e = x[i], y[i] if len(y) else scratch
        top, one = _largest(row), f32(1)
        if abs(top) < np.inf:
            for j in range(k):
                e[j] = exp_below_1(row[j] - top)
        else:
            top, one = f32(0) if kind == LOGSUMEXP or kind == SOFTMAX else top, f32(np.nan)  # ∞ - ∞ would be NaN
            for j in range(k):
                e[j] = exp(row[j] - top)
        if kind == SOFTMAX:
            scale = f32(values[i] / sum_row(e))
            for j in range(k):
                e[j] *= scale
            if len(labels):
                e[labels[i]] = values[i] * f32(np.expm1(np.float64(known[i])))
            continue
        below = np.log1p(_sum_but_one(e, one))
        if kind == LOGSUMEXP:
            values[i] = below + top
        elif kind == AT:
            values[i] = row[labels[i]] - top - f32(below)
        else:
            for j in range(k):
                e[j] = row[j] - top - f32(below)


@piece
def _largest(row):
    """The largest entry of a row that fills a vector; if one is NaN, any number."""
    a = b = c = d = load(row, 0)
    whole = len(row) // (4 * LANES) * 4 * LANES
    for j in range(0, whole, 4 * LANES):  # four at once, or each comparison would wait for the one before
        a, b = larger(a, load(row, j)), larger(b, load(row, j + LANES))
        c, d = larger(c, load(row, j + 2 * LANES)), larger(d, load(row, j + 3 * LANES))
    for j in range(whole, len(row), LANES):  # the last vector may repeat some entries
        a = larger(a, load(row, min(j, len(row) - LANES)))
    return largest(larger(larger(a, b), larger(c, d)))


@piece
def _sum_but_one(e, one):
    """Σ e, where e is 1 for the largest entry: without that 1, which log1p adds, or the sum would lose digits.

    `one` is NaN if the largest entry is not finite.
    """
    total, ones = 0.0, -1.0
    for first in range(0, len(e), SHORT):
        few, as_many, part = f32(0), f32(0), e[first : first + SHORT]
        for j in range(len(part)):
            is_one = f32(part[j] >= one)  # a number, not a branch, so that both sums run on vectors
            few += part[j] * (f32(1) - is_one)
            as_many += is_one
        total, ones = total + few, ones + as_many
    return total + ones


@piece
def _place_above(row, number):
    """The place of the only entry above a number; -1 if there is none."""
    place = np.int32(-1)
    for j in range(len(row)):
        place = max(place, np.int32(j) if row[j] > number else np.int32(-1))
    return place


@exact_kernel
def _log_softmax_vjp(g, y, gx, each, start, stop):
    """g - p Σ g; an entry with most of the probability p, where that would cancel, gets (1 - p) g - p Σ of the others.

    For 1 - p it takes -expm1 of y = log p.
    """
    for i in range(start * each, min(stop * each, len(g))):
        gi, yi, row = g[i], y[i], gx[i]
        most = _place_above(yi, LOG_MOST)
        others = sum_row(gi) if most < 0 else sum_row(gi[:most]) + sum_row(gi[most + 1 :])
        total = f32(others) if most < 0 else f32(others + gi[most])
        for j in range(len(row)):
            row[j] = gi[j] - exp_below_1(yi[j]) * total
        if most >= 0:
            log_p = np.float64(yi[most])
            row[most] = f32(-np.expm1(log_p) * gi[most] - np.exp(log_p) * others)


@exact_kernel
def _softmax_vjp(g, y, gx, each, start, stop):
    """y (g - Σ g y), and 0 where y is 0.

    In an entry with most of the probability, g and the sum would cancel: there 1 - y is the sum of the other y.
    """
    for i in range(start * each, min(stop * each, len(g))):
        gi, yi, row = g[i], y[i], gx[i]
        for j in range(len(row)):
            row[j] = f32(0) if yi[j] == 0 else gi[j] * yi[j]
        most, own = _place_above(yi, MOST), f32(0)
        if most >= 0:
            own, row[most] = row[most], f32(0)
        others = sum_row(row)
        total = f32(others + own)
        for j in range(len(row)):
            row[j] = f32(0) if yi[j] == 0 else yi[j] * (gi[j] - total)
        if most >= 0:
            rest = sum_row(yi[:most]) + sum_row(yi[most + 1 :])
            row[most] = f32(yi[most] * (gi[most] * rest - others))


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
