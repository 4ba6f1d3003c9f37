"""The way back through normalisation: the loops for the rows that `norm.py` cuts an example into."""

import numpy as np

from tinygen.kernels.machine.jit import kernel, piece
from tinygen.kernels.machine.sums import SHORT, add_up
from tinygen.kernels.machine.window import scratch
from tinygen.kernels.norm_loops import (
    SILU,
    coefficients,
    f64,
    gather,
    gradient,
    is_single_row,
    place,
    repeat,
)


@kernel
def backward(g, x, weight, bias, moments, gx, sums, eps, kind, slope, cut, measure, apply, start, stop):
    """gx, and for each channel the gradients of weight and bias, Σ gz · (x - mean) · r and Σ gz; gz is that of z."""
    mean, scale, shift = scratch(x, cut.width), scratch(x, cut.width), scratch(x, cut.width)
    few_gx, few_g = scratch(x, cut.width), scratch(x, cut.width)
    sum_gx, sum_g = np.empty(cut.width), np.empty(cut.width)
    off, unit, prepared, channels = np.empty(cut.channels), np.empty(cut.channels), -1, cut.channels
    for block in range(start, stop):
        first, last, _, top, bottom = place(block, cut, len(x))
        if is_single_row(cut, moments):
            few_gx[:] = 0
            few_g[:] = 0
            for i in range(first, last):
                _row_backward(g[i, 0], x[i, 0], weight, bias, moments[i], eps, kind, slope, gx[i, 0], few_gx, few_g)
            for c in range(channels):
                sums[block, 0, c], sums[block, 1, c] = few_gx[c], few_g[c]
            continue
        for i in range(first, last):
            gs, xs, out = g[i, top:bottom], x[i, top:bottom], gx[i, top:bottom]
            if i != prepared:  # several pieces of an example have the same
                coefficients(moments[i], weight, bias, eps, mean, scale, shift, off, unit)
            if measure:
                gather(gs, xs, out, mean, scale, shift, kind, slope, few_gx, few_g, sum_gx, sum_g)
                add_up(sum_gx[channels:], sum_gx[:channels])
                add_up(sum_g[channels:], sum_g[:channels])
                of_weight, of_bias = sums[block]
                for c in range(channels):
                    sum_gx[c] = (sum_gx[c] - off[c] * sum_g[c]) * unit[c]
                    of_weight[c] += sum_gx[c]
                    of_bias[c] += sum_g[c]
            if apply:
                of_x, rest = few_gx, few_g
                if not measure and i != prepared:
                    for c in range(channels):  # numba takes seconds to compile an assignment of arrays
                        sum_gx[c], sum_g[c] = sums[i, 0, c], sums[i, 1, c]
                if measure or i != prepared:
                    count = cut.height * cut.width // moments.shape[2]
                    _means(moments, weight, count, sum_gx, sum_g)
                    for c in range(channels):
                        of_x[c] = -unit[c] * unit[c] * sum_gx[c]
                        rest[c] = -unit[c] * sum_g[c] - off[c] * of_x[c]
                    repeat(of_x, channels)
                    repeat(rest, channels)
                _combine(gs, xs, out, mean, scale, shift, kind, slope, of_x, rest)
            prepared = i


@piece
def _means(moments, weight, count, sum_gx, sum_g):
    """For each channel, the means of weight · gz · n and of weight · gz over its group, in place of the sums."""
    each = len(weight) // moments.shape[2]
    for k in range(moments.shape[2]):
        part, a, b = slice(k * each, (k + 1) * each), f64(0), f64(0)
        weights, of_gx, of_g = weight[part], sum_gx[part], sum_g[part]
        for c in range(each):
            a += weights[c] * of_gx[c]
            b += weights[c] * of_g[c]
        for c in range(each):
            of_gx[c], of_g[c] = a / count, b / count


@piece
def _combine(g, x, gx, mean, scale, shift, kind, slope, of_x, rest):
    """gx = gz · scale + (x - mean) · of_x + rest."""
    rows, width = x.shape
    for r in range(rows):
        for j in range(width):
            p = x[r, j] - mean[j]
            gz = gx[r, j] if len(kind) == SILU else gradient(g[r, j], p * scale[j] + shift[j], kind, slope)
            gx[r, j] = gz * scale[j] + p * of_x[j] + rest[j]


@piece
def _row_backward(g, x, weight, bias, moments, eps, kind, slope, gx, of_weight, of_bias):
    """gx = (weight · gz - a - n · b) · r, with the means a of weight · gz and b of weight · gz · n.

    The terms gz · n and gz of the gradients of weight and bias are added to those of other rows.
    """
    f, mean, r = x.dtype.type, moments[0, 0], 1 / np.sqrt(moments[1, 0] + eps)
    near, unit, off = f(mean), f(r), f((f(mean) - mean) * r)
    a, b = f64(0), f64(0)
    for first in range(0, len(x), SHORT):
        few, few_n, part = f(0), f(0), slice(first, first + SHORT)
        gs, xs, weights, biases = g[part], x[part], weight[part], bias[part]
        of_weights, of_biases = of_weight[part], of_bias[part]
        for j in range(len(xs)):
            n = (xs[j] - near) * unit + off
            gz = gradient(gs[j], n * weights[j] + biases[j], kind, slope)
            of_weights[j] += gz * n
            of_biases[j] += gz
            few += weights[j] * gz
            few_n += weights[j] * gz * n
        a += few
        b += few_n
    mean_u, mean_un = f(a / len(x)), f(b / len(x))
    for j in range(len(x)):
        n = (x[j] - near) * unit + off
        gz = gradient(g[j], n * weight[j] + bias[j], kind, slope)
        gx[j] = (weight[j] * gz - mean_u - n * mean_un) * unit
