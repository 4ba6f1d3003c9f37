"""Backward passes that are ops themselves, for speed: one pass over memory, where a composition makes several.

Each docstring begins with the composition that the op equals. Their own derivative rules are written with plain ops, so
gradients of any order follow. `fast_rules.py` puts them behind the names of the plain ops.
"""

import math

import numpy as np

from tinygen import kernels
from tinygen.errors.arrays import private
from tinygen.op import op
from tinygen.ops.activation import normal_density, sigmoid
from tinygen.ops.elementwise import bounded_square, gate, sqrt, tanh
from tinygen.ops.reduce import mean, sum
from tinygen.ops.shape import reshape
from tinygen.ops.support.broadcasting import elementwise
from tinygen.ops.support.normalisation import norm_settings
from tinygen.ops.support.sharing import jointly
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
