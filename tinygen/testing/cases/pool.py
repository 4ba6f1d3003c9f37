"""Cases of pooling: the oracles loop over the windows."""

from itertools import product

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import counts, distinct, image_size, normal, window


def _images(rng):
    """The shapes of x (N, H, W, C) and of its pooled version, and the window: padded by at most half of itself."""
    n, c = counts(rng, 2)
    form = window(rng)
    top, left = (min(p, k // 2) for p, k in zip(form["padding"], form["kernel_size"]))
    form["padding"] = (top, left)
    form["dilation"] = (1, 1)
    size, outputs = image_size(rng, form)
    del form["dilation"]
    return (n, *size, c), (n, *outputs, c), form


def _spans(n, k, s, p, ceil_mode=False):
    """Each window along one axis: its start in the padded image, its pixels there, and those of the image alone."""
    start, spans = 0, []
    while start + k <= n + 2 * p or (ceil_mode and start - s + k < n + 2 * p and start < n + p):
        spans.append((start, min(start + k, n + 2 * p) - start, min(start + k, n + p) - max(start, p)))
        start += s
    return spans


def _windows(shape, kernel_size, stride, padding, ceil_mode=False):
    """Every window (i, j) with the slices of the padded image that it covers, and its two numbers of pixels."""
    rows, columns = (_spans(*axis, ceil_mode) for axis in zip(shape[1:3], kernel_size, stride, padding))
    for (i, (top, h, real_h)), (j, (left, w, real_w)) in product(enumerate(rows), enumerate(columns)):
        yield i, j, slice(top, top + h), slice(left, left + w), h * w, real_h * real_w


def _pool(x, fill, reduce, kernel_size, stride, padding, ceil_mode=False):
    (ph, pw), (n, h, w, c) = padding, x.shape
    padded = np.full((n, h + 2 * ph, w + 2 * pw, c), fill, x.dtype)
    padded[:, ph : ph + h, pw : pw + w] = x
    windows = _windows(x.shape, kernel_size, stride, padding, ceil_mode)
    places = {(i, j): reduce(padded[:, a, b], *pixels) for i, j, a, b, *pixels in windows}
    (last_i, last_j) = max(places)
    rows = [np.stack([places[i, j] for j in range(last_j + 1)], axis=1) for i in range(last_i + 1)]
    return np.stack(rows, axis=1)  # (N, GH, GW, C)


def _mean(x, count_include_pad=True, **form):
    def reduce(pixels, count, real):
        return pixels.sum(axis=(1, 2)) / (count if count_include_pad else real)

    return _pool(x, 0, reduce, **form)


def _largest(pixels, *_):
    """The pixel whose real part is largest; padding is -inf, and no two pixels are equal."""
    chosen = pixels.real == pixels.real.max(axis=(1, 2), keepdims=True)
    return np.where(chosen, pixels, 0).sum(axis=(1, 2))


def _avg(rng):
    x, _, form = _images(rng)
    options = {"ceil_mode": bool(rng.integers(2)), "count_include_pad": bool(rng.integers(2))}
    return (normal(rng, x),), form | options


def _max(rng):
    x, _, form = _images(rng)
    return tuple(distinct(rng, x)), form | {"ceil_mode": bool(rng.integers(2))}


def _area(arrays, static) -> int:
    return static["kernel_size"][0] * static["kernel_size"][1]


def _dyadic(arrays, static) -> bool:
    """Whether all windows have the same power of two pixels, so that the mean over them is exact."""
    varied = static.get("ceil_mode") or (any(static["padding"]) and not static.get("count_include_pad", True))
    return _area(arrays, static).bit_count() == 1 and not varied


LINEAR = {"exact": _dyadic, "flat": True, "terms": _area}

POOL = (
    Case(
        op=ops.avg_pool2d,
        sample=_avg,
        oracle=_mean,
        linear=("x",),
        **LINEAR,
    ),
    Case(
        op=ops.max_pool2d,
        sample=_max,
        oracle=lambda x, **form: _pool(x, -np.inf, _largest, **form),
        flat=True,
        convex=True,
        terms=_area,
    ),
)
