"""The three convolutions in plain NumPy: one trilinear form, summed up over the entries of the kernel.

A kernel entry meets only the pixels that it lies on, never the zeros around an image: so NaN in one of the arrays
reaches what depends on it, and nothing else.
"""

import numpy as np


def conv2d(x, w, stride, padding, dilation, bias=None, activation=None):
    """Each kernel entry, as a matrix (C, O), times the pixels that it lies on in all windows; padding takes no part."""
    (n, *size, _), (kh, kw, _, o) = x.shape, w.shape
    form = stride, padding, dilation
    outputs = [(h + 2 * p - d * (k - 1) - 1) // s + 1 for h, k, s, p, d in zip(size, (kh, kw), *form)]
    y = np.zeros((n, *outputs, o), np.result_type(x, w))
    for u, v, windows, pixels in _taps(size, outputs, (kh, kw), *form):
        y[windows] += x[pixels] @ w[u, v]
    return _finished(y, bias, activation)


def conv_transpose2d(g, w, size, stride, padding, dilation, bias=None, activation=None):
    """Every entry of g places a copy of the kernel, weighted by it; where copies overlap they add up."""
    kh, kw, c, _ = w.shape
    x = np.zeros((len(g), *size, c), np.result_type(g, w))
    for u, v, windows, pixels in _taps(size, g.shape[1:3], (kh, kw), stride, padding, dilation):
        x[pixels] += g[windows] @ w[u, v].T
    return _finished(x, bias, activation)


def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    """For each kernel entry, the pixels that it lies on in all windows, as a matrix (C, ...), times g (..., O)."""
    w = np.zeros((*kernel_size, x.shape[3], g.shape[3]), np.result_type(x, g))
    for u, v, windows, pixels in _taps(x.shape[1:3], g.shape[1:3], kernel_size, stride, padding, dilation):
        w[u, v] = np.tensordot(x[pixels], g[windows], axes=((0, 1, 2), (0, 1, 2)))
    return w


def _taps(size, outputs, kernel_size, stride, padding, dilation):
    """Each kernel entry (u, v) that lies on pixels, with the slices of those windows, and of their pixels under it."""
    rows, columns = map(_line_taps, size, outputs, kernel_size, stride, padding, dilation)
    for u, window_rows, pixel_rows in rows:
        for v, window_columns, pixel_columns in columns:
            yield u, v, (slice(None), window_rows, window_columns), (slice(None), pixel_rows, pixel_columns)


def _line_taps(n, g, k, s, p, d) -> list[tuple[int, slice, slice]]:
    """Along one axis: window i lays entry u on pixel s i + d u - p, where there is one."""
    taps = []
    for u in range(k):
        first, last = max(0, -((d * u - p) // s)), min(g, (n - 1 + p - d * u) // s + 1)
        if first < last:
            pixel = s * first + d * u - p
            taps.append((u, slice(first, last), slice(pixel, pixel + s * (last - first - 1) + 1, s)))
    return taps


def _finished(y, bias, activation):
    y = y if bias is None else y + bias
    return np.maximum(y, 0) if activation == "relu" else y
