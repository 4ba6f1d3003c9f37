"""The three convolutions: which way each takes, and the way that every one can take, gathers and matrix products.

In float32 there are faster ways, in the folder `convolution`: 3x3 with stride 1 and many channels by `winograd.py`, 3x3
and 4x4 with stride 2 by `winograd_strided.py`, whole vectors of output channels by `direct.py`, transposes to few
channels by `scatter.py`; 1x1 is one matrix product. What is left is done here.

A whole batch of windows written out is nine times the batch, and would stream through memory twice. So a block of a few
image rows gathers its windows into a buffer of cache size, multiplies it by the kernel as a matrix, and goes on. The
transpose gathers too: an output pixel (h, k) meets only the kernel entries (u, v) for which s divides h + p - d u and
k + p - d v, so the pixels fall into s x s phases, each a small convolution of its own, and no zero is multiplied.
"""

import math
from functools import lru_cache

import numpy as np

from tinygen.kernels import reference_conv as plain
from tinygen.kernels.conv import direct, scatter, winograd, winograd_strided
from tinygen.kernels.conv.product import product, transposed_product
from tinygen.kernels.linalg import matmul
from tinygen.kernels.machine.jit import as_input, kernel, piece
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import one_blas_thread, share
from tinygen.kernels.machine.vectors import LANES
from tinygen.kernels.machine.window import clear, copy
from tinygen.kernels.reference import is_finite
from tinygen.kernels.rows import contiguous

FLOOR = {None: np.float32(-np.inf), "relu": np.float32(0)}  # by activation: the least that a pixel can be
LONGEST = 1 << 17  # pixels of a sum of float32, of which float64 adds several: so rounding does not grow with them
BUFFER = 1 << 16  # numbers in a block's buffer: 256 kB of float32, which leaves room in a second-level cache


def conv2d(x, w, stride, padding, dilation, bias=None, activation=None):
    """The fastest way that fits; the general one multiplies gathered windows by the kernel as a (KH·KW·C, O) matrix.

    On the fast ways the kernel's entries also meet the zeros around an image, as 0 · NaN: one that is not finite goes
    the plain way. A pixel that is not finite keeps to its windows, but for Winograd, which then returns None.
    """
    y = _conv2d(x, w, stride, padding, dilation, bias, FLOOR[activation]) if is_finite(w) else None
    return _plainly(plain.conv2d, x, w, stride, padding, dilation, bias, activation) if y is None else y


def conv_transpose2d(g, w, size, stride, padding, dilation, bias=None, activation=None):
    """Phase by phase: each is a convolution of g with the part of the kernel that its pixels meet."""
    form = size, stride, padding, dilation, bias
    x = _conv_transpose2d(g, w, *form, FLOOR[activation]) if is_finite(w) else None
    return _plainly(plain.conv_transpose2d, g, w, *form, activation) if x is None else x


def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    """The same blocks, transposed, times g; sums of blocks are added in an order that the shapes fix."""
    w = _conv2d_weight(x, g, kernel_size, stride, padding, dilation)
    return w if is_finite(w) else _plainly(plain.conv2d_weight, x, g, kernel_size, stride, padding, dilation)


def _plainly(convolution, *args):
    with one_blas_thread(), np.errstate(invalid="ignore", over="ignore"):
        return convolution(*args)


def _conv2d(x, w, stride, padding, dilation, bias, floor):
    (n, h, wide, _), (kh, kw, _, o) = x.shape, w.shape
    bias = np.zeros(o, x.dtype) if bias is None else bias
    if (kh, kw, *stride, *padding) == (1, 1, 1, 1, 0, 0):
        return _raised(_of_pixels(x, w[0, 0], bias), floor)
    if (*stride, *dilation) == (1, 1, 1, 1) and max(padding[0] - kh, padding[1] - kw) < 0:
        turned = w[::-1, ::-1].transpose(0, 1, 3, 2)  # a convolution with stride 1 is the transpose of one, too
        if scatter.fits(x, turned):
            outer = kh - 1 - padding[0], kw - 1 - padding[1]
            size = h + kh - 1 - 2 * outer[0], wide + kw - 1 - 2 * outer[1]
            return _raised(scatter.conv_transpose2d(x, turned, bias, size, stride, outer, dilation), floor)
    if _ragged(x, o, dilation):
        w, bias = _filled(w, 3), _filled(bias, 0)
    if winograd.fits(x, (kh, kw), o, stride, dilation):
        y = winograd.conv2d(x, w, bias, floor, padding)
    elif winograd_strided.fits(x, (kh, kw), o, stride, dilation):
        y = winograd_strided.conv2d(x, w, bias, floor, padding)
    else:
        form = (kh, kw), tuple(stride), tuple(padding), tuple(dilation)
        gh, gw = (_outputs(*numbers) for numbers in zip((h, wide), *form))
        y = empty((n, gh, gw, w.shape[3]), x.dtype)
        _convolve(x, w, bias, floor, y, ((0, 0), (1, 1), (gh, gw)), form)
    return _first_channels(y, o)


def _conv_transpose2d(g, w, size, stride, padding, dilation, bias, floor):
    n, (kh, kw, c, _) = len(g), w.shape
    bias = np.zeros(c, g.dtype) if bias is None else bias
    if (kh, kw, *stride, *padding) == (1, 1, 1, 1, 0, 0):
        return _raised(_of_pixels(g, w[0, 0].T, bias), floor)
    if scatter.fits(g, w):
        return _raised(scatter.conv_transpose2d(g, w, bias, size, stride, padding, dilation), floor)
    if _ragged(g, c, dilation):
        w, bias = _filled(w, 2), _filled(bias, 0)
    turned = w[::-1, ::-1].transpose(0, 1, 3, 2)  # (KH, KW, O, C)
    if winograd.fits(g, (kh, kw), c, stride, dilation) and max(padding) <= 2:
        return _first_channels(winograd.conv2d(g, turned, bias, floor, (2 - padding[0], 2 - padding[1])), c)
    if winograd_strided.fits(g, (kh, kw), c, stride, dilation, transposed=True):
        return _first_channels(winograd_strided.conv_transpose2d(g, w, bias, floor, size, padding), c)
    x = empty((n, *size, w.shape[2]), g.dtype)
    for top, us, row_padding, row_step in _phases(kh, stride[0], padding[0], dilation[0]):
        for left, vs, column_padding, column_step in _phases(kw, stride[1], padding[1], dilation[1]):
            extent = _steps(size[0], top, stride[0]), _steps(size[1], left, stride[1])
            if us.size and vs.size:
                pixels = (top, left), tuple(stride), extent
                form = (len(us), len(vs)), (1, 1), (row_padding, column_padding), (row_step, column_step)
                _convolve(g, turned[us][:, vs], bias, floor, x, pixels, form)
            else:
                x[:, top :: stride[0], left :: stride[1]] = _raised(bias, floor)  # pixels that no kernel entry reaches
    return _first_channels(x, c)


def _conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    (n, gh, gw, o), (kh, kw), c = g.shape, kernel_size, x.shape[3]
    images = max(1, LONGEST // max(1, gh * gw))
    if x.dtype == np.float32 and n > images:
        parts = (
            _conv2d_weight(x[i : i + images], g[i : i + images], kernel_size, stride, padding, dilation)
            for i in range(0, n, images)
        )
        return sum(part.astype(np.float64) for part in parts).astype(x.dtype)
    if _ragged(x, o, dilation):
        g = _filled(g, 3)
    form = (kh, kw), tuple(stride), tuple(padding), tuple(dilation)
    if winograd.fits(x, kernel_size, o, stride, dilation):
        return _first_channels(winograd.conv2d_weight(x, g, padding), o)
    if winograd_strided.fits(x, kernel_size, o, stride, dilation) and 4 in kernel_size:  # 3x3 wins nothing by it
        return _first_channels(winograd_strided.conv2d_weight(x, g, kernel_size, padding), o)
    if direct.fits(x, g.shape[3], dilation):
        return _first_channels(direct.weight(x, g, form), o)
    rows, blocks = _blocks(n * gh, gw * kh * kw * c)
    # A sum over everything: each of a fixed number of parts adds up its own blocks, then the parts are added in order.
    sums = np.zeros((min(blocks, 8), kh * kw * c * o), x.dtype)
    with one_blas_thread():
        share(_weight_kernel, len(sums), as_input(x), as_input(g), sums, form, rows)
    return sums.sum(axis=0).reshape(kh, kw, c, o)


def _ragged(x, channels, dilation) -> bool:
    """Whether `channels` should be filled up to whole vectors: tiles with some zeros are faster than BLAS without."""
    return channels > 1 and channels % LANES > 0 and direct.fits(x, LANES, dilation)


def _first_channels(y, count):
    """Without those that were filled up."""
    return y if y is None or y.shape[3] == count else contiguous(y[..., :count])


def _filled(x, axis):
    """x and zeros behind it, to whole vectors along `axis`."""
    whole = np.zeros([n + (-n % LANES if i == axis else 0) for i, n in enumerate(x.shape)], x.dtype)
    whole[(slice(None),) * axis + (slice(x.shape[axis]),)] = x
    return whole


def _of_pixels(x, matrix, bias):
    """Where each pixel is a window by itself, a convolution is a matrix product of all pixels."""
    rows = np.ascontiguousarray(x).reshape(math.prod(x.shape[:3]), x.shape[3])  # (N·H·W, C)
    return matmul(rows, matrix, bias).reshape(*x.shape[:3], matrix.shape[1])


def _raised(x, floor):
    """To `floor` what is below it: for ways that don't do that as they go."""
    return np.maximum(x, floor) if floor == 0 else x


def _convolve(x, w, bias, floor, y, pixels, form):
    """Write conv2d(x, w) + bias, at least `floor`, to `pixels` of y, which are (corner, step, extent).

    That is `extent` = (height, width) of them, `step` apart from the one at `corner` on; `form` is (kernel_size,
    stride, padding, dilation).
    """
    _, _, (high, wide) = pixels
    if not (high and wide):
        return
    if direct.fits(x, w.shape[3], form[3]):
        direct.convolve(x, w, bias, floor, y, pixels, form)
        return
    rows, blocks = _blocks(len(x) * high, wide * math.prod(w.shape[:3]))
    with one_blas_thread():
        share(_convolve_kernel, blocks, as_input(x), as_input(w), as_input(bias), floor, y, pixels, form, rows)


@kernel
def _convolve_kernel(x, w, bias, floor, y, pixels, form, rows, start, stop):
    (corner, step, (gh, gw)), (n, h, wide, o) = pixels, y.shape
    k = form[0][0] * form[0][1] * x.shape[3]
    matrix, flat = w.reshape(-1), y.reshape(-1)
    buffer, made = np.empty(rows * gw * k, x.dtype), np.empty(rows * gw * o, x.dtype)
    for block in range(start, stop):
        first, last = block * rows, min((block + 1) * rows, n * gh)
        count = (last - first) * gw
        _gather(x, buffer, first, last, gh, gw, form)
        for i in range(count):
            copy(bias, 0, made, i * o, o)
        product(buffer, matrix, made, 0, count, k, o)
        if floor == 0:
            for i in range(count * o):
                made[i] = 0 if made[i] < 0 else made[i]
        for r in range(first, last):
            row = (r // gh * h + corner[0] + step[0] * (r % gh)) * wide + corner[1]
            for j in range(gw):
                copy(made, ((r - first) * gw + j) * o, flat, (row + step[1] * j) * o, o)


@kernel
def _weight_kernel(x, g, sums, form, rows, start, stop):
    n, gh, gw, o = g.shape
    k = form[0][0] * form[0][1] * x.shape[3]
    flat = g.reshape(-1)
    parts, blocks = len(sums), (n * gh + rows - 1) // rows
    buffer = np.empty(rows * gw * k, x.dtype)
    for part in range(start, stop):
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * rows, min((block + 1) * rows, n * gh)
            _gather(x, buffer, first, last, gh, gw, form)
            transposed_product(buffer, flat, first * gw * o, sums[part], (last - first) * gw, k, o)


@piece
def _gather(x, buffer, first, last, gh, gw, form):
    """The windows of output rows first..last as rows of the buffer, with zeros where they leave the image."""
    _, h, w, c = x.shape
    flat = x.reshape(-1)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = form
    k = kh * kw * c
    # Windows low..high lie inside the image from left to right: each of their rows is one run of numbers.
    low, high = min(max(0, (pw + sw - 1) // sw), gw), min((w + pw - dw * (kw - 1) - 1) // sw + 1, gw)
    low, high = (low, high) if dw == 1 and low < high else (gw, gw)
    for r in range(first, last):
        for u in range(kh):
            y = sh * (r % gh) + dh * u - ph
            row, to = (r // gh * h + y) * w, (r - first) * gw * k + u * kw * c
            if not 0 <= y < h:
                for j in range(gw):
                    clear(buffer, to + j * k, kw * c)
                continue
            for j in range(low, high):
                copy(flat, (row + sw * j - pw) * c, buffer, to + j * k, kw * c)
            for edge in range(gw - max(0, high - low)):
                j = edge if edge < low else edge + high - low
                for v in range(kw):
                    z = sw * j + dw * v - pw
                    if 0 <= z < w:
                        copy(flat, (row + z) * c, buffer, to + j * k + v * c, c)
                    else:
                        clear(buffer, to + j * k + v * c, c)


def _outputs(h: int, k: int, s: int, p: int, d: int) -> int:
    return (h + 2 * p - d * (k - 1) - 1) // s + 1


def _blocks(rows: int, row_size: int) -> tuple[int, int]:
    """How many image rows make a block whose buffer stays near BUFFER, and how many blocks that gives."""
    each = max(1, min(rows, BUFFER // max(1, row_size)))
    return each, -(-rows // each)


@lru_cache
def _phases(k: int, s: int, p: int, d: int) -> list[tuple[int, np.ndarray, int, int]]:
    """Along one axis: the convolution for each first pixel h < s, as (h, entries of the turned kernel, padding, step).

    Kernel entry u reaches h if s divides h + p - d u, and pixel h + s t then meets entry t + (h + p - d u) / s of g.
    Where u falls, that grows in equal steps: it is a convolution with dilation `step`, whose padding may be negative.
    """
    found = []
    for h in range(s):
        reach = np.flatnonzero((h + p - d * np.arange(k)) % s == 0)[::-1]
        first = (h + p - d * reach[0]) // s if len(reach) else 0
        found.append((h, k - 1 - reach, int(-first), d // math.gcd(s, d)))
    return found


def _steps(size: int, first: int, stride: int) -> int:
    """How many pixels first, first + stride, ... lie below `size`."""
    return max(0, -(-(size - first) // stride))
