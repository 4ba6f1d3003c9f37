"""Backward passes that are ops themselves, for speed: one pass over memory, where a composition makes several.

Each docstring begins with the composition that the op equals. Their own derivative rules are written with plain ops, so
gradients of any order follow. At the end of the file these passes replace the plain rules of activation.py,
elementwise.py, reduce.py and shape.py behind the same names.
"""

import inspect
import math

import numpy as np

from tinygen import kernels
from tinygen.errors.arrays import private
from tinygen.op import DEFINITIONS, mode, op
from tinygen.ops.activation import elu, gelu, leaky_relu, normal_density, relu, sigmoid, silu
from tinygen.ops.elementwise import abs, add, bounded_square, gate, mul, pow, sqrt, sub, tanh
from tinygen.ops.reduce import logsumexp, max, mean, shaped, sum
from tinygen.ops.shape import broadcast_to, getitem, reshape, scatter, sum_to
from tinygen.ops.support.broadcasting import elementwise
from tinygen.ops.support.indices import axes_of, count, private_index, rows_of
from tinygen.ops.support.normalisation import norm_settings
from tinygen.ops.support.repeated import fitting, repeated_axes
from tinygen.ops.support.sharing import jointly, quick
from tinygen.tensor import Tensor, constant

# -- activation functions ----------------------------------------------------------------------------------------------


@elementwise
def relu_vjp(g, *, y, negative_slope=0.0):
    """where(y > 0, g, negative_slope · g): linear in g, and its own adjoint.

    y is an array with the sign of x, and no input, because a sign has no derivative.
    """
    y = private(y)
    return kernels.relu_vjp(g.data, y, negative_slope), lambda h: relu_vjp(h, y=y, negative_slope=negative_slope)


@elementwise
def tanh_vjp(g, y):
    """g · (1 - y²), for y = tanh x."""
    return kernels.tanh_vjp(g.data, y.data), lambda h: tanh_vjp(h, y), lambda h: h * g * y * -2.0


@elementwise
def sigmoid_vjp(g, x):
    """g · σ(x) · σ(-x), where σ' = σ(x) σ(-x) and σ'' = σ' · tanh(-x/2)."""
    return (
        kernels.sigmoid_vjp(g.data, x.data),
        lambda h: sigmoid_vjp(h, x),
        lambda h: sigmoid_vjp(h * g, x) * tanh(x * -0.5),
    )


@elementwise
def silu_vjp(g, x):
    """g · (σ(x) + x σ(x) σ(-x)); the derivative with respect to x is g · σ'(x) · (2 + x tanh(-x/2))."""
    return (
        kernels.silu_vjp(g.data, x.data),
        lambda h: silu_vjp(h, x),
        lambda h: sigmoid_vjp(h * g, x) * (2 + x * tanh(x * -0.5)),
    )


@elementwise
def gelu_vjp(g, x):
    """g · (Φ(x) + x φ(x)); the derivative with respect to x is g · φ(x) · (2 - x²)."""
    return (
        g.data * kernels.gelu(x.data)[1],
        lambda h: gelu_vjp(h, x),
        lambda h: h * g * normal_density(x) * (2 - bounded_square(x)),
    )


# -- losses ------------------------------------------------------------------------------------------------------------


@elementwise
def squared_error_vjp(g, x, t):
    """g · 2 (x - t), for the loss (x - t)²."""
    return (
        kernels.squared_error_vjp(g.data, x.data, t.data),
        lambda h: squared_error_vjp(h, x, t),
        lambda h: h * g * 2.0,
        lambda h: h * g * -2.0,
    )


@elementwise
def logistic_loss_vjp(g, x, t):
    """g · (σ(x) - t), computed as (1 - t) σ(x) - t σ(-x), whose terms don't cancel where the loss is nearly 0."""
    return (
        kernels.logistic_loss_vjp(g.data, x.data, t.data),
        lambda h: logistic_loss_vjp(h, x, t),
        lambda h: sigmoid_vjp(h * g, x),
        lambda h: -(h * g),
    )


# -- normalisation -----------------------------------------------------------------------------------------------------


@op
def group_norm_vjp(g, x, weight, bias, *, num_groups, eps=1e-5, activation=None, negative_slope=0.01, moments=None):
    """The gradients Σ g · ∂group_norm/∂(x, weight, bias), one after the other in one array of x.size + 2 C entries."""
    form = norm_settings("group_norm_vjp", x, weight, bias, num_groups, eps, activation, negative_slope, moments)
    if g.shape != x.shape:
        raise ValueError(f"group_norm_vjp: g {g.shape} is the gradient of the output, so shaped as x {x.shape}")
    value = kernels.group_norm_vjp(g.data, x.data, weight.data, bias.data, *form)
    return value, *jointly(lambda h: _second_order(h, g, x, weight, bias, *form[1:]), 4)


def parts(flat, shape: tuple[int, ...]) -> list:
    """The three gradients in the array or Tensor of `group_norm_vjp`: of x of this shape, of weight and of bias."""
    size, c = math.prod(shape), shape[-1]
    return [flat[:size].reshape(shape), flat[size : size + c], flat[size + c :]]


def _second_order(h, g, x, weight, bias, num_groups, eps, activation, slope) -> list[Tensor]:
    """The gradients of ⟨h, group_norm_vjp⟩ with respect to g, x, weight and bias, in plain ops.

    J, the derivative of the normalised n with respect to x, is symmetric, because n is itself a gradient: that of
    √(variance + eps), times the number of entries. p is the derivative of z = weight · n + bias along h.
    """
    split = (1, 1, num_groups, x.shape[-1] // num_groups)  # of a channel
    whole = (x.shape[0], math.prod(x.shape[1:-1]), *split[2:])  # (N, positions, G, C/G)
    g4, x4 = reshape(g, shape=whole), reshape(x, shape=whole)
    w, b = reshape(weight, shape=split), reshape(bias, shape=split)
    h_x, h_w, h_b = (reshape(part, shape=s) for part, s in zip(parts(h, x.shape), (whole, split, split)))

    def over_group(t):
        return mean(t, axis=(1, 3), keepdims=True)

    def over_channel(t):
        return reshape(sum(t, axis=(0, 1)), shape=weight.shape)

    size = np.sqrt(kernels.moments(x.data, num_groups)[:, 1] + eps)[:, None, :, None]
    unit = np.exp2(np.round(-np.log2(size)))  # x times this power of two has squares that neither overflow nor vanish
    unit, small = (constant(a.astype(x.dtype)) for a in (unit, eps * unit * unit))
    centred = x4 * unit - over_group(x4 * unit)
    r = 1 / sqrt(over_group(centred * centred) + small)
    n, r = centred * r, r * unit  # r of x itself, not of x · unit

    def jacobian(u):
        return r * (u - over_group(u) - n * over_group(n * u))

    slope_at_z, curvature = _slopes(w * n + b, activation, slope)
    gz = gate(g4, slope_at_z)
    k, v = jacobian(h_x), jacobian(w * gz)
    p = w * k + h_w * n + h_b
    q = gate(g4 * p, curvature)
    of_jacobian = -r * (over_group(n * h_x) * v + over_group(n * (w * gz)) * k + n * over_group(h_x * v))
    return [
        reshape(gate(p, slope_at_z), shape=x.shape),
        reshape(of_jacobian + jacobian(h_w * gz + w * q), shape=x.shape),
        over_channel(gz * k + q * n),
        over_channel(q),
    ]


def _slopes(z, activation, slope):
    """The first and second derivative of the activation function at z."""
    if activation is None:
        return 1.0, 0.0
    if activation == "leaky_relu":
        return constant(np.where(z.data > 0, 1, np.where(z.data <= 0, slope, np.nan)).astype(z.dtype)), 0.0
    s, rest = sigmoid(z), sigmoid(-z)
    return s * (1 + z * rest), s * rest * (2 + z * (rest - s))


# -- the fast rules behind the names of the plain ones -----------------------------------------------------------------


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
