"""Derivative rules, one function per op: shape, elementwise, activation, reduce, linalg, conv, norm, resample, pool."""

from tinygen.ops.activation import (
    elu,
    gelu,
    gelu_vjp,
    leaky_relu,
    logistic_loss,
    logistic_loss_vjp,
    normal_cdf,
    relu,
    relu_vjp,
    sigmoid,
    sigmoid_vjp,
    silu,
    silu_vjp,
    softplus,
)
from tinygen.ops.conv import conv2d, conv2d_bias, conv2d_weight, conv_transpose2d, conv_transpose2d_bias
from tinygen.ops.elementwise import (
    abs,
    add,
    clip,
    cos,
    div,
    erf,
    exp,
    exp_remainder,
    expm1,
    gate,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    ratio,
    select,
    sin,
    sqrt,
    squared_error,
    squared_error_vjp,
    sub,
    tanh,
    tanh_vjp,
    where,
)
from tinygen.ops.linalg import linear, matmul
from tinygen.ops.norm import batch_norm, group_norm, group_norm_vjp, layer_norm
from tinygen.ops.pool import avg_pool2d, avg_pool2d_adjoint, max_pool2d
from tinygen.ops.reduce import logsumexp, max, mean, sum, var
from tinygen.ops.resample import resample, sum_blocks, upsample, upsample_nearest
from tinygen.ops.shape import (
    astype,
    broadcast_to,
    concat,
    crop,
    flatten,
    getitem,
    pad,
    reshape,
    scatter,
    stack,
    sum_to,
    transpose,
)
from tinygen.ops.support import operators

__all__ = [name for name, value in list(globals().items()) if callable(value)]
