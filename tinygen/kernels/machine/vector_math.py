"""exp, tanh and their like for one float32, made of arithmetic alone: a loop over them runs on vectors.

A library's exp, called for one number after the other, takes longer than the memory does. As arithmetic it becomes
vector code: x = k ln 2 + f with a whole k and |f| <= ½ ln 2; e^f is a polynomial, and 2^k the float whose exponent bits
say k + 127. From exp come the sigmoid, tanh and, times a smooth factor, the tail of the normal distribution. The
polynomials are minimax fits (`tools/fit_polynomials.py` finds them); every function is within a few units in the last
place, for every float: NaN stays NaN, overflow is infinite, underflow gradual.
"""

import math

import numpy as np
from numba.extending import register_jitable

from tinygen.kernels.machine.jit import INNER, compiled_with

# No `reassoc`: k·high + k·low must not become k·(high + low), whose rounding the two halves are there to avoid.
EXACT = {"contract", "nsz"}
exact = register_jitable(fastmath=EXACT, **INNER)
exact_kernel = compiled_with(fastmath=EXACT)
f32, i32 = np.float32, np.int32  # a number without one of these would make the arithmetic twice as wide


def float32s(*numbers: float) -> tuple:
    return tuple(map(f32, numbers))


@exact
def polynomial(x, coefficients):
    """Its value at x, by Horner's rule; the coefficient of the highest power comes first."""
    y = coefficients[0]
    for c in coefficients[1:]:
        y = y * x + c
    return y


# -- exp ---------------------------------------------------------------------------------------------------------------

LOG2_E = f32(1.4426950408889634)
LN2_HIGH, LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)  # the first has 10 bits, so k times it is exact
ROUNDER, ROUNDER_BITS = f32(3 << 22), i32(0x4B400000)  # so large a float has no fraction: adding it rounds
EXPM1 = float32s(1.39012911e-3, 8.363147014e-3, 4.166685337e-2, 1.666657728e-1, 4.999999955e-1)
REMAINDER = float32s(*(2 / math.factorial(k) for k in range(12, 2, -1)))


@exact
def _split(high, low):
    """(k, f) with high + low = k ln 2 + f, for a `low` that is small or 0."""
    rounded = f32((high + low) * LOG2_E + ROUNDER)
    k = rounded - ROUNDER
    return i32(rounded.view(i32) - ROUNDER_BITS), high - k * LN2_HIGH - k * LN2_LOW + low


@exact
def _expm1_near_0(f):
    """e^f - 1 for |f| <= ½ ln 2."""
    return polynomial(f, EXPM1) * f * f + f


@exact
def _two_to(k):
    """2^k, for -126 <= k <= 127."""
    return i32(i32(k + i32(127)) << i32(23)).view(f32)


@exact
def exp(x):
    x = f32(-104) if x < f32(-104) else f32(89) if x > f32(89) else x  # beyond, it is 0 or infinite as it is here
    k, f = _split(x, f32(0))
    half = i32(k >> i32(1))  # in two steps: the product may reach 2^-149 and 2^128, one factor may not
    return (f32(1) + _expm1_near_0(f)) * _two_to(half) * _two_to(i32(k - half))


@exact
def exp_below_1(x):
    """e^x for x <= 0, as `exp` has it in a few steps less."""
    return _exp_of_sum(f32(-104) if x < f32(-104) else x, f32(0))


@exact
def _exp_of_sum(high, low):
    """e^(high + low) from -130 to 43, where 2^(k + 64) is a normal number."""
    k, f = _split(high, low)
    return (f32(1) + _expm1_near_0(f)) * _two_to(i32(k + i32(64))) * f32(2**-64)


@exact
def exp_remainder(x):
    """e^x - 1 - x, near 0 by its series x²/2! + x³/3! + ... + x¹²/12!, where differences lose their digits."""
    near = f32(-1) if x < f32(-1) else f32(1) if x > f32(1) else x
    r = f32(0.5) * near * near * (polynomial(near, REMAINDER) * near + f32(1))
    return r if abs(x) <= f32(1) else exp(x) - f32(1) - (f32(89) if x > f32(89) else x)  # there e^x is infinite


# -- what is made of it ------------------------------------------------------------------------------------------------

SQRT_HALF = i32(f32(math.sqrt(0.5)).view(i32))
LOG1P = float32s(5.246293574e-4, 2.205862648e-3, 1.250238304e-2, 8.333329993e-2)
NORMAL = float32s(
    *(5.451355027e-5, -1.993897395e-4, -9.472222343e-4, 1.013508755e-3, 6.936854643e-3),
    *(-1.046151832e-2, -4.725801750e-2, 2.300176303e-1, -5.093321735e-1, 7.290836926e-1),
)


@exact
def sigmoids(x):
    """σ(x) and σ(-x): of e = exp(-|x|), which never overflows, one is 1/(1 + e) and the other e/(1 + e)."""
    e = exp_below_1(-abs(x))
    large = f32(1) / (f32(1) + e)
    small = e * large
    return (small, large) if x < f32(0) else (large, small)


@exact
def expm1(x):
    """e^x - 1 = 2^k (e^f - 1) + (2^k - 1), which keeps its digits near 0, for |x| <= 80."""
    k, f = _split(x, f32(0))
    scale = _two_to(k)
    return scale * _expm1_near_0(f) + (scale - f32(1))


@exact
def tanh(x):
    """m/(m + 2) with m = e^2|x| - 1."""
    m = expm1(f32(2) * (f32(10) if abs(x) > f32(10) else abs(x)))  # tanh 10 is 1 to a float32
    y = m / (m + f32(2))
    return -y if x < f32(0) else y


@exact
def log1p_near_0(e):
    """log(1 + e) = 2 artanh(s/2) with s = e/(1 + e/2), for √½ - 1 <= e <= 1."""
    s = e / (f32(1) + f32(0.5) * e)
    z = s * s  # at most 4/9
    return s + s * (polynomial(z, LOG1P) * z)


@exact
def log(x):
    """log x = k ln 2 + log m, for x = 2^k m and m from √½ to √2."""
    tiny = x < f32(2**-126)
    k, m = _as_power(x * f32(2**23) if tiny else x)
    k = k - f32(23) if tiny else k
    value = k * LN2_HIGH + (log1p_near_0(m - f32(1)) + k * LN2_LOW)
    value = value if x < f32(np.inf) else x  # infinite, or NaN
    return f32(np.nan) if x < f32(0) else f32(-np.inf) if x == f32(0) else value


@exact
def log1p(x):
    """log(1 + x) = k ln 2 + log m, for 1 + x = 2^k m; what the sum 1 + x has lost is added to m - 1."""
    total = f32(1) + x
    k, m = _as_power(total)
    lost = (x - (total - f32(1))) if total < f32(2**25) else f32(0)
    near = (f32(-0.25) < x) & (x <= f32(1))
    k, rest = f32(0) if near else k, x if near else m - f32(1) + lost * (m / total)
    value = k * LN2_HIGH + (log1p_near_0(rest) + k * LN2_LOW)
    value = value if x < f32(np.inf) else x
    return f32(np.nan) if x < f32(-1) else f32(-np.inf) if x == f32(-1) else value


@exact
def _as_power(x):
    """(k, m) with x = 2^k m and m from √½ to √2, for a positive normal number."""
    above = i32(f32(x).view(i32) - SQRT_HALF)
    m = i32(i32(above & i32(0x7FFFFF)) + SQRT_HALF).view(f32)
    return f32(i32(above >> i32(23))), m


@exact
def normal(x):
    """Φ(x), x bounded by ±15, and exp(-x²/2), all that is needed of the normal distribution.

    Φ(-a) = exp(-a²/2) R(a), and (a + 3) R(a) is so smooth that a polynomial in (a - 3)/(a + 3) is enough. In the tail
    a² has to be exact: the square of the upper 12 bits of a is, and what is missing is small.
    """
    a = f32(15) if abs(x) > f32(15) else abs(x)  # Φ(-15) is 0 to a float32
    upper = i32(f32(a).view(i32) & i32(-4096)).view(f32)
    e = _exp_of_sum(f32(-0.5) * upper * upper, f32(-0.5) * (a - upper) * (a + upper))
    u = f32(1) / (a + f32(3))
    z = (a - f32(3)) * u
    tail = e * (polynomial(z, NORMAL) * u)
    return (tail, -a, e) if x < f32(0) else (f32(1) - tail, a, e)
