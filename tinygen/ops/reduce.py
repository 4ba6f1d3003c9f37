"""Many entries to one, along the axes named; the gradient spreads back over the entries that made it.

Convention: where `max` has a tie, the gradient goes to the first of the largest, as in `max_pool2d`.
"""

import math

import numpy as np

from tinygen import kernels
from tinygen.op import op
from tinygen.ops.elementwise import exp, gate
from tinygen.ops.shape import broadcast_to, reshape, sum_along
from tinygen.tensor import constant


@op
def sum(x, *, axis=None, keepdims=False):
    """Σ x along `axis` (a number, several, or None for all)."""
    axes = _axes(x, axis)
    return _shaped(sum_along(x.data, axes), x, axes, keepdims), _spread(x, axes)


@op
def mean(x, *, axis=None, keepdims=False):
    """The arithmetic mean along `axis`."""
    axes = _axes(x, axis)
    spread, n = _spread(x, axes), _count("mean", x, axes, axis)
    return _shaped(sum_along(x.data, axes) / n, x, axes, keepdims), lambda g: spread(g * (1 / n))


@op
def var(x, *, axis=None, keepdims=False):
    """The variance along `axis`: the mean squared distance from the mean (divided by n, not n - 1)."""
    axes = _axes(x, axis)
    spread, n = _spread(x, axes), _count("var", x, axes, axis)
    return (
        _shaped(kernels.variance(x.data, axes), x, axes, keepdims),
        lambda g: spread(g * (2 / n)) * (x - mean(x, axis=axes, keepdims=True)),
    )


@op
def max(x, *, axis=None, keepdims=False):
    """The largest entry along `axis`."""
    axes = _axes(x, axis)
    _count("max", x, axes, axis)
    spread, first = _spread(x, axes), constant(_first_largest(x, axes))
    return x.data.max(axis=axes, keepdims=keepdims), lambda g: gate(spread(g), first)


@op
def logsumexp(x, *, axis=None, keepdims=False):
    """log Σ eˣ along `axis`; its gradient is the softmax.

    Shifted by the largest entry, so that nothing overflows; that entry's e⁰ = 1 goes to log1p, not into the sum, where
    it would swallow the others' digits.
    """
    axes = _axes(x, axis)
    _count("logsumexp", x, axes, axis)
    spread, first, top = _spread(x, axes), _first_largest(x, axes), x.data.max(axis=axes, keepdims=True)
    top = constant(np.where(np.isfinite(top), top, 0).astype(x.dtype))
    rest = sum_along(np.exp(x.data - top.data) - first, axes)
    value = np.log1p(rest) + top.data.reshape(rest.shape)
    return _shaped(value, x, axes, keepdims), lambda g: spread(g) * _softmax(x - top, axes)


def _softmax(x, axes):
    """eˣ / Σ eˣ, for entries that were shifted below 0."""
    e = exp(x)
    return e / sum(e, axis=axes, keepdims=True)


def _axes(x, axis) -> tuple[int, ...]:
    """Which axes `axis` names, counted from the front, in ascending order."""
    if axis is None:
        return tuple(range(x.data.ndim))
    ndim, axes = x.data.ndim, axis if isinstance(axis, tuple) else (axis,)
    if any(not isinstance(a, int | np.integer) for a in axes):
        raise TypeError(f"axis must be an integer, a tuple of them, or None for all, got {axis!r}")
    if any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"there is no axis {axis} in shape {x.shape}")
    axes = tuple(sorted(int(a) % ndim for a in axes))
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names an axis of shape {x.shape} twice")
    return axes


def _count(name: str, x, axes, axis) -> int:
    n = math.prod([x.data.shape[a] for a in axes])
    if n == 0:
        raise ValueError(f"{name}: nothing to reduce along axis {axis} of shape {x.shape}")
    return n


def _shaped(value, x, axes, keepdims: bool):
    """What was reduced along `axes`, with size 1 in their place if they are kept."""
    return value.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else value


def _spread(x, axes):
    """The adjoint of summing x along `axes`: repeats a reduced tensor, with or without kept axes, to x's shape."""
    shape = x.data.shape
    if axes == tuple(range(len(axes))):  # the leading ones, or all: they need not be there to be repeated
        return lambda g: broadcast_to(g, shape=shape)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return lambda g: broadcast_to(reshape(g, shape=kept), shape=shape)


def _first_largest(x, axes) -> np.ndarray:
    """1 at the first of the largest entries along `axes`, else 0; shaped like x."""
    rest = tuple(i for i in range(x.ndim) if i not in axes)
    moved = x.data.transpose(*rest, *axes)
    rows = moved.reshape(math.prod(moved.shape[: len(rest)]), math.prod(moved.shape[len(rest) :]))
    mask = np.zeros(rows.shape, x.dtype)
    if rows.size:
        mask[np.arange(len(rows)), rows.argmax(axis=1)] = 1
    return mask.reshape(moved.shape).transpose(np.argsort(rest + axes))
