"""The plain NumPy version of every kernel: what the compiled ones must equal.

Images are (N, H, W, C), channels last; kernels (KH, KW, C, O); stride, padding and dilation are pairs (height, width).
"""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygen.kernels.reference_conv import conv2d, conv2d_weight, conv_transpose2d  # noqa: F401
from tinygen.kernels.reference_optim import adam, mixed, moving_average, rmsprop, sgd, sum_of_squares  # noqa: F401

# -- elementwise -------------------------------------------------------------------------------------------------------


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def squared_error(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    error = x - t
    return error * error


def squared_error_vjp(g: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    return g * (2 * (x - t))


def exp(x: np.ndarray) -> np.ndarray:
    return np.exp(x)


def exp_remainder(x: np.ndarray) -> np.ndarray:
    """Up to |x| = 1 the series x²/2 (1 + x/3 (1 + x/4 (1 + ...))), whose terms beyond x¹⁸ are below rounding."""
    bounded, series = np.clip(x, -1, 1), np.ones_like(x)
    for k in range(18, 2, -1):
        series = 1 + bounded * series / k
    return np.where(np.abs(x) <= 1, bounded * bounded / 2 * series, np.expm1(x) - np.minimum(x, 1000))  # e¹⁰⁰⁰ is ∞


def erf(x: np.ndarray) -> np.ndarray:
    from scipy import special  # here, because it takes longer to import than most scripts need it

    return special.erf(x)


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
    """t softplus(-x) + (1 - t) softplus(x), by softplus(x) = max(x, 0) + log1p(exp(-|x|))."""
    a = np.abs(x)
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


def is_finite(x: np.ndarray) -> bool:
    """Whether all entries are finite, which one sum of squares tells, unless it overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(x, x)) or np.isfinite(x).all())


# -- sums --------------------------------------------------------------------------------------------------------------


FEW = 32  # terms, which float32 adds one by one with an error of 1e-6 at most


def sum_along(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Σ along `axes`, which ascend; in float64 where NumPy adds one by one, not in pairs as along the last axes."""
    if x.dtype == np.float64 or x.size <= FEW or math.prod([x.shape[a] for a in axes]) <= FEW:
        return x.sum(axis=axes)
    if x.flags.c_contiguous and axes == tuple(range(x.ndim - len(axes), x.ndim)):
        return x.sum(axis=axes)
    return x.sum(axis=axes, dtype=np.float64).astype(x.dtype)


def variance(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x.var(axis=axes, dtype=np.float64).astype(x.dtype)


def relu_vjp_sum(g: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    masked = relu_vjp(g, y, 0.0)
    return masked, sum_along(masked, tuple(range(g.ndim - 1)))


# -- matrix products (convolutions have a file of their own) -----------------------------------------------------------


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    return a @ b if bias is None else a @ b + bias


def linear_weight(x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.T @ g, sum_along(g, (0,))


def _padded(x: np.ndarray, padding: tuple[int, int], value: float = 0) -> np.ndarray:
    (ph, pw) = padding
    return np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)), constant_values=value) if ph or pw else x


def _windows(x: np.ndarray, kernel_size, stride, dilation=(1, 1)) -> np.ndarray:
    """Every window of x (N, H, W, C) as a view (N, GH, GW, KH, KW, C): strides only, nothing is copied."""
    (n, h, w, c), (kh, kw), (sh, sw), (dh, dw) = x.shape, kernel_size, stride, dilation
    gh, gw = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    s = x.strides
    strides = (s[0], sh * s[1], sw * s[2], dh * s[1], dw * s[2], s[3])
    return as_strided(x, (n, gh, gw, kh, kw, c), strides, writeable=False)


# -- pooling and resampling --------------------------------------------------------------------------------------------


def avg_pool2d(x, kernel_size, stride, padding):
    return sum_along(_windows(_padded(x, padding), kernel_size, stride), (3, 4)) / math.prod(kernel_size)


def avg_pool2d_adjoint(g, size, kernel_size, stride, padding):
    """Every entry of g spread evenly over its window; where windows overlap the shares add up."""
    (n, gh, gw, c), (kh, kw), (sh, sw), (ph, pw) = g.shape, kernel_size, stride, padding
    x = np.zeros((n, size[0] + 2 * ph, size[1] + 2 * pw, c), g.dtype)
    share = g / (kh * kw)
    for u in range(kh):
        for v in range(kw):
            x[:, u:, v:][:, : sh * gh : sh, : sw * gw : sw] += share
    return np.ascontiguousarray(x[:, ph : ph + size[0], pw : pw + size[1]])


def max_pool2d_indices(x, kernel_size, stride, padding):
    """Where in x.ravel() the first largest pixel of each window is: (N, GH, GW, C)."""
    windows = _windows(_padded(x, padding, -np.inf), kernel_size, stride)
    n, gh, gw, kh, kw, c = windows.shape
    best = windows.reshape(n, gh, gw, kh * kw, c).argmax(axis=3)  # (N, GH, GW, C), row-major within the window
    if any(padding):  # a window of -inf alone: its first pixel, not its padding
        image = _padded(np.ones((1, *x.shape[1:3], 1), bool), padding)
        real = _windows(image, kernel_size, stride).reshape(gh, gw, kh * kw)
        found = real[np.arange(gh)[:, None, None], np.arange(gw)[:, None], best]
        best = np.where(found, best, real.argmax(axis=2)[:, :, None])
    row = np.arange(gh)[:, None, None] * stride[0] - padding[0] + best // kw
    column = np.arange(gw)[:, None] * stride[1] - padding[1] + best % kw
    return ((np.arange(n)[:, None, None, None] * x.shape[1] + row) * x.shape[2] + column) * c + np.arange(c)


def contiguous(x):
    return x


def concat(arrays, axis):
    return np.concatenate(arrays, axis)


def upsample_nearest(x, scale):
    return x.repeat(scale[0], axis=1).repeat(scale[1], axis=2)


def sum_blocks(x, scale):
    n, h, w, c = x.shape
    return sum_along(x.reshape(n, h // scale[0], scale[0], w // scale[1], scale[1], c), (2, 4))


def resample(x, rows, columns):
    return _resampled(_resampled(x, rows, 1), columns, 2)


def _resampled(x, matrix, axis):
    """matrix (M, N) times x along an axis, by its taps alone: in a whole product 0 · NaN would reach every pixel."""
    to, at = matrix.nonzero()
    order = np.arange(len(to)) - np.searchsorted(to, to)  # of a tap among those of its row
    y = np.zeros((*x.shape[:axis], len(matrix), *x.shape[axis + 1 :]), x.dtype)
    for k in range(order.max(initial=-1) + 1):
        i, j = to[order == k], at[order == k]
        weights = matrix[i, j].astype(x.dtype).reshape(-1, *[1] * (x.ndim - axis - 1))
        rows = (slice(None),) * axis + (i if len(i) < len(matrix) else slice(None),)
        y[rows] += weights * x.take(j, axis)
    return y


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
