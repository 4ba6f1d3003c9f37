"""The three convolutions: which algorithm each call takes.

`direct.py` serves all shapes. Faster ones are `scatter.py` for transposes to few channels and, in float32 with many
channels, `winograd.py` for 3x3 with stride 1 and for 4x4 with stride 2. If each window is a pixel, or the whole image,
they are matrix products. A transpose is a few convolutions, those of `phases.py`.
"""

from typing import Any

import numpy as np

from tinygen.kernels import reference_conv as plain
from tinygen.kernels.conv import direct, scatter, winograd
from tinygen.kernels.conv.phases import phases
from tinygen.kernels.copy import contiguous, in_order, placed
from tinygen.kernels.linalg import matmul
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.vectors import LANES
from tinygen.kernels.optim import is_finite

FLOOR = {None: np.float32(-np.inf), "relu": np.float32(0)}  # by activation: the smallest value that a pixel can have
LARGE = 1 << 16  # numbers from which threads fill up channels
LONGEST = 1 << 17  # pixels of a sum of float32, of which float64 adds several: so rounding does not grow with them


@np.errstate(all="ignore")  # as a compiled loop, which gives no warning
def conv2d(x, w, stride, padding, dilation, bias=None, activation=None):
    """x (N, H, W, C) with w (KH, KW, C, O), plus bias (O,): (N, GH, GW, O).

    The fast algorithms also multiply the kernel by the zeros around an image, and 0 · NaN is NaN: a kernel that is not
    finite takes the plain one. A pixel that is not finite stays within its windows, except in Winograd's algorithm,
    which then returns None.
    """
    form = stride, padding, dilation, bias
    y = _conv2d(x, w, *form, FLOOR[activation]) if x.size and w.size and is_finite(w) else None
    return plain.conv2d(x, w, *form, activation) if y is None else y


@np.errstate(all="ignore")
def conv_transpose2d(g, w, size, stride, padding, dilation, bias=None, activation=None):
    """Images (N, *size, C) from g (N, GH, GW, O) and w (KH, KW, C, O), plus bias (C,)."""
    form = size, stride, padding, dilation, bias
    x = _conv_transpose2d(g, w, *form, FLOOR[activation]) if g.size and w.size and is_finite(w) else None
    return plain.conv_transpose2d(g, w, *form, activation) if x is None else x


@np.errstate(all="ignore")
def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    """The gradient (KH, KW, C, O) of conv2d's w, for the gradient g (N, GH, GW, O) of its output."""
    form = kernel_size, stride, padding, dilation
    w = _conv2d_weight(x, g, *form) if x.size and g.size else None
    return w if w is not None and is_finite(w) else plain.conv2d_weight(x, g, *form)


def _conv2d(x, w, stride, padding, dilation, bias, floor):
    (n, h, wide, _), (kh, kw, _, o) = x.shape, w.shape
    bias = np.zeros(o, x.dtype) if bias is None else bias
    if _are_apart((kh, kw), stride, padding, x.shape[3]):
        return _conv2d(_every(x, stride), w, (1, 1), padding, dilation, bias, floor)
    if _are_rows((h, wide), (kh, kw), stride, padding):
        y = matmul(np.ascontiguousarray(x).reshape(-1, w.size // o), w.reshape(-1, o), bias)
        return _raised(y.reshape(n, h // kh, wide // kw, o), floor)
    outer = _outer((kh, kw), stride, padding, dilation)
    if outer and o < LANES:
        size = [extent + p - q for extent, p, q in zip((h, wide), padding, outer)]
        if scatter.fits(x, _turned(w), size, stride):
            return _raised(scatter.conv_transpose2d(x, _turned(w), bias, size, stride, outer, dilation), floor)
    w, bias = _filled(w, 3), _filled(bias, 0)
    if winograd.fits(x, (kh, kw), o, stride, dilation) and winograd.weights_fit(w, stride):
        return _first_channels(winograd.conv2d(_filled(x, 3), _filled(w, 2), bias, floor, stride[0], padding), o)
    form = (kh, kw), tuple(stride), tuple(padding), tuple(dilation)
    gh, gw = ((size + 2 * p - d * (k - 1) - 1) // s + 1 for size, k, s, p, d in zip((h, wide), *form))
    y = empty((n, gh, gw, o), x.dtype)
    part = ((0, 0), (1, 1), (gh, gw)), form
    direct.convolve(x, w, bias, floor, y, (part,))
    return y


def _conv_transpose2d(g, w, size, stride, padding, dilation, bias, floor):
    n, (kh, kw, c, o) = len(g), w.shape
    if bias is None and _are_apart((kh, kw), stride, padding, c):
        x = _conv_transpose2d(g, w, g.shape[1:3], (1, 1), padding, dilation, None, floor)
        return placed(x, np.s_[:, :: stride[0], :: stride[1]], (n, *size, c))
    bias = np.zeros(c, g.dtype) if bias is None else bias
    if _are_rows(size, (kh, kw), stride, padding):
        x = matmul(np.ascontiguousarray(g).reshape(-1, o), w.reshape(-1, o).T, np.tile(bias, kh * kw))
        return _raised(x.reshape(n, *size, c), floor)
    outer = _outer((kh, kw), stride, padding, dilation)
    if outer:
        return _conv2d(g, _turned(w), stride, outer, dilation, bias, floor)
    if scatter.fits(g, w, size, stride):
        return _raised(scatter.conv_transpose2d(g, w, bias, size, stride, padding, dilation), floor)
    w, bias = _filled(w, 2), _filled(bias, 0)
    fits = winograd.fits_transposed(g, (kh, kw), c, stride, dilation, size, padding)
    if fits and winograd.weights_fit(w, stride):
        return _first_channels(winograd.conv_transpose2d(_filled(g, 3), _filled(w, 3), bias, floor, size, padding), c)
    entries, parts, bare = phases((kh, kw), *map(tuple, (size, stride, padding, dilation)))
    x = empty((n, *size, c), g.dtype)
    if parts:
        direct.convolve(g, w.transpose(0, 1, 3, 2), bias, floor, x, parts, entries)
    for pixels in bare:
        x[pixels] = _raised(bias[:c], floor)
    return x


def _conv2d_weight(x, g, kernel_size, stride, padding, dilation) -> np.ndarray:
    (n, gh, gw, o), c = g.shape, x.shape[3]
    if gh * gw == 1 and _are_rows(x.shape[1:3], kernel_size, stride, padding):
        return matmul(np.ascontiguousarray(x).reshape(n, -1).T, g.reshape(n, o)).reshape(*kernel_size, c, o)
    if _are_apart(kernel_size, stride, padding, c):
        x, stride = _every(x, stride), (1, 1)
    images = max(1, LONGEST // max(1, gh * gw))
    if x.dtype == np.float32 and n > images:
        parts = [
            _conv2d_weight(x[i : i + images], g[i : i + images], kernel_size, stride, padding, dilation)
            for i in range(0, n, images)
        ]
        return np.sum(parts, axis=0, dtype=np.float64).astype(x.dtype)
    outer = _outer(kernel_size, stride, padding, dilation)
    if o < min(c, LANES) and outer:  # the same sum, with x and g exchanged
        return _turned(_conv2d_weight(g, x, kernel_size, stride, outer, dilation))
    if winograd.fits(x, kernel_size, o, stride, dilation):
        w = winograd.conv2d_weight(_filled(x, 3), _filled(g, 3), kernel_size, stride[0], padding)
        return np.ascontiguousarray(_first_channels(w, o)[:, :, :c])
    form = tuple(kernel_size), tuple(stride), tuple(padding), tuple(dilation)
    return _first_channels(direct.weight(x, g, form), o)


def _outer(kernel_size, stride, padding, dilation) -> tuple[int, ...] | None:
    """The padding of the transpose that a convolution with stride 1 is, too, by the turned kernel; else None."""
    outer = tuple(d * (k - 1) - p for k, p, d in zip(kernel_size, padding, dilation))
    return outer if tuple(stride) == (1, 1) and min(outer) >= 0 else None


def _turned(w) -> np.ndarray:
    """The kernel turned round, with inputs and outputs exchanged: (KH, KW, O, C)."""
    return w[::-1, ::-1].transpose(0, 1, 3, 2)


def _first_channels(y, count) -> Any:
    """Without the channels that were padding."""
    return y if y is None or y.shape[3] == count else contiguous(y[..., :count])


def _filled(x, axis):
    """x, padded with zeros along `axis` to whole vectors, if they aren't: some zeros cost a tile little."""
    if x.shape[axis] % LANES == 0:
        return x
    shape = tuple([n + (-n % LANES if i == axis else 0) for i, n in enumerate(x.shape)])
    place = (slice(None),) * axis + (slice(x.shape[axis]),)
    if x.size >= LARGE and x.dtype == np.float32:
        return placed(x, place, shape)
    whole = np.zeros(shape, x.dtype)
    whole[place] = x
    return whole


def _are_rows(size, kernel_size, stride, padding) -> bool:
    """Whether the windows of images of `size` lie one after the other: each is a pixel, or the whole image."""
    if any(padding):
        return False
    return tuple(size) == tuple(kernel_size) or (*kernel_size, *stride) == (1, 1, 1, 1)


def _are_apart(kernel_size, stride, padding, c) -> bool:
    """Whether each window is one pixel of the image, the pixels between are left out, and c channels fill a vector."""
    return c >= LANES and tuple(kernel_size) == (1, 1) != tuple(stride) and not any(padding)


def _every(x, stride):
    """The pixels one stride apart."""
    return in_order(x[:, :: stride[0], :: stride[1]])


def _raised(x, floor):
    """max(x, floor), for algorithms that don't do that as they go."""
    return np.maximum(x, floor) if floor == 0 else x
