"""Cases of the reductions: along one axis, several, all or none, counted from either end."""

import math

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import axes, distinct, normal, one_in, shape


def _reduction(draw, *, empty: bool = False):
    """A sample for a reduction; only a sum may go along an axis without entries (`empty`)."""

    def sample(rng):
        whole = shape(rng)
        allowed = [i for i, n in enumerate(whole) if n or empty]
        static = {"axis": axes(rng, len(whole), allowed=allowed), "keepdims": one_in(rng, 2)}
        return (draw(rng, whole),), static

    return sample


def _distinct(rng, shape):
    return distinct(rng, shape)[0]


def _largest(x, axis, keepdims):
    """The entry whose real part is largest; samples have no ties, so there is one such entry."""
    chosen = x.real == x.real.max(axis=axis, keepdims=True)
    return (chosen * x).sum(axis=axis, keepdims=keepdims)


def _spread(x, axis, keepdims):
    return ((x - x.mean(axis=axis, keepdims=True)) ** 2).mean(axis=axis, keepdims=keepdims)


def _log_of_sum(x, axis, keepdims):
    shift = x.real.mean() if x.size else 0  # near 0, log(exp(x)) would have fewer digits than x
    return np.log(np.exp(x - shift).sum(axis=axis, keepdims=keepdims)) + shift


def _reduced(arrays, static) -> int:
    (x,), axis = arrays, static["axis"]
    return math.prod(x.shape if axis is None else [x.shape[a] for a in np.atleast_1d(axis).astype(int)])


def _dyadic(arrays, static) -> bool:
    """Whether the number of entries that a mean goes over is a power of two, so that dividing by it is exact."""
    return _reduced(arrays, static).bit_count() == 1


def _rows_and_labels(rng):
    n, k = int(rng.integers(0, 6)), int(rng.integers(1, 6))
    return (normal(rng, (n, k)),), {"labels": rng.integers(0, k, n)}


REDUCE = (
    Case(
        op=ops.sum,
        sample=_reduction(normal, empty=True),
        oracle=lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
        linear=("x",),
        exact=True,
        flat=True,
    ),
    Case(
        op=ops.mean,
        sample=_reduction(normal),
        oracle=lambda x, axis, keepdims: x.sum(axis, keepdims=keepdims) / _reduced((x,), {"axis": axis}),
        linear=("x",),
        exact=_dyadic,
        flat=True,
    ),
    Case(op=ops.var, sample=_reduction(_distinct), oracle=_spread, convex=True),
    Case(op=ops.max, sample=_reduction(_distinct), oracle=_largest, flat=True, convex=True),
    Case(
        op=ops.logsumexp,
        sample=_reduction(normal),
        oracle=_log_of_sum,
        convex=True,
    ),
    Case(
        op=ops.fused.scaled_sum,
        sample=lambda rng: ((normal(rng, shape(rng)),), {"scale": float(rng.normal())}),
        oracle=lambda x, scale: x.sum() * scale,
        linear=("x",),
        flat=True,
    ),
    Case(
        op=ops.fused.softmax_of_rows,
        sample=lambda rng: ((normal(rng, (*shape(rng), int(rng.integers(1, 5)))),), {}),
        oracle=lambda x: 1 / np.exp(x[..., None, :] - x[..., None]).sum(axis=-1),
    ),
    Case(
        op=ops.fused.log_softmax_of_rows,
        sample=lambda rng: ((normal(rng, (*shape(rng), int(rng.integers(1, 5)))),), {}),
        oracle=lambda x: -np.log(np.exp(x[..., None, :] - x[..., None]).sum(axis=-1)),
    ),
    Case(
        op=ops.fused.log_softmax_at,
        sample=_rows_and_labels,
        oracle=lambda x, labels: -np.log(np.exp(x - x[np.arange(len(x)), labels][:, None]).sum(axis=-1)),
    ),
)
