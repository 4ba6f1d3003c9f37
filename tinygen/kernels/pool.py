"""The largest pixel of each window, and back: a vector of channels at a time, which stays in a register.

Windows may begin before the image and end behind it; what is outside takes no part. If the channels of a pixel don't
fill its last vector, that vector reaches into the pixels behind, whose own results are then written over it. Where that
would be beyond the work of a thread, channels are taken one by one.
"""

import math

import numpy as np

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_in_block, share
from tinygen.kernels.machine.vectors import LANES, chosen, kept, load, nothing, store
from tinygen.kernels.machine.window import clear
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
    filled, end = -(-c // LANES) * LANES, min(stop * each, n * gh) * gw * c
    for row in range(start * each, min(stop * each, n * gh)):
        top, image = row % gh * sh - ph, row // gh * h
        u0, u1 = max(0, -top), min(kh, h - top)
        for j in range(gw):
            left, to = j * sw - pw, (row * gw + j) * c
            v0, v1 = max(0, -left), min(kw, w - left)
            at, first = ((image + top) * w + left) * c, (u0 * w + v0) * c
            fits = to + filled <= end and at + ((u1 - 1) * w + v1 - 1) * c + filled <= len(pixels)
            for q in range(0, c if fits else 0, LANES):
                best, tap = load(pixels, at + first + q), nothing(x) + number(u0 * kw + v0)
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        best, tap = chosen(best, tap, load(pixels, at + (u * w + v) * c + q), number(u * kw + v))
                store(largest, to + q, best)
                store(places, to + q, tap)
            for q in range(0, 0 if fits else c):
                best, tap = pixels[at + first + q], u0 * kw + v0
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        pixel = pixels[at + (u * w + v) * c + q]
                        if not pixel <= best and best == best:  # NaN is larger than everything, as in NumPy
                            best, tap = pixel, u * kw + v
                largest[to + q], places[to + q] = best, tap


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
    filled, end = -(-c // LANES) * LANES, min(stop * each, n * h) * w * c
    for row in range(start * each, min(stop * each, n * h)):
        bottom, images = row % h + ph, row // h * gh
        i0, i1 = max(0, (bottom - kh) // sh + 1), min(gh, bottom // sh + 1)
        for column in range(w):
            right, to, j0, j1 = column + pw, (row * w + column) * c, windows[0, column], windows[1, column]
            if i0 >= i1 or j0 >= j1:
                clear(pixels, to, c)
            for i in range(i0, i1):
                for j in range(j0, j1):
                    at, tap = ((images + i) * gw + j) * c, np.int32((bottom - i * sh) * kw + right - j * sw)
                    fits, first = to + filled <= end and at + filled <= len(places), i == i0 and j == j0
                    for q in range(0, c if fits else 0, LANES):
                        share_of_it = kept(load(gradients, at + q), places, at + q, tap)
                        if not first:
                            share_of_it += load(pixels, to + q)
                        store(pixels, to + q, share_of_it)
                    for q in range(0, 0 if fits else c):
                        before = g.dtype.type(0) if first else pixels[to + q]
                        pixels[to + q] = before + gradients[at + q] if places[at + q] == tap else before
