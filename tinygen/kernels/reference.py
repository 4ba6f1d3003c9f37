"""The plain NumPy version of every kernel: what the compiled ones must equal.

Images are (N, H, W, C), channels last; kernels (KH, KW, C, O); stride, padding and dilation are pairs (height, width).
"""

import math
import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygen.kernels import reference_cells
from tinygen.kernels.reference_conv import conv2d, conv2d_weight, conv_transpose2d  # noqa: F401
from tinygen.kernels.reference_copy import concat, contiguous, in_order, placed  # noqa: F401
from tinygen.kernels.reference_optim import adam, mixed, moving_average, rmsprop, sgd, sum_of_squares  # noqa: F401
from tinygen.kernels.reference_sums import (  # noqa: F401
    FEW,
    add_rows,
    first_largest,
    log_softmax,
    log_softmax_vjp,
    logsumexp,
    logsumexp_vjp,
    max_along,
    max_along_vjp,
    softmax,
    softmax_vjp,
    sum_along,
    variance,
)

# -- elementwise -------------------------------------------------------------------------------------------------------


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b


def squared_error(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    error = x - t
    return error * error


def squared_error_vjp(g: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return g * (2 * (x - t))


def absolute_error(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.abs(x - t)


def absolute_error_vjp(g: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return g * np.sign(x - t)


def huber(x: np.ndarray, t: np.ndarray, delta: float) -> np.ndarray:
    error, near = x - t, np.clip(x - t, -delta, delta)
    return near * (error - 0.5 * near)


def huber_vjp(g: np.ndarray, x: np.ndarray, t: np.ndarray, delta: float) -> np.ndarray:
    return g * np.clip(x - t, -delta, delta)


def exp(x: np.ndarray) -> np.ndarray:
    return np.exp(x)


def expm1(x: np.ndarray) -> np.ndarray:
    return np.expm1(x)


def exp_remainder(x: np.ndarray) -> np.ndarray:
    """Up to |x| = 1 the series x²/2 (1 + x/3 (1 + x/4 (1 + ...))), whose terms beyond x¹⁸ are below rounding."""
    bounded, series = np.clip(x, -1, 1), np.ones_like(x)
    for k in range(18, 2, -1):
        series = 1 + bounded * series / k
    return np.where(np.abs(x) <= 1, bounded * bounded / 2 * series, np.expm1(x) - np.minimum(x, 1000))  # e¹⁰⁰⁰ is ∞


def erf(x: np.ndarray) -> np.ndarray:
    from scipy import special  # here, because it takes longer to import than most scripts need it

    return special.erf(x)


def lgamma(x: np.ndarray) -> np.ndarray:
    from scipy import special

    return special.gammaln(x)


def polygamma(x: np.ndarray, order: int) -> np.ndarray:
    from scipy import special

    return (special.psi(x) if order == 0 else special.polygamma(order, x)).astype(x.dtype)


def log_gamma_quantile(a: np.ndarray, u: np.ndarray) -> np.ndarray:
    """From the nearer end of the distribution, in float64."""
    from scipy import special

    wide, u = a.astype(np.float64), u.astype(np.float64)
    x = np.where(u < 0.5, special.gammaincinv(wide, u), special.gammainccinv(wide, 1 - u))
    return np.log(x).astype(a.dtype)


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """½ erfc(-x/√2): the complement keeps its digits where 1 + erf would lose them."""
    from scipy import special

    return (0.5 * special.erfc(x * -np.sqrt(0.5))).astype(x.dtype)


def gelu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x Φ(x), and its slope Φ(x) + x φ(x); beyond ±40 the second term is 0, and must not become ∞ · 0."""
    cdf, bounded = normal_cdf(x), np.clip(x, -40, 40)
    return x * cdf, cdf + bounded * np.exp(bounded * bounded * -0.5) * (1 / math.sqrt(2 * math.pi))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1/(1 + e⁻ˣ) for x >= 0 and eˣ/(1 + eˣ) below: the exponential never overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """g σ(x) σ(-x), where one is 1/(1 + e) and the other e/(1 + e)."""
    e = np.exp(-np.abs(x))
    return g * (e / ((1 + e) * (1 + e)))


def tanh(x: np.ndarray) -> np.ndarray:
    return np.tanh(x)


def tanh_vjp(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    return g * (1 - y * y)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def logistic_loss(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """-t log σ(x) - (1 - t) log σ(-x), in nats: the loss of each logit x for its target t in [0, 1]."""
    a = np.abs(x)  # -log σ(-x) = log(1 + eˣ) = max(x, 0) + log1p(exp(-|x|)), where no exponential overflows
    return gate(np.where(x < 0, t, 1 - t), a) + np.log1p(np.exp(-a))


def logistic_loss_vjp(g: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return g * ((1 - t) * sigmoid(x) - t * sigmoid(-x))


def silu(x: np.ndarray) -> np.ndarray:
    return x * sigmoid(x)


def silu_vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    return g * (sigmoid(x) * (1 + x * sigmoid(-x)))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def leaky_relu(x: np.ndarray, negative_slope: float) -> np.ndarray:
    return np.where(x > 0, x, x * negative_slope)


def elu(x: np.ndarray, alpha: float) -> np.ndarray:
    """x where it is positive, else α (eˣ - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_vjp(g: np.ndarray, x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, g, g * (alpha * np.exp(np.minimum(x, 0))))


def relu_vjp(g: np.ndarray, y: np.ndarray, negative_slope: float) -> np.ndarray:
    return gate(g, _slope(y, negative_slope))


def _slope(z: np.ndarray, negative_slope: float) -> np.ndarray:
    """1 where z is positive, else `negative_slope`; NaN where z is NaN."""
    return np.where(z <= 0, z.dtype.type(negative_slope), np.heaviside(z, 0))


def gate(g: np.ndarray, d: np.ndarray) -> np.ndarray:
    """g · d, but 0 where either is 0, even if the other is infinite or NaN."""
    value = np.zeros(np.broadcast(g, d).shape, g.dtype)
    return np.multiply(g, d, out=value, where=(g != 0) & (d != 0))


def ratio(g: np.ndarray, d: np.ndarray) -> np.ndarray:
    """g / d, but 0 where g is 0, even if d is 0 or NaN."""
    value = np.zeros(np.broadcast(g, d).shape, g.dtype)
    return np.divide(g, d, out=value, where=g != 0)


def squares_fit(x: np.ndarray) -> bool:
    """Whether the sum of the squares of x is a finite number of its type: then so is each entry."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(x, x)))


def is_finite(x: np.ndarray) -> bool:
    return squares_fit(x) or bool(np.isfinite(x).all())


# -- sums --------------------------------------------------------------------------------------------------------------


def relu_vjp_sum(g: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    masked = relu_vjp(g, y, 0.0)
    return masked, sum_along(masked, tuple(range(g.ndim - 1)))


# -- matrix products (convolutions have a file of their own) -----------------------------------------------------------


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    return a @ b if bias is None else a @ b + bias


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

    A matrix is (starts, columns, weights): the taps of row i are starts[i] to starts[i + 1] of the two others.
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
        factor = _slope(z, slope)
        return gate(z, factor), factor
    s = sigmoid(z)
    return z * s, s + z * s * sigmoid(-z)


# -- recurrent cells: a step from x and s (N, gates · H) and the state, and the gradients of x, s and the state --------

_OF_ARRAYS = sys.modules[__name__]  # the arithmetic of reference_cells.py
Arrays = tuple[np.ndarray, ...]


def rnn(x: np.ndarray, s: np.ndarray, state: Arrays) -> Arrays:
    return reference_cells.rnn(_OF_ARRAYS, x, s, state)


def rnn_vjp(x: np.ndarray, s: np.ndarray, g: Arrays, state: Arrays, new: Arrays) -> tuple:
    return reference_cells.rnn_vjp(_OF_ARRAYS, x, s, g, state, new)


def gru(x: np.ndarray, s: np.ndarray, state: Arrays) -> Arrays:
    return reference_cells.gru(_OF_ARRAYS, x, s, state)


def gru_vjp(x: np.ndarray, s: np.ndarray, g: Arrays, state: Arrays, new: Arrays) -> tuple:
    return reference_cells.gru_vjp(_OF_ARRAYS, x, s, g, state, new)


def lstm(x: np.ndarray, s: np.ndarray, state: Arrays) -> Arrays:
    return reference_cells.lstm(_OF_ARRAYS, x, s, state)


def lstm_vjp(x: np.ndarray, s: np.ndarray, g: Arrays, state: Arrays, new: Arrays) -> tuple:
    return reference_cells.lstm_vjp(_OF_ARRAYS, x, s, g, state, new)
