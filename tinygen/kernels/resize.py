"""A sparse matrix along each axis of images, by a line at a time: rows are mixed in the cache, then columns."""

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.reference import FEW


def resample(x, maps):
    n, *sizes, c = x.shape
    new = [len(starts) - 1 for starts, _, _ in maps]
    if 0 in x.shape or 0 in new:
        return NotImplemented
    if len(maps) == 3:  # along the first axis, a slice is one long pixel
        x = _resample(x.reshape(n, sizes[0], 1, -1), maps[0], _same()).reshape(n * new[0], sizes[1], sizes[2], c)
    elif len(maps) == 1:
        x = x.reshape(n, 1, sizes[0], c)
    y = _resample(x, maps[-2] if len(maps) > 1 else _same(), maps[-1])
    return y.reshape(n, *new, c)


def _same():
    """The map of one place to itself."""
    return np.array([0, 1]), np.array([0]), np.array([1.0])


def _resample(x, rows, columns):
    n, h, w, c = x.shape
    y = empty((n * (len(rows[0]) - 1), len(columns[0]) - 1, c), x.dtype)
    few = max([(starts[1:] - starts[:-1]).max() for starts, _, _ in (rows, columns)]) <= FEW
    wide = x.dtype if few else np.dtype(np.float64)  # longer sums lose digits in float32
    maps = [as_input(part) for starts, at, weights in (rows, columns) for part in (starts, at, weights.astype(wide))]
    each = rows_in_block(len(y), max(y.size, len(y) * w * c))
    share(_mix, -(-len(y) // each), as_input(x).reshape(n, h, w * c), y, *maps, each)
    return y


@piece
def _sum(y, x, first, last, at, weights):
    """y = Σ weights[k] x[at[k]] for first <= k < last, a pair of rows at a time."""
    if (last - first) % 2:
        a, v = x[at[first]], weights[first]
        for q in range(len(y)):
            y[q] = v * a[q]
        first += 1
    elif last > first:
        a, b, v, w = x[at[first]], x[at[first + 1]], weights[first], weights[first + 1]
        for q in range(len(y)):
            y[q] = v * a[q] + w * b[q]
        first += 2
    else:
        y[:] = 0
    for k in range(first, last, 2):
        a, b, v, w = x[at[k]], x[at[k + 1]], weights[k], weights[k + 1]
        for q in range(len(y)):
            y[q] += v * a[q] + w * b[q]


@kernel
def _mix(x, y, row_starts, row_at, row_weights, starts, at, weights, each, start, stop):
    height, width, c = len(row_starts) - 1, len(starts) - 1, y.shape[2]
    line = np.empty(x.shape[2], weights.dtype)  # a row of the image, mixed from those of its taps
    pixels, pixel = line.reshape(-1, c), np.empty(c, weights.dtype)
    for r in range(start * each, min(stop * each, len(y))):
        image, i = r // height, r % height
        _sum(line, x[image], row_starts[i], row_starts[i + 1], row_at, row_weights)
        for j in range(width):
            first, last = starts[j], starts[j + 1]
            if c == 1:
                total = line[0] * 0
                for k in range(first, last):
                    total += weights[k] * line[at[k]]
                y[r, j, 0] = total
            elif y.itemsize == weights.itemsize:
                _sum(y[r, j], pixels, first, last, at, weights)
            else:
                _sum(pixel, pixels, first, last, at, weights)
                out = y[r, j]
                for q in range(c):
                    out[q] = pixel[q]
