"""Normalisation: each group of entries gets mean 0 and variance 1, then each channel a scale and a shift, then a bend.

    y = f(weight · n + bias)    n = (x - mean) · r    r = 1/√(variance + eps)

with the mean and the variance of the group that an entry belongs to. Batch and layer normalisation are group
normalisation too, under other names for what an example and a group are. One pass over memory makes the gradients of x,
weight and bias, so one op answers with all three; docs/rules.md derives them.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen import kernels
from tinygen.op import op
from tinygen.ops.activation import sigmoid
from tinygen.ops.elementwise import gate, sqrt
from tinygen.ops.reduce import mean, sum
from tinygen.ops.shape import getitem, reshape
from tinygen.ops.support.once import once
from tinygen.tensor import Tensor, constant, private


@op
def group_norm(x, weight, bias, *, num_groups, eps=1e-5, activation=None, negative_slope=0.01, moments=None):
    """x (N, ..., C) normalised per example over all positions and C/num_groups channels at a time (Wu & He 2018).

    weight and bias are (C,). `activation` is None, "relu", "leaky_relu" (by `negative_slope`) or "silu", in the same
    pass. `moments`, (N, 2, num_groups), are the mean and the variance of each group, where they are known already.
    """
    form = _form("group_norm", x, weight, bias, num_groups, eps, activation, negative_slope, moments)
    value, moments = kernels.group_norm(x.data, weight.data, bias.data, *form)
    static = dict(num_groups=num_groups, eps=eps, activation=activation, negative_slope=negative_slope)

    def gradients(g):
        return _parts(group_norm_vjp(g, x, weight, bias, **static, moments=moments), x.shape)

    return value, *_together(gradients, 3)


@op
def group_norm_vjp(g, x, weight, bias, *, num_groups, eps=1e-5, activation=None, negative_slope=0.01, moments=None):
    """The gradients of `group_norm` in x, weight and bias, one behind the other in one array of x.size + 2 C."""
    form = _form("group_norm_vjp", x, weight, bias, num_groups, eps, activation, negative_slope, moments)
    if g.shape != x.shape:
        raise ValueError(f"group_norm_vjp: g {g.shape} is the gradient of the output, so shaped as x {x.shape}")
    value = kernels.group_norm_vjp(g.data, x.data, weight.data, bias.data, *form)
    return value, *_together(lambda h: _second_order(h, g, x, weight, bias, *form[1:]), 4)


def batch_norm(x, weight, bias, *, eps=1e-5, activation=None, negative_slope=0.01, moments=None) -> Tensor:
    """x (N, ..., C) normalised per channel over the batch and all positions (Ioffe & Szegedy 2015).

    The whole batch is one example here, and each channel a group; so known `moments` are (1, 2, C).
    """
    static = dict(eps=eps, activation=activation, negative_slope=negative_slope, moments=moments)
    y = group_norm(reshape(x, shape=(1, *x.shape)), weight, bias, num_groups=x.shape[-1], **static)
    return reshape(y, shape=x.shape)


def layer_norm(x, weight, bias, *, eps=1e-5, activation=None, negative_slope=0.01) -> Tensor:
    """x (..., C) normalised at each position over its C features (Ba et al. 2016): each position is an example here."""
    static = dict(eps=eps, activation=activation, negative_slope=negative_slope)
    rows = reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))
    return reshape(group_norm(rows, weight, bias, num_groups=1, **static), shape=x.shape)


# -- the rule of the rule, in plain ops --------------------------------------------------------------------------------


def _second_order(h, g, x, weight, bias, num_groups, eps, activation, slope) -> list[Tensor]:
    """What ⟨h, group_norm_vjp⟩ becomes as gradients of g, x, weight and bias.

    J, the derivative of n in x, is symmetric, for n is itself a gradient (of √(variance + eps), times the number of
    entries). So p, the derivative of z = weight · n + bias along h, is what g meets.
    """
    split = (1, 1, num_groups, x.shape[-1] // num_groups)  # of a channel
    whole = (x.shape[0], math.prod(x.shape[1:-1]), *split[2:])  # (N, positions, G, C/G)
    g4, x4 = reshape(g, shape=whole), reshape(x, shape=whole)
    w, b = reshape(weight, shape=split), reshape(bias, shape=split)
    h_x, h_w, h_b = (reshape(part, shape=s) for part, s in zip(_parts(h, x.shape), (whole, split, split)))

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

    slope_at_z, curvature = _bend(w * n + b, activation, slope)
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


def _bend(z, activation, slope):
    """The first and second derivative of the activation at z."""
    if activation is None:
        return 1.0, 0.0
    if activation == "leaky_relu":
        return constant(np.where(z.data > 0, 1, np.where(z.data <= 0, slope, np.nan)).astype(z.dtype)), 0.0
    s, rest = sigmoid(z), sigmoid(-z)
    return s * (1 + z * rest), s * rest * (2 + z * (rest - s))


# -- sharing -----------------------------------------------------------------------------------------------------------


def _together(compute: Callable[[Tensor], list[Tensor]], n: int) -> list[Callable[[Tensor], Tensor]]:
    """The n rules of an op whose gradients are made together: `compute(g)` answers with all."""
    gradients = once(compute)
    return [lambda g, i=i: gradients(g)[i] for i in range(n)]


def _parts(flat, shape: tuple[int, ...]) -> list[Tensor]:
    """What stands one behind the other: something like x, and two rows of channels."""
    size, c = math.prod(shape), shape[-1]
    return [
        reshape(getitem(flat, index=slice(0, size)), shape=shape),
        getitem(flat, index=slice(size, size + c)),
        getitem(flat, index=slice(size + c, size + 2 * c)),
    ]


def _form(name, x, weight, bias, num_groups, eps, activation, negative_slope, moments) -> tuple:
    """The settings as the kernels take them: relu is leaky_relu with slope 0."""
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"{name}: x {x.shape} should be (N, ..., C), channels last, with entries in each example")
    c = x.shape[-1]
    if weight.shape != (c,) or bias.shape != (c,):
        raise ValueError(
            f"{name}: x has {c} channels {x.shape}, so weight and bias should be ({c},), "
            f"got {weight.shape} and {bias.shape}"
        )
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"{name}: {c} channels don't split into {num_groups} equal groups")
    if activation not in (None, "relu", "leaky_relu", "silu"):
        raise ValueError(f'{name}: activation must be None, "relu", "leaky_relu" or "silu", got {activation!r}')
    if not eps > 0:
        raise ValueError(f"{name}: eps must be positive, got {eps}")
    if moments is not None and moments.shape != (len(x), 2, num_groups):
        raise ValueError(
            f"{name}: moments should be {(len(x), 2, num_groups)}, mean and variance of each group, got {moments.shape}"
        )
    known = None if moments is None else private(moments)
    if activation == "relu":
        return known, num_groups, eps, "leaky_relu", 0.0
    return known, num_groups, eps, activation, negative_slope
