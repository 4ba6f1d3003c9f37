"""Functions of one entry at a time in float32, each a single pass over memory, on vectors; their steps backwards too.

The arithmetic is in `vector_math.py`. Arrays of float64, or of different shapes, are left to the plain kernels.
"""

import numpy as np
from numba import njit

from tinygen.kernels.machine import vector_math
from tinygen.kernels.machine.jit import as_input, whole_registers
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import rows_joined, share
from tinygen.kernels.machine.vector_math import exact_kernel, f32

BLOCK = 1 << 14  # numbers: 64 kB of each array

# -- the loops ---------------------------------------------------------------------------------------------------------


@njit(inline="always")
def _cut(array, start, stop):
    """Blocks `start` to `stop`. Counting from 0 within them is what lets the compiler make vectors of a loop."""
    whole_registers()
    return array[start * BLOCK : stop * BLOCK]


@exact_kernel
def _squared_error_loop(x, t, y, start, stop):
    x, t, y = _cut(x, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = (x[i] - t[i]) * (x[i] - t[i])


@exact_kernel
def _squared_error_vjp_loop(g, x, t, y, start, stop):
    g, x, t, y = _cut(g, start, stop), _cut(x, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = g[i] * (f32(2) * (x[i] - t[i]))


@exact_kernel
def _exp_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = vector_math.exp(x[i])


@exact_kernel
def _exp_remainder_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = vector_math.exp_remainder(x[i])


@exact_kernel
def _sigmoid_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = vector_math.sigmoids(x[i])[0]


@exact_kernel
def _sigmoid_vjp_loop(g, x, y, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        s, r = vector_math.sigmoids(x[i])
        y[i] = g[i] * (s * r)


@exact_kernel
def _tanh_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = vector_math.tanh(x[i])


@exact_kernel
def _tanh_vjp_loop(g, t, y, start, stop):
    g, t, y = _cut(g, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = g[i] * (f32(1) - t[i] * t[i])


@exact_kernel
def _softplus_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = (x[i] if x[i] > f32(0) else f32(0)) + vector_math.log1p(vector_math.exp(-abs(x[i])))


@exact_kernel
def _logistic_loss_loop(x, t, y, start, stop):
    x, t, y = _cut(x, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        a, weight = abs(x[i]), t[i] if x[i] < f32(0) else f32(1) - t[i]
        held = f32(0) if weight == f32(0) else a  # a may be infinite
        y[i] = weight * held + vector_math.log1p(vector_math.exp(-a))


@exact_kernel
def _logistic_loss_vjp_loop(g, x, t, y, start, stop):
    g, x, t, y = _cut(g, start, stop), _cut(x, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        s, r = vector_math.sigmoids(x[i])
        y[i] = g[i] * ((f32(1) - t[i]) * s - t[i] * r)


@exact_kernel
def _silu_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = x[i] * vector_math.sigmoids(x[i])[0]


@exact_kernel
def _silu_vjp_loop(g, x, y, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        s, r = vector_math.sigmoids(x[i])
        y[i] = g[i] * (s * (f32(1) + x[i] * r))


@exact_kernel
def _normal_cdf_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = vector_math.normal(x[i])[0]


@exact_kernel
def _gelu_loop(x, y, slope, start, stop):
    x, y, slope = _cut(x, start, stop), _cut(y, start, stop), _cut(slope, start, stop)
    for i in range(len(y)):
        cdf, held, e = vector_math.normal(x[i])
        y[i] = x[i] * cdf
        slope[i] = cdf + held * e * f32(0.3989422804014327)


@exact_kernel
def _relu_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if x[i] <= f32(0) else x[i]  # NaN is not <= 0: it passes


@exact_kernel
def _leaky_relu_loop(x, y, negative_slope, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = x[i] if x[i] > f32(0) else negative_slope * x[i]


@exact_kernel
def _relu_vjp_loop(g, x, y, negative_slope, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    flat = negative_slope == f32(0)
    for i in range(len(y)):
        low = f32(0) if flat else negative_slope * g[i]
        low = low if (x[i] <= f32(0)) | (g[i] == f32(0)) else x[i]  # NaN at NaN, unless g is 0
        y[i] = g[i] if x[i] > f32(0) else low


@exact_kernel
def _gate_loop(g, d, y, start, stop):
    g, d, y = _cut(g, start, stop), _cut(d, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if g[i] == f32(0) or d[i] == f32(0) else g[i] * d[i]


@exact_kernel
def _ratio_loop(g, d, y, start, stop):
    g, d, y = _cut(g, start, stop), _cut(d, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if g[i] == f32(0) else g[i] / d[i]


@exact_kernel
def _add_loop(a, b, y, start, stop):
    a, b, y = _cut(a, start, stop), _cut(b, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = a[i] + b[i]


@exact_kernel
def _add_rows_loop(a, rows, y, each, start, stop):
    whole_registers()
    for i in range(start * each, min(stop * each, len(a))):
        row = rows[i * len(rows) // len(a)]
        for j in range(len(row)):
            y[i, j] = a[i, j] + row[j]


# -- the kernels -------------------------------------------------------------------------------------------------------


def _run(loop, arrays, *numbers):
    """A loop over float32 arrays of one shape."""
    shape = arrays[0].shape
    for a in arrays:
        if a.dtype != f32 or a.shape != shape:
            return NotImplemented
    y = empty(shape, f32)
    work = (*map(_flat, arrays), y.reshape(-1), *map(f32, numbers))
    share(loop, -(-y.size // BLOCK), *work)
    return y


def _flat(a):
    return as_input(a).reshape(-1)


def add(a, b):
    """a + b for a contiguous a, and b of its shape, a bias (C,), or one for each image, (N, 1, 1, C)."""
    if not (a.dtype == b.dtype == f32 and a.flags.c_contiguous):
        return NotImplemented
    if a.shape == b.shape and b.flags.c_contiguous:
        return _run(_add_loop, (a, b))
    rows = _rows(a, b)
    if rows is None:
        return NotImplemented
    c = a.shape[-1]
    joined = rows_joined(a.size // c // len(rows), c)
    y, rows = empty(a.shape, f32), as_input(np.tile(rows, (1, joined)))
    wide, each = (y.size // (joined * c), joined * c), max(1, BLOCK // (joined * c))
    share(_add_rows_loop, -(-wide[0] // each), _flat(a).reshape(wide), rows, y.reshape(wide), each)
    return y


def _rows(a, b):
    """The different rows (R, C) of b, if it repeats each along all axes between some leading ones and the last."""
    if b.ndim > a.ndim or b.shape[-1:] != a.shape[-1:]:
        return None
    b = b.reshape((1,) * (a.ndim - b.ndim) + b.shape)
    repeats = [n == 1 or stride == 0 for n, stride in zip(b.shape[:-1], b.strides)]
    leading = repeats.index(True) if True in repeats else b.ndim - 1
    if not all(repeats[leading:]) or b.shape[:leading] != a.shape[:leading]:
        return None
    return b[(slice(None),) * leading + (0,) * (b.ndim - 1 - leading)].reshape(-1, b.shape[-1])


def squared_error(x, t):
    return _run(_squared_error_loop, (x, t))


def squared_error_vjp(g, x, t):
    return _run(_squared_error_vjp_loop, (g, x, t))


def exp(x):
    return _run(_exp_loop, (x,))


def exp_remainder(x):
    return _run(_exp_remainder_loop, (x,))


def sigmoid(x):
    return _run(_sigmoid_loop, (x,))


def sigmoid_vjp(g, x):
    return _run(_sigmoid_vjp_loop, (g, x))


def tanh(x):
    return _run(_tanh_loop, (x,))


def tanh_vjp(g, y):
    return _run(_tanh_vjp_loop, (g, y))


def softplus(x):
    return _run(_softplus_loop, (x,))


def logistic_loss(x, t):
    return _run(_logistic_loss_loop, (x, t))


def logistic_loss_vjp(g, x, t):
    return _run(_logistic_loss_vjp_loop, (g, x, t))


def silu(x):
    return _run(_silu_loop, (x,))


def silu_vjp(g, x):
    return _run(_silu_vjp_loop, (g, x))


def normal_cdf(x):
    return _run(_normal_cdf_loop, (x,))


def gelu(x):
    y, slope = empty(x.shape, f32), empty(x.shape, f32)
    share(_gelu_loop, -(-y.size // BLOCK), _flat(x), y.reshape(-1), slope.reshape(-1))
    return y, slope


def relu(x):
    return _run(_relu_loop, (x,))


def leaky_relu(x, negative_slope):
    return _run(_leaky_relu_loop, (x,), negative_slope)


def relu_vjp(g, y, negative_slope):
    return _run(_relu_vjp_loop, (g, y), negative_slope)


def gate(g, d):
    return _run(_gate_loop, (g, d))


def ratio(g, d):
    return _run(_ratio_loop, (g, d))
