"""A sparse matrix along each axis of images, by a line at a time: rows are mixed in the cache, then columns."""

from functools import lru_cache

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
        x = _resample(x.reshape(n, sizes[0], 1, -1), maps[0], None).reshape(n * new[0], sizes[1], sizes[2], c)
    elif len(maps) == 1:
        x = x.reshape(n, 1, sizes[0], c)
    y = _resample(x, maps[-2] if len(maps) > 1 else None, maps[-1])
    return y.reshape(n, *new, c)


def _resample(x, rows, columns):
    """Along the two axes of images; None leaves one place as it is."""
    n, h, w, c = x.shape
    height, width, arrays = _prepared(rows, columns, x.dtype)
    y = empty((n * height, width, c), x.dtype)
    each = rows_in_block(len(y), max(y.size, len(y) * w * c))
    share(_mix, -(-len(y) // each), as_input(x).reshape(n, h, w * c), y, *arrays, each)
    return y


@lru_cache(256)  # a layer asks for the same ones again and again
def _prepared(rows, columns, dtype) -> tuple[int, int, list[np.ndarray]]:
    """The new height and width, and the arrays of both maps."""
    maps = [(np.array([0, 1]), np.array([0]), np.array([1.0])) if each is None else each for each in (rows, columns)]
    few = max([(starts[1:] - starts[:-1]).max() for starts, _, _ in maps]) <= FEW
    wide = dtype if few else np.dtype(np.float64)  # longer sums lose digits in float32
    arrays = [as_input(part) for starts, at, weights in maps for part in (starts, at, weights.astype(wide))]
    return len(maps[0][0]) - 1, len(maps[1][0]) - 1, arrays


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
