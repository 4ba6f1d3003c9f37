"""Many entries to one, along the axes named; the gradient spreads back over the entries that made it.

Convention: where `max` has a tie, the gradient goes to the first of the largest, as in `max_pool2d`.
"""

import math

import numpy as np

from tinygen.op import op
from tinygen.ops.elementwise import exp
from tinygen.ops.shape import LARGE, add_up, broadcast_to, reshape
from tinygen.tensor import constant


@op
def sum(x, *, axis=None, keepdims=False):
    """Σ x along `axis` (a number, several, or None for all)."""
    spread = _spread(x, axis)
    if x.data.size >= LARGE and not keepdims:
        return add_up(x.data, tuple(sorted(_axes(x, axis)))), spread
    return x.data.sum(axis=axis, keepdims=keepdims), spread


@op
def mean(x, *, axis=None, keepdims=False):
    """The arithmetic mean along `axis`."""
    spread, n = _spread(x, axis), _count(x, axis, "mean")
    return x.data.sum(axis=axis, keepdims=keepdims) / n, lambda g: spread(g * (1 / n))


@op
def var(x, *, axis=None, keepdims=False):
    """The variance along `axis`: the mean squared distance from the mean (divided by n, not n - 1)."""
    spread, n = _spread(x, axis), _count(x, axis, "var")
    return (
        x.data.var(axis=axis, keepdims=keepdims),
        lambda g: spread(g * (2 / n)) * (x - mean(x, axis=axis, keepdims=True)),
    )


@op
def max(x, *, axis=None, keepdims=False):
    """The largest entry along `axis`."""
    spread, first = _spread(x, axis), constant(_first_largest(x, axis))
    return x.data.max(axis=axis, keepdims=keepdims), lambda g: spread(g) * first


@op
def logsumexp(x, *, axis=None, keepdims=False):
    """log Σ eˣ along `axis`; its gradient is the softmax.

    Shifted by the largest entry, so that nothing overflows; that entry's e⁰ = 1 goes to log1p, not into the sum, where
    it would swallow the others' digits.
    """
    spread, _ = _spread(x, axis), _count(x, axis, "logsumexp")
    first, top = _first_largest(x, axis), x.data.max(axis=axis, keepdims=True)
    top = constant(np.where(np.isfinite(top), top, 0).astype(x.dtype))
    rest = (np.exp(x.data - top.data) - first).sum(axis=axis, keepdims=True)
    value = np.log1p(rest) + top.data
    if not keepdims:
        value = value.reshape([n for i, n in enumerate(x.shape) if i not in _axes(x, axis)])
    return value, lambda g: spread(g) * _softmax(x - top, axis)


def _softmax(x, axis):
    """eˣ / Σ eˣ, for entries that were shifted below 0."""
    e = exp(x)
    return e / sum(e, axis=axis, keepdims=True)


def _axes(x, axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(not isinstance(a, int | np.integer) for a in axes):
        raise TypeError(f"axis must be an integer, a tuple of them, or None for all, got {axis!r}")
    if any(not -x.ndim <= a < x.ndim for a in axes):
        raise ValueError(f"there is no axis {axis} in shape {x.shape}")
    axes = tuple(int(a) % x.ndim for a in axes)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names an axis of shape {x.shape} twice")
    return axes


def _count(x, axis, name: str) -> int:
    n = math.prod(x.shape[a] for a in _axes(x, axis))
    if n == 0:
        raise ValueError(f"{name}: nothing to reduce along axis {axis} of shape {x.shape}")
    return n


def _spread(x, axis):
    """The adjoint of summing x along `axis`: repeats a reduced tensor, with or without kept axes, to x's shape."""
    shape, axes = x.data.shape, _axes(x, axis)
    if sorted(axes) == [*range(len(axes))]:  # the leading ones, or all: they need not be there to be repeated
        return lambda g: broadcast_to(g, shape=shape)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return lambda g: broadcast_to(reshape(g, shape=kept), shape=shape)


def _first_largest(x, axis) -> np.ndarray:
    """1 at the first of the largest entries along `axis`, else 0; shaped like x."""
    _count(x, axis, "max")
    axes = _axes(x, axis)
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    moved = x.data.transpose(*rest, *axes)
    rows = moved.reshape(math.prod(moved.shape[: len(rest)]), math.prod(moved.shape[len(rest) :]))
    mask = np.zeros(rows.shape, x.dtype)
    if rows.size:
        mask[np.arange(len(rows)), rows.argmax(axis=1)] = 1
    return mask.reshape(moved.shape).transpose(np.argsort(rest + axes))
