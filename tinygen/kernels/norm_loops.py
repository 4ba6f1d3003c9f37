"""Moments, coefficients and results of normalisation, for the rows that `norm.py` cuts an example into."""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.sums import RUN, SHORT, add_up, sum_row, sum_rows
from tinygen.kernels.machine.vector_math import f32, sigmoids
from tinygen.kernels.machine.window import copy, scratch

LEAKY_RELU, SILU = 1, 2  # the length of `kind`, a tuple, so that the compiler knows it
f64 = np.float64  # of the sums over sums: as plain Python too, where 0.0 would take the type of what is added


@piece
def place(block, cut, n):
    """What a block holds: examples from, to; the piece; its rows from, to."""
    first, number = block // cut.pieces * cut.examples, block % cut.pieces
    start = number * cut.rows
    return first, min(first + cut.examples, n), number, start, min(start + cut.rows, cut.height)


@piece
def gather(g, x, gx, mean, scale, shift, kind, slope, few_gx, few_g, sum_gx, sum_g):
    """Σ gz · (x - mean) and Σ gz along the rows; without g, Σ (x - mean)² and Σ (x - mean)."""
    rows, width = x.shape
    sum_gx[:] = 0
    sum_g[:] = 0
    for top in range(0, rows, RUN):
        few_gx[:] = 0
        few_g[:] = 0
        last = min(top + RUN, rows)
        single = top if len(kind) == SILU else last - (last - top) % 4
        for r in range(top, single, 4):  # four rows at a time, as in `sum_rows`
            for j in range(width):
                p, a = _term(g, x, gx, mean, scale, shift, kind, slope, r, j)
                q, b = _term(g, x, gx, mean, scale, shift, kind, slope, r + 1, j)
                s, c = _term(g, x, gx, mean, scale, shift, kind, slope, r + 2, j)
                t, d = _term(g, x, gx, mean, scale, shift, kind, slope, r + 3, j)
                few_gx[j] += (a * p + b * q) + (c * s + d * t)
                few_g[j] += (a + b) + (c + d)
        for r in range(single, last):
            for j in range(width):
                p, a = _term(g, x, gx, mean, scale, shift, kind, slope, r, j)
                few_gx[j] += a * p
                few_g[j] += a
        for j in range(width):
            sum_gx[j] += few_gx[j]
            sum_g[j] += few_g[j]


@piece
def _term(g, x, gx, mean, scale, shift, kind, slope, r, j):
    p = x[r, j] - mean[j]
    if g is None:
        return p, p
    gz = gradient(g[r, j], p * scale[j] + shift[j], kind, slope)
    if len(kind) == SILU:
        gx[r, j] = gz
    return p, gz


@piece
def gradient(g, z, kind, slope):
    """gz = g · activation'(z)"""
    if len(kind) == LEAKY_RELU:
        low = slope * g if slope != 0 else slope
        low = low if (z <= 0) | (g == 0) else z  # NaN at NaN, unless g is 0
        return g if z > 0 else low
    if len(kind) == SILU:
        s, rest = sigmoids(f32(z))
        return g * (s * (f32(1) + f32(z) * rest))
    return g


@piece
def repeat(row, channels):
    """The value at the first position of a row, at all of them."""
    for start in range(channels, len(row), channels):
        copy(row, 0, row, start, channels)


@kernel
def merge(parts, shares, merged):
    """Moments of examples (N, 2, G) from those of their pieces: the variance within the pieces, and that of means."""
    for i in range(len(parts)):
        for k in range(merged.shape[2]):
            mean, var = 0.0, 0.0
            for q in range(len(shares)):
                mean += shares[q] * parts[i, q, 0, k]
            for q in range(len(shares)):
                var += shares[q] * (parts[i, q, 1, k] + (parts[i, q, 0, k] - mean) ** 2)
            merged[i, 0, k], merged[i, 1, k] = mean, var


@kernel
def are_outside(moments, least, most):
    """Whether mean² + variance, which is not 0, is at most `least` or at least `most`, or NaN, for any group."""
    for i in range(len(moments)):
        for k in range(moments.shape[2]):
            size = moments[i, 0, k] * moments[i, 0, k] + moments[i, 1, k]
            if size != 0 and not least < size < most:
                return True
    return False


# -- forwards ----------------------------------------------------------------------------------------------------------


@kernel
def forward(x, weight, bias, y, moments, eps, kind, slope, cut, measure, apply, start, stop):
    mean, scale, shift = scratch(x, cut.width), scratch(x, cut.width), scratch(x, cut.width)
    few, few_squares = scratch(x, cut.width), scratch(x, cut.width)
    sums, squares = np.empty(cut.width), np.empty(cut.width)
    off, unit, prepared = np.empty(cut.channels), np.empty(cut.channels), -1
    for block in range(start, stop):
        first, last, piece, top, bottom = place(block, cut, len(x))
        for i in range(first, last):
            if measure and is_single_row(cut, moments):
                _measure_row(x[i, 0], moments[i, 0])
            elif measure:
                _measure(x[i, top:bottom], moments[i, piece], mean, few, few_squares, sums, squares, cut.channels)
            if apply and is_single_row(cut, moments):
                _apply_to_row(x[i, 0], y[i, 0], moments[i, 0], weight, bias, eps, kind, slope)
            elif apply:
                if i != prepared:  # several pieces of an example have the same
                    coefficients(moments[i, 0], weight, bias, eps, mean, scale, shift, off, unit)
                    prepared = i
                _apply(x[i, top:bottom], y[i, top:bottom], mean, scale, shift, kind, slope)


@piece
def is_single_row(cut, moments):
    """Whether an example is one position with one group, as in layer normalisation."""
    return cut.height == 1 and cut.width == cut.channels and moments.shape[-1] == 1


@piece
def _measure_row(x, moments):
    """`_measure` of one row with one group."""
    near, off, square = x.dtype.type(sum_row(x) / len(x)), f64(0), f64(0)
    for first in range(0, len(x), SHORT):
        part, few, few_squares = x[first : first + SHORT], x.dtype.type(0), x.dtype.type(0)
        for j in range(len(part)):
            few += part[j] - near
            few_squares += (part[j] - near) * (part[j] - near)
        off += few
        square += few_squares
    off /= len(x)
    moments[0, 0] = near + off
    var = square / len(x) - off * off
    moments[1, 0] = 0.0 if var < 0 else var


@piece
def _measure(x, moments, mean, few, few_squares, sums, squares, channels):
    """Mean and variance of each group, the squares taken around the mean; what it was off by is put right after."""
    rows, width = x.shape
    groups = moments.shape[1]
    each, count = channels // groups, x.size // groups
    sums[:] = 0
    for top in range(0, rows, RUN):
        sum_rows(x, top, min(top + RUN, rows), slice(0, width), few)
        for j in range(width):
            sums[j] += few[j]
    add_up(sums[channels:], sums[:channels])
    for k in range(groups):
        mean[k * each : (k + 1) * each] = _total(sums, k, each) / count
    repeat(mean, channels)
    gather(None, x, None, mean, None, None, (), None, few_squares, few, squares, sums)
    add_up(sums[channels:], sums[:channels])
    add_up(squares[channels:], squares[:channels])
    for k in range(groups):
        off = _total(sums, k, each) / count
        var = _total(squares, k, each) / count - off * off
        moments[0, k] = mean[k * each] + off
        moments[1, k] = 0.0 if var < 0 else var


@piece
def _total(sums, k, each):
    """The sum over the `each` channels of group k. The compiler vectorises a loop only if it counts from 0."""
    part, total = sums[k * each : (k + 1) * each], f64(0)
    for c in range(each):
        total += part[c]
    return total


@piece
def coefficients(moments, weight, bias, eps, mean, scale, shift, off, unit):
    """Along a row: what turns x into z = (x - mean) · scale + shift; the shift knows what the mean was rounded by.

    For each channel, in float64: this `off`, and `unit`, one over the standard deviation.
    """
    _spread(moments[0], off)
    _spread(moments[1], unit)
    for c in range(len(unit)):
        near = mean.dtype.type(off[c])
        mean[c], off[c] = near, off[c] - near
        unit[c] = 1 / np.sqrt(unit[c] + eps)
    for c in range(len(unit)):
        scale[c] = weight[c] * unit[c]
        shift[c] = bias[c] - off[c] * scale[c]
    for row in (mean, scale, shift):
        repeat(row, len(unit))


@piece
def _spread(of_groups, of_channels):
    """The number of each group, at all of its channels."""
    each = len(of_channels) // len(of_groups)
    for k in range(len(of_groups)):
        part = of_channels[k * each : (k + 1) * each]
        for c in range(each):  # from 0, so that the compiler vectorises it
            part[c] = of_groups[k]


@piece
def _apply(x, y, mean, scale, shift, kind, slope):
    rows, width = x.shape
    for r in range(rows):
        for j in range(width):
            y[r, j] = _activated((x[r, j] - mean[j]) * scale[j] + shift[j], kind, slope)


@piece
def _apply_to_row(x, y, moments, weight, bias, eps, kind, slope):
    """`coefficients` and `_apply` for one row with one group."""
    f = x.dtype.type
    near, r = f(moments[0, 0]), f(1 / np.sqrt(moments[1, 0] + eps))
    off = f(moments[0, 0] - near)  # what the mean was rounded by
    for j in range(len(x)):
        y[j] = _activated((x[j] - near - off) * (weight[j] * r) + bias[j], kind, slope)


@piece
def _activated(z, kind, slope):
    if len(kind) == LEAKY_RELU:
        low = slope * z if slope != 0 else slope  # 0 · z would be NaN where z is -∞
        return low if z <= 0 else z
    return f32(z) * sigmoids(f32(z))[0] if len(kind) == SILU else z
