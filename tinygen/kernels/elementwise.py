"""Functions of one entry at a time in float32, and their derivatives, each by its formula.

`entrywise.py` turns a formula into a kernel for arrays; `vector_math.py` has exp, log and the like.
"""

import numpy as np

from tinygen.kernels.entrywise import BLOCK, entrywise
from tinygen.kernels.machine import vector_math
from tinygen.kernels.machine.jit import as_input
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import share
from tinygen.kernels.machine.vector_math import exact, exact_kernel, exp_below_1, f32, log1p_near_0, sigmoids

# -- formulas of several lines -----------------------------------------------------------------------------------------


@exact
def _expm1(x):
    near = f32(-80) if x < f32(-80) else f32(80) if x > f32(80) else x
    return vector_math.exp(x) if x > f32(80) else vector_math.expm1(near)


@exact
def _power(x, exponent):
    """x to a whole power from -3 to 4."""
    base = f32(1) / x if exponent < f32(0) else x
    square, n = base * base, abs(exponent)
    high = square * base if n == f32(3) else square * square
    return base if n == f32(1) else square if n == f32(2) else high


@exact
def _power_vjp(g, x, exponent):
    slope = exponent * _power(x, exponent - f32(1))
    return f32(0) if (g == f32(0)) | (slope == f32(0)) else g * slope


@exact
def _clip(e, delta):
    return e if abs(e) <= delta else (delta if e > delta else (-delta if e < -delta else e))  # NaN stays NaN


@exact
def _huber(e, delta):
    return _clip(e, delta) * (e - f32(0.5) * _clip(e, delta))


add = entrywise("add", lambda a, b: a + b, light=True)
sub = entrywise("sub", lambda a, b: a - b, light=True)
mul = entrywise("mul", lambda a, b: a * b, light=True)
div = entrywise("div", lambda a, b: a / b, light=True)
neg = entrywise("neg", lambda a: -a, light=True)
select = entrywise("select", lambda mask, a, b: a if mask else b, light=True)
absolute = entrywise("absolute", lambda x: abs(x), light=True)
absolute_vjp = entrywise("absolute_vjp", lambda g, x: g * f32(np.sign(x)), light=True)
power = entrywise("power", _power, light=True)
power_vjp = entrywise("power_vjp", _power_vjp, light=True)
sqrt = entrywise("sqrt", lambda x: np.sqrt(x), light=True)
sqrt_vjp = entrywise("sqrt_vjp", lambda g, y: f32(0) if (g == f32(0)) | (y == f32(0)) else g / (f32(2) * y), light=True)
log = entrywise("log", vector_math.log)
log1p = entrywise("log1p", vector_math.log1p)
squared_error = entrywise("squared_error", lambda x, t: (x - t) * (x - t), light=True)
squared_error_vjp = entrywise("squared_error_vjp", lambda g, x, t: g * (f32(2) * (x - t)), light=True)
absolute_error = entrywise("absolute_error", lambda x, t: abs(x - t), light=True)
absolute_error_vjp = entrywise("absolute_error_vjp", lambda g, x, t: g * f32(np.sign(x - t)), light=True)
huber = entrywise("huber", lambda x, t, delta: _huber(x - t, delta), light=True)
huber_vjp = entrywise("huber_vjp", lambda g, x, t, delta: g * _clip(x - t, delta), light=True)
exp = entrywise("exp", vector_math.exp)
expm1 = entrywise("expm1", _expm1)
exp_remainder = entrywise("exp_remainder", vector_math.exp_remainder)
sigmoid = entrywise("sigmoid", lambda x: sigmoids(x)[0])
sigmoid_vjp = entrywise("sigmoid_vjp", lambda g, x: g * (sigmoids(x)[0] * sigmoids(x)[1]))
tanh = entrywise("tanh", vector_math.tanh)
tanh_vjp = entrywise("tanh_vjp", lambda g, y: g * (f32(1) - y * y), light=True)
softplus = entrywise("softplus", lambda x: (x if x > f32(0) else f32(0)) + log1p_near_0(exp_below_1(-abs(x))))
silu = entrywise("silu", lambda x: x * sigmoids(x)[0])
silu_vjp = entrywise("silu_vjp", lambda g, x: g * (sigmoids(x)[0] * (f32(1) + x * sigmoids(x)[1])))
normal_cdf = entrywise("normal_cdf", lambda x: vector_math.normal(x)[0])
relu = entrywise("relu", lambda x: f32(0) if x <= f32(0) else x, light=True)  # NaN is not <= 0: it passes
leaky_relu = entrywise("leaky_relu", lambda x, negative_slope: x if x > f32(0) else negative_slope * x, light=True)
elu = entrywise("elu", lambda x, alpha: x if x > f32(0) else alpha * _expm1(x))
elu_vjp = entrywise("elu_vjp", lambda g, x, alpha: g if x > f32(0) else g * (alpha * exp_below_1(x)))
gate = entrywise("gate", lambda g, d: f32(0) if g == f32(0) or d == f32(0) else g * d, light=True)
ratio = entrywise("ratio", lambda g, d: f32(0) if g == f32(0) else g / d)


def _relu_vjp(g, y, negative_slope):
    low = f32(0) if negative_slope == f32(0) else negative_slope * g
    low = low if (y <= f32(0)) | (g == f32(0)) else y  # NaN at NaN, unless g is 0
    return g if y > f32(0) else low


def _logistic_loss(x, t):
    a, weight = abs(x), t if x < f32(0) else f32(1) - t
    finite = f32(0) if weight == f32(0) else a  # a may be infinite
    return weight * finite + log1p_near_0(exp_below_1(-a))


def _logistic_loss_vjp(g, x, t):
    s, r = sigmoids(x)
    return g * ((f32(1) - t) * s - t * r)


relu_vjp = entrywise("relu_vjp", _relu_vjp, light=True)
logistic_loss = entrywise("logistic_loss", _logistic_loss)
logistic_loss_vjp = entrywise("logistic_loss_vjp", _logistic_loss_vjp)

# -- kernels that are more than a formula ------------------------------------------------------------------------------


def gelu(x):
    """x Φ(x) and its slope, which share the exponential."""
    y, slope = empty(x.shape, f32), empty(x.shape, f32)
    share(_gelu_loop, -(-y.size // BLOCK), as_input(x).reshape(-1), y.reshape(-1), slope.reshape(-1))
    return y, slope


@exact_kernel
def _gelu_loop(inputs, values, slopes, start, stop):
    part = slice(start * BLOCK, stop * BLOCK)
    x, y, slope = inputs[part], values[part], slopes[part]
    for i in range(len(y)):
        cdf, bounded, e = vector_math.normal(x[i])
        y[i] = x[i] * cdf
        slope[i] = cdf + bounded * e * f32(0.3989422804014327)
