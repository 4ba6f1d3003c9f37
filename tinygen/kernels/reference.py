"""The plain NumPy version of every kernel: what the compiled ones must equal.

Images are (N, H, W, C), channels last; kernels (KH, KW, C, O); stride, padding and dilation are pairs (height, width).
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygen.kernels.reference_cells import recurrence, recurrence_vjp  # noqa: F401
from tinygen.kernels.reference_conv import conv2d, conv2d_weight, conv_transpose2d  # noqa: F401
from tinygen.kernels.reference_copy import concat, contiguous, in_order, placed  # noqa: F401
from tinygen.kernels.reference_elementwise import (  # noqa: F401
    absolute,
    absolute_error,
    absolute_error_vjp,
    absolute_vjp,
    add,
    div,
    elu,
    elu_vjp,
    erf,
    exp,
    exp_remainder,
    expm1,
    gate,
    gelu,
    huber,
    huber_vjp,
    leaky_relu,
    lgamma,
    log,
    log1p,
    log_gamma_quantile,
    logistic_loss,
    logistic_loss_vjp,
    mul,
    neg,
    normal_cdf,
    polygamma,
    power,
    power_vjp,
    ratio,
    relu,
    relu_vjp,
    select,
    sigmoid,
    sigmoid_vjp,
    silu,
    silu_vjp,
    slope_at,
    softplus,
    sqrt,
    sqrt_vjp,
    squared_error,
    squared_error_vjp,
    sub,
    tanh,
    tanh_vjp,
)
from tinygen.kernels.reference_optim import adam, mixed, moving_average, rmsprop, sgd, sum_of_squares  # noqa: F401
from tinygen.kernels.reference_sums import (  # noqa: F401
    FEW,
    add_rows,
    first_largest,
    log_softmax,
    log_softmax_at,
    log_softmax_at_vjp,
    log_softmax_vjp,
    logsumexp,
    logsumexp_vjp,
    max_along,
    max_along_vjp,
    softmax,
    softmax_vjp,
    sum_along,
    sum_of_products,
    variance,
)

# -- whether numbers are finite ---------------------------------------------------------------------------------------


def squares_fit(xs: list[np.ndarray]) -> bool:
    """Whether the squares of each array add up to a finite number of its type: then each entry is finite.

    The compiled kernel adds up those of all arrays, so it may also say no where only their total is too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return all([np.vdot(x, x) < np.inf for x in xs])


def is_finite(x: np.ndarray) -> bool:
    return squares_fit([x]) or bool(np.isfinite(x).all())


# -- sums --------------------------------------------------------------------------------------------------------------


def relu_vjp_sum(g: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    masked = relu_vjp(g, y, 0.0)
    return masked, sum_along(masked, tuple(range(g.ndim - 1)))


# -- matrix products (convolutions have a file of their own) -----------------------------------------------------------


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    product = a @ b if a.shape[-1] != 1 else a * b  # of columns by rows, for which NumPy's @ takes ten times as long
    return product if bias is None else product + bias


def linear_weight(x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.T @ g, sum_along(g, (0,))


# -- pooling and resampling --------------------------------------------------------------------------------------------


def max_pool2d(x, outputs, kernel_size, stride, padding):
    """The largest pixel of each window, and its number in the window, row by row: the first one that is so large.

    Windows may end beyond the image; what is outside takes no part.
    """
    ends = (_extent(g, k, s) - n - p for g, k, s, n, p in zip(outputs, kernel_size, stride, x.shape[1:3], padding))
    widths = (0, 0), *((p, max(0, end)) for p, end in zip(padding, ends)), (0, 0)

    def windows(image, outside):  # (N, GH, GW, C, KH·KW)
        wide = np.pad(image, widths, constant_values=outside)
        views = sliding_window_view(wide, kernel_size, (1, 2))[:, :: stride[0], :: stride[1]]
        return views[:, : outputs[0], : outputs[1]].reshape(len(x), *outputs, x.shape[3], math.prod(kernel_size))

    pixels, inside = windows(x, -np.inf), windows(np.ones(x.shape, bool), False)
    found = pixels.argmax(axis=4)[..., None]
    # In a window of -inf alone it is the first pixel, not the padding before it.
    found = np.where(np.take_along_axis(inside, found, 4), found, inside.argmax(axis=4)[..., None])
    return np.take_along_axis(pixels, found, 4)[..., 0], found[..., 0].astype(np.int32)


def max_pool2d_vjp(g, found, size, kernel_size, stride, padding):
    """Every entry of g at the pixel that was found in its window; those of several windows add up."""
    (n, gh, gw, c), (kh, kw), (sh, sw), (ph, pw) = g.shape, kernel_size, stride, padding
    lengths = (max(_extent(k, m, s), p + h) for k, m, s, p, h in zip((gh, gw), kernel_size, stride, padding, size))
    x = np.zeros((n, *lengths, c))
    for u in range(kh):
        for v in range(kw):
            x[:, u:, v:][:, : sh * gh : sh, : sw * gw : sw] += np.where(found == u * kw + v, g, 0)
    return np.ascontiguousarray(x[:, ph : ph + size[0], pw : pw + size[1]], g.dtype)


def _extent(outputs: int, kernel_size: int, stride: int) -> int:
    """Over how many pixels so many windows reach."""
    return (outputs - 1) * stride + kernel_size


def resample(x, maps):
    """A sparse matrix along each axis between the first and the last; each by its taps, so that 0 · NaN is never made.

    A matrix is (starts, columns, weights): the taps of row i are starts[i] to starts[i + 1] of the two others. It has a
    hash, as `Rows` in ops/support/taps.py.
    """
    for axis, (starts, columns, weights) in enumerate(maps, 1):
        x = _resampled(x, axis, starts, columns, weights)
    return x


def _resampled(x, axis, starts, columns, weights):
    counts = np.diff(starts)
    wide = x.dtype if counts.max(initial=0) <= FEW else np.dtype(np.float64)  # longer sums lose digits in float32
    y = np.zeros((*x.shape[:axis], len(counts), *x.shape[axis + 1 :]), wide)
    for k in range(counts.max(initial=0)):  # the k-th tap of all rows that have it
        to = np.flatnonzero(counts > k)
        tap = starts[to] + k
        weight = weights[tap].astype(wide).reshape(-1, *[1] * (x.ndim - axis - 1))
        y[(slice(None),) * axis + (to,)] += weight * x.take(columns[tap], axis)
    return y.astype(x.dtype, copy=False)


# -- normalisation -----------------------------------------------------------------------------------------------------


def moments(x, num_groups):
    """The mean and the variance of each group of channels of each example, (N, 2, G), in float64."""
    grouped = _grouped(x, num_groups).astype(np.float64)
    return np.stack([grouped.mean(axis=(1, 3)), grouped.var(axis=(1, 3))], axis=1)


def group_norm(x, weight, bias, known, num_groups, eps, activation, slope):
    """The output, and the moments: those `known`, or else found here."""
    known = moments(x, num_groups) if known is None else known
    z = _normalised(x, known, eps)[0] * weight + bias
    return _activated(z, activation, slope)[0], known


def group_norm_vjp(g, x, weight, bias, known, num_groups, eps, activation, slope):
    """The gradients of x, weight and bias, concatenated in one array."""
    normalised, r = _normalised(x, moments(x, num_groups) if known is None else known, eps)
    gz = gate(g, _activated(normalised * weight + bias, activation, slope)[1])
    channels = tuple(range(x.ndim - 1))
    u, xhat = _grouped(gz * weight, num_groups), _grouped(normalised, num_groups)
    mean_u, mean_ux = (v.mean(axis=(1, 3), dtype=np.float64, keepdims=True).astype(x.dtype) for v in (u, u * xhat))
    gx = r * (u - mean_u - xhat * mean_ux)
    return np.concatenate([gx.ravel(), sum_along(gz * normalised, channels), sum_along(gz, channels)])


def _grouped(x: np.ndarray, num_groups: int) -> np.ndarray:
    """(N, positions, G, C/G)"""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), num_groups, x.shape[-1] // num_groups)


def _normalised(x: np.ndarray, known: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """x with mean 0 and variance 1 in each group, and one over the standard deviation as (N, 1, G, 1)."""
    mean, var = (m[:, None, :, None] for m in (known[:, 0], known[:, 1]))
    r = 1 / np.sqrt(var + eps)
    return ((_grouped(x, known.shape[2]) - mean) * r).astype(x.dtype).reshape(x.shape), r.astype(x.dtype)


def _activated(z: np.ndarray, activation: str | None, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """The activation and its derivative."""
    if activation is None:
        return z, np.ones_like(z)
    if activation == "leaky_relu":
        factor = slope_at(z, slope)
        return gate(z, factor), factor
    s = sigmoid(z)
    return z * s, s + z * s * sigmoid(-z)
