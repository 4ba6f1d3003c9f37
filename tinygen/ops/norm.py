"""Normalisation: each group of entries gets mean 0 and variance 1, then each channel a scale and a shift.

    y = f(weight · n + bias)    n = (x - mean) · r    r = 1/√(variance + eps)

with the mean and the variance of the group that an entry belongs to, and an activation function f. Batch and layer
normalisation are group normalisation with another choice of the group. One pass over memory computes the gradients with
respect to x, weight and bias; docs/rules.md derives them.
"""

import math
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.errors.calls import explained
from tinygen.op import op
from tinygen.ops.backward import group_norm_vjp, parts
from tinygen.ops.shape import reshape
from tinygen.ops.support.normalisation import SETTINGS, norm_settings
from tinygen.ops.support.sharing import jointly, shared
from tinygen.tensor import Operand, Tensor


@op
def group_norm(x, weight, bias, *, num_groups, eps=1e-5, activation=None, negative_slope=0.01, moments=None):
    """x (N, ..., C), normalised per example over all positions and C/num_groups channels at a time (Wu & He 2018).

    weight and bias are (C,). `activation` is None, "relu", "leaky_relu" (with `negative_slope`) or "silu", in the same
    pass. `moments`, (N, 2, num_groups), are the mean and the variance of each group if they are already known.
    """
    form = norm_settings("group_norm", x, weight, bias, num_groups, eps, activation, negative_slope, moments)
    value, known = kernels.group_norm(x.data, weight.data, bias.data, *form)
    settings: dict[str, Any] = dict(zip(SETTINGS, form[1:]), moments=known)
    return value, *shared(
        lambda g: parts(kernels.group_norm_vjp(g, x.data, weight.data, bias.data, known, *form[1:]), x.shape),
        *jointly(lambda g: parts(group_norm_vjp(g, x, weight, bias, **settings), x.shape), 3),
    )


@explained
def batch_norm(
    x: Tensor,
    weight: Operand,
    bias: Operand,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
    negative_slope: float = 0.01,
    moments: np.ndarray | None = None,
) -> Tensor:
    """x (N, ..., C), normalised per channel over the batch and all positions (Ioffe & Szegedy 2015).

    It is `group_norm` with the whole batch as one example and each channel as a group, so `moments` are (1, 2, C).
    """
    settings: dict[str, Any] = dict(eps=eps, activation=activation, negative_slope=negative_slope, moments=moments)
    y = group_norm(reshape(x, shape=(1, *x.shape)), weight, bias, num_groups=x.shape[-1], **settings)
    return reshape(y, shape=x.shape)


@explained
def layer_norm(
    x: Tensor,
    weight: Operand,
    bias: Operand,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
    negative_slope: float = 0.01,
) -> Tensor:
    """x (..., C), normalised at each position over its C features (Ba et al. 2016): each position is an example."""
    settings: dict[str, Any] = dict(eps=eps, activation=activation, negative_slope=negative_slope)
    if x.ndim == 2:
        return group_norm(x, weight, bias, num_groups=1, **settings)
    rows = reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))
    return reshape(group_norm(rows, weight, bias, num_groups=1, **settings), shape=x.shape)
