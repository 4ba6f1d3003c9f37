"""Normalisation with each number fetched from memory once: sums and result follow while an example is in the cache.

One pair of kernels serves all layers, which differ only in what they call an example and a group. An example that fits
the second-level cache is read for its means, for the variances around them, and for the result, but comes from memory
only the first time. A larger one (for BatchNorm the whole batch is one) is cut into pieces, each with means and
variances of its own; these are merged in order, and the example is read again. Backwards it is two sums per channel.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygen.kernels import reference
from tinygen.kernels.jit import as_input, kernel, whole_registers
from tinygen.kernels.memory import empty
from tinygen.kernels.threads import share
from tinygen.kernels.vector_math import f32, sigmoids

EXAMPLE = 1 << 16  # numbers of an example up to which it is one piece: two of them as float32 take 512 kB of cache
BLOCK = 1 << 14  # numbers of a block: a piece of a larger example, or several smaller ones
WIDTH = 256  # numbers of a row, at most: a long loop, whose sums yet stay in the first-level cache
f64 = np.float64  # of the sums over sums: as plain Python too, where 0.0 would take the type of what is added
KINDS = {None: 0, "leaky_relu": 1, "silu": 2}


def moments(x, num_groups):
    """Those of all pieces, merged."""
    cut = _cut(x.shape)
    found = np.empty((len(x), cut.pieces, 2, num_groups))
    none = as_input(np.empty(0, x.dtype))
    settings = 0.0, 0, x.dtype.type(0), cut, True, False
    share(_forward, cut.blocks, _rows(x, cut), none, none, np.empty((0, 0, 0), x.dtype), found, *settings)
    if cut.pieces == 1:
        return found[:, 0]
    return _merge(found, cut)


def group_norm(x, weight, bias, known, num_groups, eps, activation, slope):
    """In one go where an example is one piece; else the moments first."""
    if activation == "silu" and x.dtype != f32:  # the fast exponential is not for proofs
        y, known = group_norm(x, weight, bias, known, num_groups, eps, None, 0)
        return reference.silu(y), known
    cut = _cut(x.shape)
    measure = known is None and cut.pieces == 1
    if measure:
        known = np.empty((len(x), 2, num_groups))
    else:
        known = moments(x, num_groups) if known is None else np.array(known)  # one that may be written to, as above
    y = empty(x.shape, x.dtype)
    arrays = _rows(x, cut), as_input(weight), as_input(bias), _rows(y, cut, locked=False), known[:, None]
    settings = eps, KINDS[activation], x.dtype.type(slope), cut, measure, True
    share(_forward, cut.blocks, *arrays, *settings)
    return y, known


def group_norm_vjp(g, x, weight, bias, known, num_groups, eps, activation, slope):
    """The same way: sums and gradient in one go where an example is one piece; else the sums first."""
    known = moments(x, num_groups) if known is None else known
    if activation == "silu" and x.dtype != f32:
        z, _ = group_norm(x, weight, bias, known, num_groups, eps, None, 0)
        g, activation = reference.silu_vjp(g, z), None
    cut = _cut(x.shape)
    found = empty(x.size + 2 * len(weight), x.dtype)
    gx = found[: x.size].reshape(len(x), cut.height, cut.width)
    sums = np.zeros((cut.blocks, 2, len(weight)))
    arrays = _rows(g, cut), _rows(x, cut), as_input(weight), as_input(bias), as_input(known), gx
    settings = eps, KINDS[activation], x.dtype.type(slope), cut
    if cut.pieces == 1:
        share(_backward, cut.blocks, *arrays, sums, *settings, True, True)
    else:
        share(_backward, cut.blocks, *arrays, sums, *settings, True, False)
        sums = sums.reshape(len(x), cut.pieces, *sums.shape[1:]).sum(axis=1)
        share(_backward, cut.blocks, *arrays, sums, *settings, False, True)
    found[x.size :] = sums.sum(axis=0).reshape(-1)
    return found


# -- how the work is cut -----------------------------------------------------------------------------------------------


class Cut(NamedTuple):
    """Each example as `height` rows of `width` numbers, pieces of `rows` rows, and blocks of pieces or examples."""

    channels: int
    height: int
    width: int
    rows: int  # of a piece
    pieces: int  # of an example
    examples: int  # of a block
    blocks: int


@lru_cache(256)
def _cut(shape: tuple[int, ...]) -> Cut:
    """Several positions side by side make a row: channels repeat in it, and so do their coefficients."""
    n, positions, c = shape[0], math.prod(shape[1:-1]), shape[-1]
    together = next((k for k in range(min(positions, WIDTH // c), 1, -1) if positions % k == 0), 1)
    height, width = positions // together, together * c
    if height * width <= EXAMPLE:
        examples = max(1, min(n, BLOCK // (height * width)))
        return Cut(c, height, width, height, 1, examples, -(-n // examples))
    rows = max(1, BLOCK // width)
    pieces = -(-height // rows)
    return Cut(c, height, width, rows, pieces, 1, n * pieces)


def _rows(x: np.ndarray, cut: Cut, *, locked: bool = True) -> np.ndarray:
    return (as_input(x) if locked else x).reshape(len(x), cut.height, cut.width)


@kernel
def _place(block, cut, n):
    """What a block holds: examples from, to; the piece; its rows from, to."""
    first, piece = block // cut.pieces * cut.examples, block % cut.pieces
    start = piece * cut.rows
    return first, min(first + cut.examples, n), piece, start, min(start + cut.rows, cut.height)


@kernel
def _repeat(row, channels):
    """What stands at the first position of a row, at all of them."""
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
def _forward(x, weight, bias, y, moments, eps, kind, slope, cut, measure, apply, start, stop):
    mean, scale, shift = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    for block in range(start, stop):
        first, last, piece, top, bottom = _place(block, cut, len(x))
        for i in range(first, last):
            if measure:
                _measure(x[i, top:bottom], moments[i, piece], mean, scale, shift, cut.channels)
            if apply:
                _coefficients(moments[i, 0], weight, bias, eps, mean, scale, shift)
                _apply(x[i, top:bottom], y[i, top:bottom], mean, scale, shift, kind, slope)


@kernel
def _measure(x, moments, mean, sums, squares, channels):
    """Mean and variance of each group, the squares taken around the mean; what it was off by is put right after."""
    whole_registers()
    rows, width = x.shape
    groups = moments.shape[1]
    each, count = channels // groups, x.size // groups
    sums[:] = 0
    for r in range(rows):
        for j in range(width):
            sums[j] += x[r, j]
    _add_up(sums, channels)
    for k in range(groups):
        total = f64(0)
        for c in range(k * each, (k + 1) * each):
            total += sums[c]
        for c in range(k * each, (k + 1) * each):
            mean[c] = total / count
    _repeat(mean, channels)
    sums[:] = 0
    squares[:] = 0
    for r in range(rows):
        for j in range(width):
            d = x[r, j] - mean[j]
            sums[j] += d
            squares[j] += d * d
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
def _merge(parts, cut):
    """Moments of examples from those of their pieces: the variance is that within the pieces, and that of means."""
    n, pieces, _, groups = parts.shape
    whole = np.zeros((n, 2, groups))
    for i in range(n):
        for moment in range(2):
            for piece in range(pieces):
                share = (min((piece + 1) * cut.rows, cut.height) - piece * cut.rows) / cut.height
                for k in range(groups):
                    off = parts[i, piece, 0, k] - whole[i, 0, k]
                    whole[i, moment, k] += share * (
                        parts[i, piece, 1, k] + off * off if moment else parts[i, piece, 0, k]
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
                y[r, j] = z if z > 0 else slope * z
    else:
        for r in range(rows):
            for j in range(width):
                z = f32((x[r, j] - mean[j]) * scale[j] + shift[j])
                y[r, j] = z * sigmoids(z)[0]


# -- backwards ---------------------------------------------------------------------------------------------------------


@kernel
def _backward(g, x, weight, bias, moments, gx, sums, eps, kind, slope, cut, measure, apply, start, stop):
    """gx, and for each channel what weight and bias get: Σ gz · (x - mean) · r and Σ gz, gz being g at the bend's z."""
    mean, scale, shift = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    sum_gx, sum_g = np.empty(cut.width, x.dtype), np.empty(cut.width, x.dtype)
    groups, channels = moments.shape[2], cut.channels
    each, count = channels // groups, cut.height * cut.width // groups
    for block in range(start, stop):
        first, last, _, top, bottom = _place(block, cut, len(x))
        for i in range(first, last):
            gs, xs, out = g[i, top:bottom], x[i, top:bottom], gx[i, top:bottom]
            if measure:
                _coefficients(moments[i], weight, bias, eps, mean, scale, shift)
                if kind == 0:
                    _gather(gs, xs, mean, sum_gx, sum_g)
                else:
                    _bent(gs, xs, out, mean, scale, shift, kind, slope)
                    _gather(out, xs, mean, sum_gx, sum_g)
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
                        sum_gx[c] = -r * r * a / count
                        sum_g[c] = -r * b / count - (moments[i, 0, k] - mean[c]) * sum_gx[c]
                for row in (mean, scale, sum_gx, sum_g):
                    _repeat(row, channels)
                if kind == 0:
                    _combine(gs, xs, out, mean, scale, sum_gx, sum_g)
                else:
                    _combine_in_place(out, xs, mean, scale, sum_gx, sum_g)


@kernel
def _bent(g, x, gz, mean, scale, shift, kind, slope):
    """gz = g · bend'(z), written where the gradient of x will stand."""
    whole_registers()
    rows, width = x.shape
    if kind == 1:
        for r in range(rows):
            for j in range(width):
                z = (x[r, j] - mean[j]) * scale[j] + shift[j]
                gz[r, j] = g[r, j] if z > 0 else slope * g[r, j]
    else:
        for r in range(rows):
            for j in range(width):
                z = f32((x[r, j] - mean[j]) * scale[j] + shift[j])
                s, rest = sigmoids(z)
                gz[r, j] = g[r, j] * (s * (f32(1) + z * rest))


@kernel
def _gather(gz, x, mean, sum_gx, sum_g):
    """Σ gz · (x - mean) and Σ gz along the rows."""
    whole_registers()
    rows, width = x.shape
    sum_gx[:] = 0
    sum_g[:] = 0
    for r in range(rows):
        for j in range(width):
            sum_gx[j] += gz[r, j] * (x[r, j] - mean[j])
            sum_g[j] += gz[r, j]


@kernel
def _combine(g, x, gx, mean, scale, of_x, rest):
    """gx = g · scale + (x - mean) · of_x + rest."""
    whole_registers()
    rows, width = x.shape
    for r in range(rows):
        for j in range(width):
            gx[r, j] = g[r, j] * scale[j] + (x[r, j] - mean[j]) * of_x[j] + rest[j]


@kernel
def _combine_in_place(gx, x, mean, scale, of_x, rest):
    """The same where gx holds gz; a loop of its own, for one over two names of the same memory is not vectorised."""
    whole_registers()
    rows, width = x.shape
    for r in range(rows):
        for j in range(width):
            gx[r, j] = gx[r, j] * scale[j] + (x[r, j] - mean[j]) * of_x[j] + rest[j]
