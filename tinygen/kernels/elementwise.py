"""Functions of one entry at a time in float32: each a single pass over memory, made of arithmetic that runs on vectors.

A library's exp, called for one number after the other, takes longer than the memory does. As arithmetic it becomes
vector code: x = k ln 2 + f with a whole k and |f| <= ½ ln 2; e^f is a polynomial, and 2^k the float whose exponent bits
say k + 127. From exp come the sigmoid, tanh and, times a smooth factor, the tail of the normal distribution. The
polynomials are minimax fits (`tools/fit_polynomials.py` finds them); every function is within a few units in the last
place, for every float: NaN stays NaN, overflow is infinite, underflow gradual. float64 is for proof, and goes to the
NumPy twin.
"""

import numpy as np
from numba import njit

from tinygen.kernels import reference
from tinygen.kernels.jit import as_input, whole_registers
from tinygen.kernels.threads import share

BLOCK = 1 << 14  # numbers: 64 kB of each array
THREADS_FROM = 1 << 17  # numbers below which one thread is done before another has begun

# No `reassoc`: k·high + k·low must not become k·(high + low), whose rounding the two halves are there to avoid.
loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
part = loop  # of a loop: a function of one number
f32, i32 = np.float32, np.int32  # a number without one of these would make the arithmetic twice as wide

# -- exp ---------------------------------------------------------------------------------------------------------------

LOG2_E = f32(1.4426950408889634)
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # the first has 10 bits, so k times it is exact
ROUNDER, ROUNDER_BITS = f32(3 << 22), i32(0x4B400000)  # so large a float has no fraction: adding it rounds


@part
def _split(high, low):
    """(k, f) with high + low = k ln 2 + f, for a `low` that is small or 0."""
    rounded = f32((high + low) * LOG2_E + ROUNDER)
    k = rounded - ROUNDER
    return i32(rounded.view(i32) - ROUNDER_BITS), high - k * LN2_HIGH - k * LN2_LOW + low


@part
def _expm1_near_0(f):
    """e^f - 1 for |f| <= ½ ln 2."""
    q = f32(1.39012911e-3)
    q = q * f + f32(8.363147014e-3)
    q = q * f + f32(4.166685337e-2)
    q = q * f + f32(1.666657728e-1)
    q = q * f + f32(4.999999955e-1)
    return q * f * f + f


@part
def _two_to(k):
    """2^k, for -126 <= k <= 127."""
    return i32(i32(k + i32(127)) << i32(23)).view(f32)


@part
def _exp_of_sum(high, low):
    k, f = _split(high, low)
    half = i32(k >> i32(1))  # in two steps: the product may reach 2^-149 and 2^128, one factor may not
    return (f32(1) + _expm1_near_0(f)) * _two_to(half) * _two_to(i32(k - half))


@part
def _exp(x):
    x = f32(-104) if x < f32(-104) else f32(89) if x > f32(89) else x  # beyond, it is 0 or infinite as it is here
    return _exp_of_sum(x, f32(0))


# -- what is made of it ------------------------------------------------------------------------------------------------


@part
def _sigmoids(x):
    """σ(x) and σ(-x): of e = exp(-|x|), which never overflows, one is 1/(1 + e) and the other e/(1 + e)."""
    e = _exp(-abs(x))
    large = f32(1) / (f32(1) + e)
    small = e * large
    return (small, large) if x < f32(0) else (large, small)


@part
def _tanh(x):
    """m/(m + 2) with m = e^2|x| - 1 = 2^k (e^f - 1) + (2^k - 1), which keeps its digits near 0."""
    a = f32(10) if abs(x) > f32(10) else abs(x)  # tanh 10 is 1 to a float32
    k, f = _split(f32(2) * a, f32(0))
    scale = _two_to(k)
    m = scale * _expm1_near_0(f) + (scale - f32(1))
    y = m / (m + f32(2))
    return -y if x < f32(0) else y


@part
def _log1p(e):
    """log(1 + e) = 2 artanh(s/2) with s = e/(1 + e/2), for 0 <= e <= 1."""
    s = e / (f32(1) + f32(0.5) * e)
    z = s * s  # at most 4/9
    p = f32(5.246293574e-4)
    p = p * z + f32(2.205862648e-3)
    p = p * z + f32(1.250238304e-2)
    p = p * z + f32(8.333329993e-2)
    return s + s * (p * z)


@part
def _normal(x):
    """Φ(x), x held within ±15, and exp(-x²/2), all that is needed of the normal distribution.

    Φ(-a) = exp(-a²/2) R(a), and (a + 3) R(a) is so smooth that a polynomial in (a - 3)/(a + 3) is enough. In the tail
    a² has to be exact: the square of the upper 12 bits of a is, and what is missing is small.
    """
    a = f32(15) if abs(x) > f32(15) else abs(x)  # Φ(-15) is 0 to a float32
    upper = i32(f32(a).view(i32) & i32(-4096)).view(f32)
    e = _exp_of_sum(f32(-0.5) * upper * upper, f32(-0.5) * (a - upper) * (a + upper))
    u = f32(1) / (a + f32(3))
    z = (a - f32(3)) * u
    r = f32(5.451355027e-5)
    r = r * z + f32(-1.993897395e-4)
    r = r * z + f32(-9.472222343e-4)
    r = r * z + f32(1.013508755e-3)
    r = r * z + f32(6.936854643e-3)
    r = r * z + f32(-1.046151832e-2)
    r = r * z + f32(-4.725801750e-2)
    r = r * z + f32(2.300176303e-1)
    r = r * z + f32(-5.093321735e-1)
    r = r * z + f32(7.290836926e-1)
    tail = e * (r * u)
    return (tail, -a, e) if x < f32(0) else (f32(1) - tail, a, e)


# -- the loops ---------------------------------------------------------------------------------------------------------


@njit(inline="always")
def _cut(array, start, stop):
    """Blocks `start` to `stop`. Counting from 0 within them is what lets the compiler make vectors of a loop."""
    whole_registers()
    return array[start * BLOCK : stop * BLOCK]


@loop
def _exp_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = _exp(x[i])


@loop
def _sigmoid_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = _sigmoids(x[i])[0]


@loop
def _sigmoid_vjp_loop(g, x, y, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        s, r = _sigmoids(x[i])
        y[i] = g[i] * (s * r)


@loop
def _tanh_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = _tanh(x[i])


@loop
def _tanh_vjp_loop(g, t, y, start, stop):
    g, t, y = _cut(g, start, stop), _cut(t, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = g[i] * (f32(1) - t[i] * t[i])


@loop
def _softplus_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = (x[i] if x[i] > f32(0) else f32(0)) + _log1p(_exp(-abs(x[i])))


@loop
def _silu_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = x[i] * _sigmoids(x[i])[0]


@loop
def _silu_vjp_loop(g, x, y, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        s, r = _sigmoids(x[i])
        y[i] = g[i] * (s * (f32(1) + x[i] * r))


@loop
def _normal_cdf_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = _normal(x[i])[0]


@loop
def _gelu_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = x[i] * _normal(x[i])[0]


@loop
def _gelu_vjp_loop(g, x, y, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        cdf, held, e = _normal(x[i])
        y[i] = g[i] * (cdf + held * e * f32(0.3989422804014327))


@loop
def _relu_loop(x, y, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if x[i] <= f32(0) else x[i]  # NaN is not <= 0: it passes


@loop
def _leaky_relu_loop(x, y, negative_slope, start, stop):
    x, y = _cut(x, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = x[i] if x[i] > f32(0) else negative_slope * x[i]


@loop
def _relu_vjp_loop(g, x, y, negative_slope, start, stop):
    g, x, y = _cut(g, start, stop), _cut(x, start, stop), _cut(y, start, stop)
    flat = negative_slope == f32(0)
    for i in range(len(y)):
        y[i] = g[i] if x[i] > f32(0) else f32(0) if flat else negative_slope * g[i]


@loop
def _gate_loop(g, d, y, start, stop):
    g, d, y = _cut(g, start, stop), _cut(d, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if g[i] == f32(0) or d[i] == f32(0) else g[i] * d[i]


@loop
def _ratio_loop(g, d, y, start, stop):
    g, d, y = _cut(g, start, stop), _cut(d, start, stop), _cut(y, start, stop)
    for i in range(len(y)):
        y[i] = f32(0) if g[i] == f32(0) else g[i] / d[i]


# -- the kernels -------------------------------------------------------------------------------------------------------


def _run(loop, plain, arrays, *numbers):
    """A loop over float32 arrays of one shape; the twin `plain` for all others."""
    shape = arrays[0].shape
    for a in arrays:
        if a.dtype != f32 or a.shape != shape:
            return plain(*arrays, *numbers)
    y = np.empty(shape, f32)
    work = (*map(_flat, arrays), y.reshape(-1), *map(f32, numbers))
    blocks = -(-y.size // BLOCK)
    if y.size < THREADS_FROM:
        loop(*work, 0, blocks)
    else:
        share(loop, blocks, *work)
    return y


def _flat(a):
    flags = a.flags
    return (as_input(a) if flags.writeable or not flags.c_contiguous else a).reshape(-1)


def exp(x):
    return _run(_exp_loop, reference.exp, (x,))


def sigmoid(x):
    return _run(_sigmoid_loop, reference.sigmoid, (x,))


def sigmoid_vjp(g, x):
    return _run(_sigmoid_vjp_loop, reference.sigmoid_vjp, (g, x))


def tanh(x):
    return _run(_tanh_loop, reference.tanh, (x,))


def tanh_vjp(g, y):
    return _run(_tanh_vjp_loop, reference.tanh_vjp, (g, y))


def softplus(x):
    return _run(_softplus_loop, reference.softplus, (x,))


def silu(x):
    return _run(_silu_loop, reference.silu, (x,))


def silu_vjp(g, x):
    return _run(_silu_vjp_loop, reference.silu_vjp, (g, x))


def normal_cdf(x):
    return _run(_normal_cdf_loop, reference.normal_cdf, (x,))


def gelu(x):
    return _run(_gelu_loop, reference.gelu, (x,))


def gelu_vjp(g, x):
    return _run(_gelu_vjp_loop, reference.gelu_vjp, (g, x))


def relu(x):
    return _run(_relu_loop, reference.relu, (x,))


def leaky_relu(x, negative_slope):
    return _run(_leaky_relu_loop, reference.leaky_relu, (x,), negative_slope)


def relu_vjp(g, y, negative_slope):
    return _run(_relu_vjp_loop, reference.relu_vjp, (g, y), negative_slope)


def gate(g, d):
    return _run(_gate_loop, reference.gate, (g, d))


def ratio(g, d):
    return _run(_ratio_loop, reference.ratio, (g, d))
