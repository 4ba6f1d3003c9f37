"""Softmax and its like for rows of a few numbers: many rows at a time, as columns, so that loops run across them.

The formulas are those of rows.py, whose loops along a row would be over before a vector is full.
"""

import numpy as np

from tinygen.kernels.machine.vector_math import exact, exact_kernel, exp, exp_below_1, expm1, f32, i32, log1p

LONGEST = 24  # numbers in a row; longer ones fill vectors by themselves
TOGETHER = 64  # rows
LOGSUMEXP, SOFTMAX, LOG_SOFTMAX = range(3)
LN2 = f32(np.log(2))


@exact_kernel
def softmax(x, y, values, kind, each, start, stop):
    """By `kind`: values = logsumexp(x), y = values · softmax(x), or y = log_softmax(x), for each row."""
    columns, (top, place, rest) = np.zeros((x.shape[1], TOGETHER), f32), np.zeros((3, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(x)), TOGETHER):
        n = min(TOGETHER, len(x) - first, stop * each - first)
        _turn(x, first, n, columns)
        _first_largest(columns, top, place)
        for q in range(TOGETHER):
            rest[q] = f32(0)
            if kind != LOG_SOFTMAX and not abs(top[q]) < f32(np.inf):
                top[q] = f32(0)  # ∞ - ∞ would be NaN
        for j in range(len(columns)):
            for q in range(TOGETHER):
                e = exp(columns[j, q] - top[q])
                rest[q] += e - f32(1) if place[q] == f32(j) else e  # that 1 is added by log1p
                if kind == SOFTMAX:
                    columns[j, q] = e
        if kind == SOFTMAX:
            for q in range(n):
                rest[q] = values[first + q] / (f32(1) + rest[q])
            for j in range(len(columns)):
                for q in range(TOGETHER):
                    columns[j, q] *= rest[q]
            _turn_back(columns, y, first, n)
            continue
        for q in range(TOGETHER):
            rest[q] = _log1p(rest[q])
        if kind == LOGSUMEXP:
            for q in range(n):
                values[first + q] = rest[q] + top[q]
        else:
            for j in range(len(columns)):
                for q in range(TOGETHER):
                    columns[j, q] = columns[j, q] - top[q] - rest[q]
            _turn_back(columns, y, first, n)


@exact_kernel
def log_softmax_vjp(g, y, gx, each, start, stop):
    """An entry with nearly all the probability p, where g - p Σ g would cancel, gets (1 - p) g - p Σ of the others."""
    k = g.shape[1]
    gs, ys = np.zeros((k, TOGETHER), f32), np.zeros((k, TOGETHER), f32)
    top, place, others, own = np.zeros((4, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(g)), TOGETHER):
        n = min(TOGETHER, len(g) - first, stop * each - first)
        _turn_pair(g, y, first, n, gs, ys, top, place)
        for q in range(TOGETHER):
            others[q] = f32(0)
        for j in range(k):
            for q in range(TOGETHER):
                here, gj, before = place[q] == f32(j), gs[j, q], own[q]
                others[q] += f32(0) if here else gj
                own[q] = gj if here else before
        for q in range(TOGETHER):
            bounded = f32(-80) if top[q] < f32(-80) else top[q]
            top[q] = -expm1(bounded) * own[q] - exp_below_1(bounded) * others[q]
        for j in range(k):
            for q in range(TOGETHER):
                usual, of_largest = gs[j, q] - exp_below_1(ys[j, q]) * (others[q] + own[q]), top[q]
                gs[j, q] = of_largest if place[q] == f32(j) else usual
        _turn_back(gs, gx, first, n)


@exact_kernel
def softmax_vjp(g, y, gx, each, start, stop):
    """y (g - Σ g y), and 0 where y is 0; for the largest y, 1 - y is the sum of the others, so that nothing cancels."""
    k = g.shape[1]
    gs, ys = np.zeros((k, TOGETHER), f32), np.zeros((k, TOGETHER), f32)
    top, place, others, rest, own = np.zeros((5, TOGETHER), f32)
    for first in range(start * each, min(stop * each, len(g)), TOGETHER):
        n = min(TOGETHER, len(g) - first, stop * each - first)
        _turn_pair(g, y, first, n, gs, ys, top, place)
        for q in range(TOGETHER):
            others[q], rest[q] = f32(0), f32(0)
        for j in range(k):
            for q in range(TOGETHER):
                here, p, gj, before = place[q] == f32(j), ys[j, q], gs[j, q], own[q]
                product = f32(0) if p == f32(0) else gj * p
                own[q] = gj if here else before
                others[q] += f32(0) if here else product
                rest[q] += f32(0) if here else p
        for j in range(k):
            for q in range(TOGETHER):
                p = ys[j, q]
                of_largest = p * (own[q] * rest[q] - others[q])
                product = p * (gs[j, q] - (others[q] + own[q] * top[q]))
                usual = f32(0) if p == f32(0) else product
                gs[j, q] = of_largest if place[q] == f32(j) else usual
        _turn_back(gs, gx, first, n)


# -- pieces ------------------------------------------------------------------------------------------------------------


@exact
def _turn(x, first, n, columns):
    """Copy rows `first` to `first` + n of x as columns."""
    for q in range(n):
        for j in range(len(columns)):
            columns[j, q] = x[first + q, j]


@exact
def _turn_pair(g, y, first, n, gs, ys, top, place):
    """The rows of g and of y as columns, and the first of the largest entries of each in y."""
    _turn(g, first, n, gs)
    _turn(y, first, n, ys)
    _first_largest(ys, top, place)


@exact
def _turn_back(columns, y, first, n):
    """Copy columns to rows `first` to `first` + n of y."""
    for q in range(n):
        for j in range(len(columns)):
            y[first + q, j] = columns[j, q]


@exact
def _first_largest(columns, top, place):
    """The first of the largest entries of each column, or the first NaN, and its row."""
    for q in range(TOGETHER):
        top[q], place[q] = columns[0, q], f32(0)
    for j in range(1, len(columns)):
        for q in range(TOGETHER):
            larger = not columns[j, q] <= top[q] and top[q] == top[q]
            top[q] = columns[j, q] if larger else top[q]
            place[q] = f32(j) if larger else place[q]


@exact
def _log1p(e):
    """log(1 + e) for e from 0 to ∞, and for -1; above 1, 1 + e is a power of two times a number from 1 to 2."""
    total = f32(f32(1) + e)
    twos = i32(i32(total.view(i32) >> i32(23)) - i32(127))
    scale = i32(i32(i32(127) - twos) << i32(23)).view(f32)
    power, part = (f32(twos), total * scale - f32(1)) if e > f32(1) else (f32(0), e)
    value = power * LN2 + log1p(part)
    if e == f32(-1):
        return f32(-np.inf)
    return value if e < f32(np.inf) else e
