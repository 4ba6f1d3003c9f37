"""Softmax and its like for rows of a few numbers: many rows at a time, as columns, so that loops run across them.

The formulas are those of rows.py, whose loops along a row would be over before a vector is full.
"""

import numpy as np

from tinygen.kernels.machine.vector_math import exact, exact_kernel, exp, exp_below_1, expm1, f32, log1p
from tinygen.kernels.machine.vectors import LANES, larger, load, store

TOGETHER = 64  # rows
LOGSUMEXP, SOFTMAX, LOG_SOFTMAX, AT, BACK = range(5)
# Numbers in a row, at most: longer ones fill vectors by themselves, but a logarithm for each is worth a few numbers.
LONGEST = {LOGSUMEXP: 80, SOFTMAX: 30, LOG_SOFTMAX: 80, AT: 80, BACK: 24}
LEAST = f32(-80)  # a logarithm of a probability that is 0 to a float32, beside 1
MOST, LOG_MOST = f32(0.501), f32(np.log(0.501))  # a probability that only one entry of a row can have, or none


@exact_kernel
def softmax(x, y, values, known, labels, kind, each, start, stop):
    """`rows._softmax` for short rows."""
    columns, (top, bound, rest, ones) = np.zeros((x.shape[1], TOGETHER), f32), np.zeros((4, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(x)), TOGETHER):
        n = min(TOGETHER, len(x) - first, stop * each - first)
        _turn(x, first, n, columns)
        _largest(columns, top)
        for q in range(TOGETHER):
            finite = abs(top[q]) < f32(np.inf)
            rest[q], ones[q], bound[q] = f32(0), f32(-1), top[q] if finite else f32(np.nan)
            if (kind == LOGSUMEXP or kind == SOFTMAX) and not finite:
                top[q] = f32(0)  # ∞ - ∞ would be NaN
        for j in range(len(columns)):
            for q in range(TOGETHER):
                e, is_top = exp(columns[j, q] - top[q]), columns[j, q] >= bound[q]
                rest[q] += f32(0) if is_top else e
                ones[q] += f32(1) if is_top else f32(0)  # but for one, which is added by log1p
                if kind == SOFTMAX:
                    columns[j, q] = e
        for q in range(TOGETHER):
            rest[q] += ones[q]
        if kind == SOFTMAX:
            for q in range(n):
                rest[q] = values[first + q] / (f32(1) + rest[q])
            for j in range(len(columns)):
                for q in range(TOGETHER):
                    columns[j, q] *= rest[q]
            for q in range(n if len(labels) else 0):
                top[q] = expm1(LEAST if known[first + q] < LEAST else known[first + q]) * values[first + q]
            for q in range(n if len(labels) else 0):
                columns[labels[first + q], q] = top[q]
            _turn_back(columns, y, first, n)
            continue
        for q in range(TOGETHER):
            rest[q] = log1p(rest[q])
        if kind == LOGSUMEXP:
            for q in range(n):
                values[first + q] = rest[q] + top[q]
        elif kind == AT:
            for q in range(n):
                values[first + q] = columns[labels[first + q], q] - top[q] - rest[q]
        else:
            for j in range(len(columns)):
                for q in range(TOGETHER):
                    columns[j, q] = columns[j, q] - top[q] - rest[q]
            _turn_back(columns, y, first, n)


@exact_kernel
def log_softmax_vjp(g, y, gx, each, start, stop):
    """`rows._log_softmax_vjp` for short rows."""
    k = g.shape[1]
    gs, ys = np.zeros((k, TOGETHER), f32), np.zeros((k, TOGETHER), f32)
    others, own, log_p = np.zeros((3, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(g)), TOGETHER):
        n = min(TOGETHER, len(g) - first, stop * each - first)
        _turn(g, first, n, gs)
        _turn(y, first, n, ys)
        for q in range(TOGETHER):
            others[q], own[q], log_p[q] = f32(0), f32(0), f32(0)
        for j in range(k):
            for q in range(TOGETHER):
                most, gj, yj = ys[j, q] > LOG_MOST, gs[j, q], ys[j, q]
                others[q] += f32(0) if most else gj
                own[q] += gj if most else f32(0)
                log_p[q] += yj if most else f32(0)
        for q in range(TOGETHER):
            log_p[q] = -expm1(log_p[q]) * own[q] - exp_below_1(log_p[q]) * others[q]
        for j in range(k):
            for q in range(TOGETHER):
                usual, of_most = gs[j, q] - exp_below_1(ys[j, q]) * (others[q] + own[q]), log_p[q]
                gs[j, q] = of_most if ys[j, q] > LOG_MOST else usual
        _turn_back(gs, gx, first, n)


@exact_kernel
def softmax_vjp(g, y, gx, each, start, stop):
    """`rows._softmax_vjp` for short rows."""
    k = g.shape[1]
    gs, ys = np.zeros((k, TOGETHER), f32), np.zeros((k, TOGETHER), f32)
    others, rest, own = np.zeros((3, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(g)), TOGETHER):
        n = min(TOGETHER, len(g) - first, stop * each - first)
        _turn(g, first, n, gs)
        _turn(y, first, n, ys)
        for q in range(TOGETHER):
            others[q], rest[q], own[q] = f32(0), f32(0), f32(0)
        for j in range(k):
            for q in range(TOGETHER):
                p = ys[j, q]
                product = f32(0) if p == f32(0) else gs[j, q] * p
                own[q] += product if p > MOST else f32(0)
                others[q] += f32(0) if p > MOST else product
                rest[q] += f32(0) if p > MOST else p
        for j in range(k):
            for q in range(TOGETHER):
                p, gj = ys[j, q], gs[j, q]
                usual, of_most = p * (gj - (others[q] + own[q])), p * (gj * rest[q] - others[q])
                gs[j, q] = f32(0) if p == f32(0) else of_most if p > MOST else usual
        _turn_back(gs, gx, first, n)


# -- pieces ------------------------------------------------------------------------------------------------------------


@exact
def _turn(x, first, n, columns):
    """Copy rows `first` to `first` + n of x as columns."""
    for q in range(n):
        for j in range(len(columns)):
            columns[j, q] = x[first + q, j]


@exact
def _turn_back(columns, y, first, n):
    """Copy columns to rows `first` to `first` + n of y."""
    for q in range(n):
        for j in range(len(columns)):
            y[first + q, j] = columns[j, q]


@exact
def _largest(columns, top):
    """The largest entry of each column; if one is NaN, any number."""
    flat = columns.reshape(-1)
    for q in range(0, TOGETHER, LANES):
        most = load(flat, q)
        for at in range(q + TOGETHER, len(flat), TOGETHER):
            most = larger(most, load(flat, at))
        store(top, q, most)
