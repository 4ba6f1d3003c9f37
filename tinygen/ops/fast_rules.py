"""The fast rules behind the names of the plain ones, in the order of the plain files.

The rules of activation.py, elementwise.py, reduce.py and shape.py are for reading. Where one pass over memory can do
the work of several, these definitions take their place; while gradients are recorded, the plain rules serve.
"""

import inspect
import math

import numpy as np

from tinygen import kernels
from tinygen.op import DEFINITIONS, mode
from tinygen.ops.activation import elu, gelu, leaky_relu, relu, sigmoid, silu
from tinygen.ops.backward import gelu_vjp, relu_vjp, sigmoid_vjp, silu_vjp, tanh_vjp
from tinygen.ops.elementwise import abs, add, mul, pow, sqrt, sub, tanh
from tinygen.ops.reduce import logsumexp, max, mean, shaped, sum
from tinygen.ops.shape import broadcast_to, getitem, reshape, scatter, sum_to
from tinygen.ops.support.indices import axes_of, count, private_index, rows_of
from tinygen.ops.support.repeated import fitting, repeated_axes
from tinygen.ops.support.sharing import quick
from tinygen.tensor import constant

_KEPT = broadcast_to, elu, getitem, logsumexp, max, mean, pow, reshape, scatter, sqrt, sum
PLAIN = {each: inspect.unwrap(each) for each in _KEPT}


def _add(a, b):
    return kernels.add(a.data, b.data), _summed(a.data.shape, b.data.shape), _summed(b.data.shape, a.data.shape)


def _sub(a, b):
    in_b = _summed(b.data.shape, a.data.shape)
    return kernels.sub(a.data, b.data), _summed(a.data.shape, b.data.shape), lambda g: -in_b(g)


def _mul(a, b):
    """The gradient of an input that is repeated is added up without an array of the products."""
    return kernels.mul(a.data, b.data), _times(b, a.data.shape), _times(a, b.data.shape)


_add.prepare = _sub.prepare = _mul.prepare = fitting


def _same(g):
    return g


def _summed(shape, other):
    """The rule g, summed to `shape`, which was broadcast with the shape of the other input."""
    if shape == other:
        return _same

    def kernel(g):
        return kernels.sum_along(g, repeated_axes(shape, g.shape)).reshape(shape)

    rule = quick(kernel, lambda g: sum_to(g, shape=shape))
    return lambda g: g if g.data.shape == shape else rule(g)


def _times(x, shape):
    """The rule g · x, summed to `shape`."""
    if x.data.shape == shape:
        return quick(lambda g: kernels.mul(g, x.data), lambda g: g * x)

    def kernel(g):
        if g.shape == shape:
            return kernels.mul(g, x.data)
        axes = repeated_axes(shape, g.shape)
        if g.shape == x.data.shape:
            return kernels.sum_of_products(g, x.data, axes).reshape(shape)
        return kernels.sum_along(kernels.mul(g, x.data), axes).reshape(shape)

    return quick(kernel, lambda g: sum_to(g * x, shape=shape))


def _pow(a, b):
    """For a constant exponent that is a small whole number, products instead of powers."""
    exponent = None if b.data.ndim or b.node is not None else b.data.item()
    if exponent not in (-2, -1, 2, 3, 4):
        return PLAIN[pow](a, b)
    in_a = quick(lambda g: kernels.power_vjp(g, a.data, exponent), lambda g: PLAIN[pow](a, b)[1](g))
    return kernels.power(a.data, exponent), in_a, lambda g, y: PLAIN[pow](a, b)[2](g, y)


def _sqrt(x):
    value, rule = PLAIN[sqrt](x)
    return value, lambda g, y: rule(g, y) if mode.recording else constant(kernels.sqrt_vjp(g.data, y.data))


def _abs(x):
    return kernels.absolute(x.data), quick(
        lambda g: kernels.absolute_vjp(g, x.data),
        lambda g: g * constant(np.sign(x.data)),
    )


def _relu(x):
    y = kernels.relu(x.data)
    return y, lambda g: relu_vjp(g, y=y)


def _leaky_relu(x, *, negative_slope=0.01):
    value = kernels.leaky_relu(x.data, negative_slope)
    y = value if negative_slope >= 0 else x.data  # has the sign of x; the next op keeps the output anyway
    return value, lambda g: relu_vjp(g, y=y, negative_slope=negative_slope)


def _elu(x, *, alpha=1.0):
    return kernels.elu(x.data, alpha), quick(
        lambda g: kernels.elu_vjp(g, x.data, alpha),
        lambda g: PLAIN[elu](x, alpha=alpha)[1](g),
    )


def _sum(x, *, axis=None, keepdims=False):
    value, rule = PLAIN[sum](x, axis=axis, keepdims=keepdims)
    return value, quick(_spread(x, axis, 1), rule)


def _mean(x, *, axis=None, keepdims=False):
    value, rule = PLAIN[mean](x, axis=axis, keepdims=keepdims)
    return value, quick(_spread(x, axis, value.size / x.data.size if x.data.size else 1), rule)


def _spread(x, axis, factor):
    """The array g · factor, repeated along the axes of x that were summed."""
    shape, axes, factor = x.data.shape, axes_of(x, axis), x.data.dtype.type(factor)
    kept = tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return lambda g: np.broadcast_to((g if factor == 1 else g * factor).reshape(kept), shape)


def _logsumexp(x, *, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    count("logsumexp", x, axes, axis)
    return shaped(kernels.logsumexp(x.data, axes), x, axes, keepdims), quick(
        lambda g: kernels.logsumexp_vjp(g, x.data, axes),
        lambda g: PLAIN[logsumexp](x, axis=axis, keepdims=keepdims)[1](g),
    )


def _max(x, *, axis=None, keepdims=False):
    axes = axes_of(x, axis)
    count("max", x, axes, axis)
    value, places = kernels.max_along(x.data, axes)
    places.setflags(False)
    return shaped(value, x, axes, keepdims), quick(
        lambda g: kernels.max_along_vjp(g, places, x.shape, axes),
        lambda g: PLAIN[max](x, axis=axis, keepdims=keepdims)[1](g),
    )


def _reshape(x, *, shape):
    value, rule = PLAIN[reshape](x, shape=shape)
    before = x.data.shape
    return value, quick(lambda g: kernels.in_order(g).reshape(before), rule)


def _broadcast_to(x, *, shape):
    value, rule = PLAIN[broadcast_to](x, shape=shape)
    before, axes = x.data.shape, repeated_axes(x.data.shape, value.shape)
    return value, quick(lambda g: kernels.sum_along(g, axes).reshape(before), rule)


def _getitem(x, *, index):
    """A view while nothing is recorded, as in the gradients of `concat`: kernels copy what has to be in order."""
    return PLAIN[getitem](x, index=index) if mode.recording else (x.data[private_index(index)],)


def _scatter(x, *, index, shape):
    index = private_index(index)
    rows, k = rows_of(index, shape), len(index) if isinstance(index, tuple) else 1
    if rows is None or (*rows.shape, *shape[k:]) != x.shape:
        return PLAIN[scatter](x, index=index, shape=shape)
    value = kernels.add_rows(x.data.reshape(rows.size, *shape[k:]), rows.ravel(), math.prod(shape[:k]))
    return value.reshape(shape), lambda g: getitem(g, index=index)


def _gelu(x):
    value, slope = kernels.gelu(x.data)  # both from one Φ(x), which takes nearly all the time of either
    slope.setflags(False)
    return value, quick(lambda g: kernels.mul(g, slope), lambda g: gelu_vjp(g, x))


DEFINITIONS.update(
    {
        add: _add,
        sub: _sub,
        mul: _mul,
        pow: _pow,
        sqrt: _sqrt,
        abs: _abs,
        relu: _relu,
        leaky_relu: _leaky_relu,
        elu: _elu,
        gelu: _gelu,
        sum: _sum,
        mean: _mean,
        logsumexp: _logsumexp,
        max: _max,
        reshape: _reshape,
        broadcast_to: _broadcast_to,
        getitem: _getitem,
        scatter: _scatter,
        tanh: lambda x: (kernels.tanh(x.data), lambda g, y: tanh_vjp(g, y)),
        sigmoid: lambda x: (kernels.sigmoid(x.data), lambda g: sigmoid_vjp(g, x)),
        silu: lambda x: (kernels.silu(x.data), lambda g: silu_vjp(g, x)),
    }
)
