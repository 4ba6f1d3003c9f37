"""Cases of the convolution triple; the oracles loop over all pairs of a kernel entry and a pixel."""

from itertools import product

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import counts, image_size, normal, pick, window


def _taps(size, outputs, kernel_size, stride, padding, dilation):
    """All (i, j, u, v, h, k) for which window (i, j) multiplies kernel entry (u, v) by pixel (h, k), in the image."""
    for i, j, u, v in product(*map(range, (*outputs, *kernel_size))):
        h = stride[0] * i + dilation[0] * u - padding[0]
        k = stride[1] * j + dilation[1] * v - padding[1]
        if 0 <= h < size[0] and 0 <= k < size[1]:
            yield i, j, u, v, h, k


def _outputs(size, kernel_size, stride, padding, dilation):
    return [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation)
    ]


def _conv2d(x, w, stride, padding, dilation):
    form = (w.shape[:2], stride, padding, dilation)
    outputs = _outputs(x.shape[1:3], *form)
    y = np.zeros((x.shape[0], *outputs, w.shape[3]), np.result_type(x, w))
    for i, j, u, v, h, k in _taps(x.shape[1:3], outputs, *form):
        y[:, i, j] += x[:, h, k] @ w[u, v]
    return y


def _conv_transpose2d(g, w, size, stride, padding, dilation):
    x = np.zeros((g.shape[0], *size, w.shape[2]), np.result_type(g, w))
    for i, j, u, v, h, k in _taps(size, g.shape[1:3], w.shape[:2], stride, padding, dilation):
        x[:, h, k] += g[:, i, j] @ w[u, v].T
    return x


def _conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    w = np.zeros((*kernel_size, x.shape[3], g.shape[3]), np.result_type(x, g))
    for i, j, u, v, h, k in _taps(x.shape[1:3], g.shape[1:3], kernel_size, stride, padding, dilation):
        w[u, v] += x[:, h, k].T @ g[:, i, j]
    return w


def _trilinear(rng):
    """The shapes of x (N, H, W, C), w (KH, KW, C, O) and g (N, GH, GW, O), and a geometry that fits them."""
    n, c, o = counts(rng, 3)
    form = window(rng)
    size, outputs = image_size(rng, form)
    kernel_size = form.pop("kernel_size")
    return (n, *size, c), (*kernel_size, c, o), (n, *outputs, o), form


def _x_w(rng):
    x, w, _, form = _trilinear(rng)
    return (normal(rng, x), normal(rng, w)), form


def _g_w(rng):
    x, w, g, form = _trilinear(rng)
    return (normal(rng, g), normal(rng, w)), {"size": x[1:3], **form}


def _x_g(rng):
    x, w, g, form = _trilinear(rng)
    return (normal(rng, x), normal(rng, g)), {"kernel_size": w[:2], **form}


def _with_bias(sample, axis: int, convolution):
    """The sample, a bias for each channel along this axis of the kernel, and an activation off its kink."""

    def sample_with_bias(rng):
        while True:
            (x, w), form = sample(rng)
            bias, activation = normal(rng, (w.shape[axis],)), pick(rng, (None, None, "relu"))
            if np.abs(convolution(x, w, **form) + bias).min(initial=1) > 1e-3:
                return (x, w, bias), {**form, "activation": activation}

    return sample_with_bias


def _activated(convolution):
    """The convolution plus bias, then the activation."""

    def activated(x, w, b, activation, **form):
        y = convolution(x, w, **form) + b
        return np.where(y.real > 0, y, 0) if activation == "relu" else y

    return activated


def _longest(w: tuple[int, ...], g: tuple[int, ...]) -> int:
    """The longest sum: over a window and its input channels, or its output channels, or over all windows."""
    area = w[0] * w[1]
    return max(area * w[2], area * w[3], g[0] * g[1] * g[2])


def _conv2d_terms(arrays, static) -> int:
    x, w = (a.shape for a in arrays[:2])
    return _longest(w, (x[0], *_outputs(x[1:3], w[:2], **static)))


def _conv_transpose2d_terms(arrays, static) -> int:
    g, w = (a.shape for a in arrays[:2])
    return _longest(w, g)


def _conv2d_bias_terms(arrays, static) -> int:
    return 1 + _conv2d_terms(arrays, {name: value for name, value in static.items() if name != "activation"})


def _conv_transpose2d_bias_terms(arrays, static) -> int:
    return max(1 + _conv_transpose2d_terms(arrays, static), len(arrays[0]) * static["size"][0] * static["size"][1])


def _conv2d_weight_terms(arrays, static) -> int:
    x, g = (a.shape for a in arrays)
    return _longest((*static["kernel_size"], x[3], g[3]), g)


CONV = (
    Case(op=ops.conv2d, sample=_x_w, oracle=_conv2d, linear=("x", "w"), exact=True, terms=_conv2d_terms),
    Case(
        op=ops.conv_transpose2d,
        sample=_g_w,
        oracle=_conv_transpose2d,
        linear=("g", "w"),
        exact=True,
        terms=_conv_transpose2d_terms,
    ),
    Case(
        op=ops.conv2d_weight,
        sample=_x_g,
        oracle=_conv2d_weight,
        linear=("x", "g"),
        exact=True,
        terms=_conv2d_weight_terms,
    ),
    Case(
        op=ops.fused.conv2d_bias,
        sample=_with_bias(_x_w, -1, _conv2d),
        oracle=_activated(_conv2d),
        added=("b",),
        terms=_conv2d_bias_terms,
    ),
    Case(
        op=ops.fused.conv_transpose2d_bias,
        sample=_with_bias(_g_w, -2, _conv_transpose2d),
        oracle=_activated(_conv_transpose2d),
        added=("b",),
        terms=_conv_transpose2d_bias_terms,
    ),
)
