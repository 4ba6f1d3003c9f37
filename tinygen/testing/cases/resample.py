"""Cases of resizing: by blocks, by any sparse matrices, and in every mode to any size."""

import math

import numpy as np

from tinygen import ops
from tinygen.ops.resize import MODES
from tinygen.ops.support.taps import Taps
from tinygen.testing.case import Case
from tinygen.testing.draws import UNEQUAL, counts, integral, normal, one_in, pick


def _images(rng):
    n, c = counts(rng, 2)
    h, w = pick(rng, ((1, 1), (2, 3), (3, 2), (3, 1)))
    return n, h, w, c


def _nearest(rng):
    return (normal(rng, _images(rng)),), {"scale": pick(rng, UNEQUAL)}


def _nearest_oracle(x, scale):
    rows, columns = (np.arange(n * s) // s for n, s in zip(x.shape[1:3], scale))
    return x[:, rows][:, :, columns]


def _blocks(rng):
    n, h, w, c = _images(rng)
    sh, sw = scale = pick(rng, UNEQUAL)
    return (normal(rng, (n, sh * h, sw * w, c)),), {"scale": scale}


def _blocks_oracle(x, scale):
    sh, sw = scale
    return np.asarray(sum(x[:, i::sh, j::sw] for i in range(sh) for j in range(sw)))


def _resample(rng):
    """Maps of one, two or three axes, of eighths, so that integers stay exact; some rows are empty."""
    axes = int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.integers(1, 4, axes)]
    matrices = [integral(rng, (int(rng.integers(1, 4)), n)) / 8 * (rng.random(n) < 0.8) for n in sizes]
    n, c = counts(rng, 2)
    return (normal(rng, (n, *sizes, c)),), {"maps": tuple(map(Taps.of, matrices))}


def _resample_oracle(x, maps):
    for axis, each in enumerate(maps, 1):
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ each.matrix().T.astype(x.dtype), -1, axis)
    return x


def _upsample(rng):
    scale = pick(rng, ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (1, 3)))
    static = {"scale_factor": scale, "mode": "bilinear", "align_corners": one_in(rng, 3)}
    return (normal(rng, _images(rng)),), static


def upsample(x, *, scale_factor, mode, align_corners):
    """`tinygen.upsample` with its statics as keywords."""
    return ops.upsample(x, scale_factor, mode=mode, align_corners=align_corners)


def _bilinear(x, scale_factor, mode, align_corners):
    for axis, scale in zip((1, 2), scale_factor):
        n = x.shape[axis]
        if align_corners:
            at = np.linspace(0, n - 1, n * scale)
        else:
            at = (np.arange(n * scale) + 0.5) / scale - 0.5  # np.interp holds the ends, as edge pixels do
        flat = np.moveaxis(x, axis, 0).reshape(n, x.size // n)
        lines = [np.interp(at, np.arange(n), flat[:, i]) for i in range(flat.shape[1])]
        shape = (*np.moveaxis(x, axis, -1).shape[:-1], n * scale)
        x = np.moveaxis(np.array(lines, x.dtype).reshape(shape), -1, axis)
    return x


def _scaled(arrays, static) -> int:
    return static["scale"][0] * static["scale"][1]


def _matrix_entries(arrays, static) -> int:
    return max(math.prod(each.shape[i] for each in static["maps"]) for i in (0, 1))


def _resize(rng):
    """Any size or factor in every mode."""
    mode = pick(rng, tuple(MODES))
    axes = pick(rng, MODES[mode])
    n, c = counts(rng, 2)
    old = [int(k) for k in rng.integers(1, 5, axes)]
    static = {"mode": mode, "align_corners": mode != "nearest" and one_in(rng, 3)}
    if one_in(rng, 2):
        static["size"] = tuple(int(k) for k in rng.integers(1, 7, axes))
    else:
        static["scale_factor"] = tuple(max(float(f), 1 / k) for f, k in zip(rng.uniform(0.4, 2.6, axes), old))
    return (normal(rng, (n, *old, c)),), static


def resize(x, *, mode, align_corners, size=None, scale_factor=None):
    """`tinygen.resize` with its statics as keywords."""
    return ops.resize(x, size, scale_factor=scale_factor, mode=mode, align_corners=align_corners)


def _interpolated(x, mode, align_corners, size=None, scale_factor=None):
    """Along each axis, a pixel is the sum of the samples around its place, each times a function of its distance."""
    for axis in range(1, x.ndim - 1):
        n = x.shape[axis]
        factor = scale_factor[axis - 1] if scale_factor else 1.0
        m = size[axis - 1] if size else int(np.floor(n * factor))
        step = n / m if size or (m == n and "linear" in mode) else 1 / factor
        slices = []
        for i in range(m):
            at = i * (n - 1) / max(m - 1, 1) if align_corners else (i + 0.5) * step - 0.5
            if mode == "nearest":
                near = [(int(np.floor(i * step)), 1.0)]
            elif mode == "bicubic":
                around = range(int(np.floor(at)) - 1, int(np.floor(at)) + 3)
                near = [(k, _cubic(abs(at - k))) for k in around]
            else:
                at = min(max(at, 0), n - 1)
                near = [(k, max(0.0, 1 - abs(at - k))) for k in range(n)]
            slices.append(sum((w * np.take(x, min(max(k, 0), n - 1), axis) for k, w in near), 0 * np.take(x, 0, axis)))
        x = np.stack(slices, axis)
    return x.astype(x.dtype)


def _cubic(d):
    """Keys' function with a = -3/4, written out for that a."""
    if d <= 1:
        return 1.25 * d**3 - 2.25 * d**2 + 1
    return -0.75 * d**3 + 3.75 * d**2 - 6 * d + 3


def _taps(arrays, static) -> int:
    """No output has more than 64 taps, and no input is in more outputs than there are."""
    return 64 * max(1, math.prod(static.get("size") or [3 * k for k in arrays[0].shape[1:-1]]))


def _doubled(arrays, static) -> bool:
    """Whether the weights are quarters: pixels in the middle of squares, enlarged by 1 or 2."""
    return not static["align_corners"] and max(static["scale_factor"]) <= 2


LINEAR = {"linear": ("x",), "flat": True}

RESAMPLE = (
    Case(op=ops.upsample_nearest, sample=_nearest, oracle=_nearest_oracle, exact=True, terms=_scaled, **LINEAR),
    Case(op=ops.sum_blocks, sample=_blocks, oracle=_blocks_oracle, exact=True, terms=_scaled, **LINEAR),
    Case(op=ops.resample, sample=_resample, oracle=_resample_oracle, exact=True, terms=_matrix_entries, **LINEAR),
    Case(op=resize, sample=_resize, oracle=_interpolated, terms=_taps, **LINEAR),
    Case(op=upsample, sample=_upsample, oracle=_bilinear, exact=_doubled, **LINEAR),
)
