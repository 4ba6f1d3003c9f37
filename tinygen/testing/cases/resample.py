"""Cases of upsampling: nearest, by any pair of matrices, and bilinear in both conventions."""

import numpy as np

from tinygen import ops
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
    """Matrices of eighths, so that integers stay exact."""
    n, h, w, c = _images(rng)
    rows, columns = (integral(rng, (int(rng.integers(1, 4)), size)) / 8 for size in (h, w))
    return (normal(rng, (n, h, w, c)),), {"rows": rows, "columns": columns}


def _resample_oracle(x, rows, columns):
    y = np.asarray(sum(rows[:, h, None, None] * x[:, None, h] for h in range(x.shape[1])))  # (N, H', W, C)
    return np.asarray(sum(columns[:, w, None] * y[:, :, None, w] for w in range(x.shape[2])))  # (N, H', W', C)


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
    (h_out, h_in), (w_out, w_in) = static["rows"].shape, static["columns"].shape
    return max(h_in * w_in, h_out * w_out)


def _doubled(arrays, static) -> bool:
    """Whether the weights are quarters: pixels in the middle of squares, enlarged by 1 or 2."""
    return not static["align_corners"] and max(static["scale_factor"]) <= 2


LINEAR = {"linear": ("x",), "flat": True}

RESAMPLE = (
    Case(op=ops.upsample_nearest, sample=_nearest, oracle=_nearest_oracle, exact=True, terms=_scaled, **LINEAR),
    Case(op=ops.sum_blocks, sample=_blocks, oracle=_blocks_oracle, exact=True, terms=_scaled, **LINEAR),
    Case(op=ops.resample, sample=_resample, oracle=_resample_oracle, exact=True, terms=_matrix_entries, **LINEAR),
    Case(op=upsample, sample=_upsample, oracle=_bilinear, exact=_doubled, **LINEAR),
)
