"""The loops of normalisation: moments, coefficients and results of the rows that `norm.py` cuts an example into."""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece, whole_registers
from tinygen.kernels.machine.vector_math import f32, sigmoids

RUN = 32  # rows that x's own type adds up before float64 takes over: so rounding does not grow with their number
f64 = np.float64  # of the sums over sums: as plain Python too, where 0.0 would take the type of what is added


@kernel
def _place(block, cut, n):
    """What a block holds: examples from, to; the piece; its rows from, to."""
    first, piece = block // cut.pieces * cut.examples, block % cut.pieces
    start = piece * cut.rows
    return first, min(first + cut.examples, n), piece, start, min(start + cut.rows, cut.height)


@piece
def sum_rows(x, first, last, few):
    """The sum of rows first..last of x, in its own type."""
    few[:] = 0
    for r in range(first, last - 3, 4):  # four rows at a time, or `few` would be read and written for each
        a, b, c, d = x[r], x[r + 1], x[r + 2], x[r + 3]
        for j in range(len(few)):
            few[j] += (a[j] + b[j]) + (c[j] + d[j])
    for r in range(last - (last - first) % 4, last):
        for j in range(len(few)):
            few[j] += x[r, j]


@kernel
def _gather(gz, x, mean, few_gx, few_g, sum_gx, sum_g):
    """Σ gz · (x - mean) and Σ gz along the rows; without gz, Σ (x - mean)² and Σ (x - mean)."""
    whole_registers()
    rows, width = x.shape
    sum_gx[:] = 0
    sum_g[:] = 0
    for top in range(0, rows, RUN):
        few_gx[:] = 0
        few_g[:] = 0
        bottom = min(top + RUN, rows)
        for r in range(top, bottom - 1, 2):
            for j in range(width):
                p, q = x[r, j] - mean[j], x[r + 1, j] - mean[j]
                a, b = (p, q) if gz is None else (gz[r, j], gz[r + 1, j])
                few_gx[j] += a * p + b * q
                few_g[j] += a + b
        for r in range(bottom - (bottom - top) % 2, bottom):
            for j in range(width):
                p = x[r, j] - mean[j]
                a = p if gz is None else gz[r, j]
                few_gx[j] += a * p
                few_g[j] += a
        for j in range(width):
            sum_gx[j] += few_gx[j]
            sum_g[j] += few_g[j]


@kernel
def _repeat(row, channels):
    """The value at the first position of a row, at all of them."""
    for start in range(channels, len(row), channels):
        for c in range(channels):
            row[start + c] = row[c]


@kernel
def _add_up(row, channels):
    """The sum over the positions of a row, at the first of them."""
    for start in range(channels, len(row), channels):
        for c in range(channels):
            row[c] += row[start + c]


# -- forwards ----------------------------------------------------------------------------------------------------------


@kernel
def forward(x, weight, bias, y, moments, eps, kind, slope, cut, measure, apply, start, stop):
    mean, scale, shift = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    sums, squares = np.empty(cut.width), np.empty(cut.width)
    for block in range(start, stop):
        first, last, piece, top, bottom = _place(block, cut, len(x))
        for i in range(first, last):
            if measure:
                _measure(x[i, top:bottom], moments[i, piece], mean, scale, shift, sums, squares, cut.channels)
            if apply:
                _coefficients(moments[i, 0], weight, bias, eps, mean, scale, shift)
                _apply(x[i, top:bottom], y[i, top:bottom], mean, scale, shift, kind, slope)


@kernel
def _measure(x, moments, mean, few, few_squares, sums, squares, channels):
    """Mean and variance of each group, the squares taken around the mean; what it was off by is put right after."""
    whole_registers()
    rows, width = x.shape
    groups = moments.shape[1]
    each, count = channels // groups, x.size // groups
    sums[:] = 0
    for top in range(0, rows, RUN):
        sum_rows(x, top, min(top + RUN, rows), few)
        for j in range(width):
            sums[j] += few[j]
    _add_up(sums, channels)
    for k in range(groups):
        total = f64(0)
        for c in range(k * each, (k + 1) * each):
            total += sums[c]
        for c in range(k * each, (k + 1) * each):
            mean[c] = total / count
    _repeat(mean, channels)
    _gather(None, x, mean, few_squares, few, squares, sums)
    _add_up(sums, channels)
    _add_up(squares, channels)
    for k in range(groups):
        off, square = f64(0), f64(0)
        for c in range(k * each, (k + 1) * each):
            off += sums[c]
            square += squares[c]
        off /= count
        var = square / count - off * off
        moments[0, k] = mean[k * each] + off
        moments[1, k] = 0.0 if var < 0 else var


@kernel
def merge(parts, cut):
    """Moments of examples from those of their pieces: the variance is that within the pieces, and that of means."""
    n, pieces, _, groups = parts.shape
    whole = np.zeros((n, 2, groups))
    for i in range(n):
        for moment in range(2):
            for part in range(pieces):
                share = (min((part + 1) * cut.rows, cut.height) - part * cut.rows) / cut.height
                for k in range(groups):
                    off = parts[i, part, 0, k] - whole[i, 0, k]
                    whole[i, moment, k] += share * (
                        parts[i, part, 1, k] + off * off if moment else parts[i, part, 0, k]
                    )
    return whole


@kernel
def _coefficients(moments, weight, bias, eps, mean, scale, shift):
    """Along a row: what turns x into z = (x - mean) · scale + shift; the shift knows what the mean was rounded by."""
    channels, groups = len(weight), moments.shape[1]
    each = channels // groups
    for c in range(channels):
        k = c // each
        mean[c] = moments[0, k]
        scale[c] = weight[c] / np.sqrt(moments[1, k] + eps)
        shift[c] = bias[c] - (moments[0, k] - mean[c]) * scale[c]
    for row in (mean, scale, shift):
        _repeat(row, channels)


@kernel
def _apply(x, y, mean, scale, shift, kind, slope):
    whole_registers()
    rows, width = x.shape
    if kind == 0:
        for r in range(rows):
            for j in range(width):
                y[r, j] = (x[r, j] - mean[j]) * scale[j] + shift[j]
    elif kind == 1:
        for r in range(rows):
            for j in range(width):
                z = (x[r, j] - mean[j]) * scale[j] + shift[j]
                low = slope * z if slope != 0 else slope  # 0 · z would be NaN where z is -∞
                y[r, j] = low if z <= 0 else z
    else:
        for r in range(rows):
            for j in range(width):
                z = f32((x[r, j] - mean[j]) * scale[j] + shift[j])
                y[r, j] = z * sigmoids(z)[0]


# -- backwards ---------------------------------------------------------------------------------------------------------


@kernel
def backward(g, x, weight, bias, moments, gx, sums, eps, kind, slope, cut, measure, apply, start, stop):
    """gx, and for each channel the gradients of weight and bias, Σ gz · (x - mean) · r and Σ gz; gz is that of z."""
    mean, scale, shift = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    of_x, rest = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    sum_gx, sum_g = np.empty(cut.width), np.empty(cut.width)
    groups, channels = moments.shape[2], cut.channels
    each, count = channels // groups, cut.height * cut.width // groups
    for block in range(start, stop):
        first, last, _, top, bottom = _place(block, cut, len(x))
        for i in range(first, last):
            gs, xs, out = g[i, top:bottom], x[i, top:bottom], gx[i, top:bottom]
            if measure:
                _coefficients(moments[i], weight, bias, eps, mean, scale, shift)
                if kind == 0:
                    _gather(gs, xs, mean, of_x, rest, sum_gx, sum_g)
                else:
                    _activation_gradient(gs, xs, out, mean, scale, shift, kind, slope)
                    _gather(out, xs, mean, of_x, rest, sum_gx, sum_g)
                _add_up(sum_gx, channels)
                _add_up(sum_g, channels)
                for c in range(channels):
                    off, var = moments[i, 0, c // each] - mean[c], moments[i, 1, c // each]
                    sum_gx[c] = (sum_gx[c] - off * sum_g[c]) / np.sqrt(var + eps)
                    sums[block, 0, c] += sum_gx[c]
                    sums[block, 1, c] += sum_g[c]
            else:
                for c in range(channels):  # numba takes seconds to compile an assignment of arrays
                    sum_gx[c], sum_g[c] = sums[i, 0, c], sums[i, 1, c]
            if apply:
                for k in range(groups):
                    r = 1 / np.sqrt(moments[i, 1, k] + eps) if count > 1 else 0.0  # a number alone always becomes 0
                    a, b = f64(0), f64(0)
                    for c in range(k * each, (k + 1) * each):
                        a += weight[c] * sum_gx[c]
                        b += weight[c] * sum_g[c]
                    for c in range(k * each, (k + 1) * each):
                        mean[c] = moments[i, 0, k]
                        scale[c] = weight[c] * r
                        of_x[c] = -r * r * a / count
                        rest[c] = -r * b / count - (moments[i, 0, k] - mean[c]) * of_x[c]
                for row in (mean, scale, of_x, rest):
                    _repeat(row, channels)
                if kind == 0:
                    _combine(gs, xs, out, mean, scale, of_x, rest)
                else:
                    _combine(None, xs, out, mean, scale, of_x, rest)


@kernel
def _activation_gradient(g, x, gz, mean, scale, shift, kind, slope):
    """gz = g · activation'(z), written to the array of the gradient of x."""
    whole_registers()
    rows, width = x.shape
    if kind == 1:
        for r in range(rows):
            for j in range(width):
                z = (x[r, j] - mean[j]) * scale[j] + shift[j]
                low = slope * g[r, j] if slope != 0 else slope
                low = low if (z <= 0) | (g[r, j] == 0) else z  # NaN at NaN, unless g is 0
                gz[r, j] = g[r, j] if z > 0 else low
    else:
        for r in range(rows):
            for j in range(width):
                z = f32((x[r, j] - mean[j]) * scale[j] + shift[j])
                s, rest = sigmoids(z)
                gz[r, j] = g[r, j] * (s * (f32(1) + z * rest))


@kernel
def _combine(g, x, gx, mean, scale, of_x, rest):
    """gx = gz · scale + (x - mean) · of_x + rest; gz is g, or gx itself if g is None.

    numba compiles a loop for each of the two, because one over two names of the same memory is not vectorised.
    """
    whole_registers()
    rows, width = x.shape
    for r in range(rows):
        for j in range(width):
            gz = gx[r, j] if g is None else g[r, j]
            gx[r, j] = gz * scale[j] + (x[r, j] - mean[j]) * of_x[j] + rest[j]
