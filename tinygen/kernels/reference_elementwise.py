"""Formulas of single entries, in plain NumPy. `reference.py` has these functions too."""

import math

import numpy as np


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def sub(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a - b


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a * b


def div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / b


def neg(a: np.ndarray) -> np.ndarray:
    return -a


def select(mask: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a where `mask` is True, else b."""
    return np.where(mask, a, b)


def absolute(x: np.ndarray) -> np.ndarray:
    return np.abs(x)


def absolute_vjp(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    return g * np.sign(x)


def power(x: np.ndarray, exponent: float) -> np.ndarray:
    """For an exponent that is a whole number."""
    return x**exponent


def power_vjp(g: np.ndarray, x: np.ndarray, exponent: float) -> np.ndarray:
    return gate(g, exponent * x ** (exponent - 1))


def sqrt(x: np.ndarray) -> np.ndarray:
    return np.sqrt(x)


def sqrt_vjp(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """g / (2 y) for y = √x, and 0 where that is 0."""
    return ratio(np.where(y == 0, 0, g), 2 * y)


def log(x: np.ndarray) -> np.ndarray:
    return np.log(x)


def log1p(x: np.ndarray) -> np.ndarray:
    return np.log1p(x)


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
    return gate(g, slope_at(y, negative_slope))


def slope_at(z: np.ndarray, negative_slope: float) -> np.ndarray:
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
