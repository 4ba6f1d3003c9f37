"""Reductions: sum, mean, variance, maximum and logsumexp along any axes.

Convention: in a tie of `max` the gradient goes to the first of the largest entries, as in `max_pool2d`.
"""

import numpy as np

from tinygen import kernels
from tinygen.op import op
from tinygen.ops.elementwise import exp, gate
from tinygen.ops.shape import broadcast_to, reshape
from tinygen.ops.support.indices import axes_of, count, first_largest
from tinygen.tensor import constant


@op
def sum(x, *, axis=None, keepdims=False):
    """Σ x along `axis`: a number, a tuple of them, or None for all axes; `keepdims` keeps each as an axis of size 1.

    >>> tg.sum(np.ones((2, 3)), axis=0)
    Tensor([2., 2., 2.], shape=(3,), float64)
    """
    axes = axes_of(x, axis)
    return shaped(kernels.sum_along(x.data, axes), x, axes, keepdims), _spread(x, axes)


@op
def mean(x, *, axis=None, keepdims=False):
    """The arithmetic mean along `axis`."""
    axes = axes_of(x, axis)
    spread, n = _spread(x, axes), count("mean", x, axes, axis)
    return shaped(kernels.sum_along(x.data, axes) / n, x, axes, keepdims), lambda g: spread(g * (1 / n))


@op
def var(x, *, axis=None, keepdims=False):
    """The variance along `axis`: the mean squared distance from the mean (divided by n, not n - 1)."""
    axes = axes_of(x, axis)
    spread, n = _spread(x, axes), count("var", x, axes, axis)
    return (
        shaped(kernels.variance(x.data, axes), x, axes, keepdims),
        lambda g: spread(g * (2 / n)) * (x - mean(x, axis=axes, keepdims=True)),
    )


@op
def max(x, *, axis=None, keepdims=False):
    """The largest entry along `axis`."""
    axes = axes_of(x, axis)
    count("max", x, axes, axis)
    spread, first = _spread(x, axes), constant(first_largest(x, axes))
    return x.data.max(axis=axes, keepdims=keepdims), lambda g: gate(spread(g), first)


@op
def logsumexp(x, *, axis=None, keepdims=False):
    """log Σ eˣ along `axis`; its gradient is the softmax.

    The largest entry is subtracted first, so that nothing overflows. Its own e⁰ = 1 is added by log1p: in the sum it
    would cost the digits of the others.
    """
    axes = axes_of(x, axis)
    count("logsumexp", x, axes, axis)
    spread, first, top = _spread(x, axes), first_largest(x, axes), x.data.max(axis=axes, keepdims=True)
    top = constant(np.where(np.isfinite(top), top, 0).astype(x.dtype))
    rest = kernels.sum_along(np.exp(x.data - top.data) - first, axes)
    value = np.log1p(rest) + top.data.reshape(rest.shape)
    return shaped(value, x, axes, keepdims), lambda g: spread(g) * _softmax(x - top, axes)


def _softmax(x, axes):
    """eˣ / Σ eˣ, for entries that were shifted below 0."""
    e = exp(x)
    return e / sum(e, axis=axes, keepdims=True)


def shaped(value, x, axes, keepdims: bool):
    """A reduced value, with axes of size 1 in the place of `axes` if they are kept."""
    return value.reshape([1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else value


def _spread(x, axes):
    """The adjoint of summing x along `axes`: repeats a reduced tensor, with or without kept axes, to the shape of x."""
    shape = x.data.shape
    if axes == tuple(range(len(axes))):  # leading axes can be repeated even if they were dropped
        return lambda g: broadcast_to(g, shape=shape)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return lambda g: broadcast_to(reshape(g, shape=kept), shape=shape)
