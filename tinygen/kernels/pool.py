"""The largest pixel of each window, and back: a vector of channels at a time, which stays in a register.

Windows may begin before the image and end behind it; what is outside takes no part. Of fewer channels than lanes, one
is looked at after the other. Otherwise the last vector begins so many lanes before the end, and repeats some channels.
"""

import math

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vectors import LANES, chosen, kept, load, nothing, store
from tinygen.kernels.reference import FEW


def max_pool2d(x, outputs, kernel_size, stride, padding):
    shape = len(x), *outputs, x.shape[3]
    y, found = empty(shape, x.dtype), empty(shape, np.int32)
    rows = len(x) * outputs[0]
    each = rows_in_block(rows, max(x.size, y.size))
    share(_largest, -(-rows // each), as_input(x), y, found, (*kernel_size, *stride, *padding), each)
    return y, found


def max_pool2d_vjp(g, found, size, kernel_size, stride, padding):
    if math.prod(kernel_size) > FEW:  # of which many may choose the same pixel
        return NotImplemented
    x = empty((len(g), *size, g.shape[3]), g.dtype)
    rows = len(x) * size[0]
    each = rows_in_block(rows, max(x.size, g.size))
    share(_give_back, -(-rows // each), as_input(g), as_input(found), x, (*kernel_size, *stride, *padding), each)
    return x


@kernel
def _largest(x, y, found, form, each, start, stop):
    kh, kw, sh, sw, ph, pw = form
    (_, h, w, c), (n, gh, gw, _), number = x.shape, y.shape, x.dtype.type
    pixels, largest, places = x.reshape(-1), y.reshape(-1), found.reshape(-1)
    for row in range(start * each, min(stop * each, n * gh)):
        top, image = row % gh * sh - ph, row // gh * h
        u0, u1 = max(0, -top), min(kh, h - top)
        for j in range(gw):
            left, to = j * sw - pw, (row * gw + j) * c
            v0, v1 = max(0, -left), min(kw, w - left)
            at, first = ((image + top) * w + left) * c, (u0 * w + v0) * c
            for q in range(0, c if c < LANES else 0):
                best, tap = pixels[at + first + q], u0 * kw + v0
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        pixel = pixels[at + (u * w + v) * c + q]
                        if not pixel <= best and best == best:  # NaN is larger than everything, as in NumPy
                            best, tap = pixel, u * kw + v
                largest[to + q], places[to + q] = best, tap
            for vector in range(0, c if c >= LANES else 0, LANES):
                q = min(vector, c - LANES)
                best, tap = load(pixels, at + first + q), nothing(x) + number(u0 * kw + v0)
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        best, tap = chosen(best, tap, load(pixels, at + (u * w + v) * c + q), number(u * kw + v))
                store(largest, to + q, best)
                store(places, to + q, tap)


@kernel
def _give_back(g, found, x, form, each, start, stop):
    """Each pixel gets the gradients of those windows around it that chose it."""
    kh, kw, sh, sw, ph, pw = form
    (_, gh, gw, _), (n, h, w, c) = g.shape, x.shape
    gradients, places, pixels = g.reshape(-1), found.reshape(-1), x.reshape(-1)
    windows = np.empty((2, w), np.int64)  # from, to: those around each column
    for column in range(w):
        right = column + pw
        windows[0, column], windows[1, column] = max(0, (right - kw) // sw + 1), min(gw, right // sw + 1)
    for row in range(start * each, min(stop * each, n * h)):
        bottom, images = row % h + ph, row // h * gh
        i0, i1 = max(0, (bottom - kh) // sh + 1), min(gh, bottom // sh + 1)
        for column in range(w):
            right, to, j0, j1 = column + pw, (row * w + column) * c, windows[0, column], windows[1, column]
            for q in range(0, c if c < LANES else 0):
                total = gradients.dtype.type(0)
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        at = ((images + i) * gw + j) * c + q
                        if places[at] == (bottom - i * sh) * kw + right - j * sw:
                            total += gradients[at]
                pixels[to + q] = total
            for vector in range(0, c if c >= LANES else 0, LANES):
                q, total = min(vector, c - LANES), nothing(g)
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        at, tap = ((images + i) * gw + j) * c + q, (bottom - i * sh) * kw + right - j * sw
                        total = total + kept(load(gradients, at), places, at, np.int32(tap))
                store(pixels, to + q, total)
