"""The bends between layers, each exact and finite for every float: no overflow at ±10⁴, no 1 - 1 where it matters.

Each is one pass over memory forwards and one backwards, so the step backwards, f_vjp(g, x) = g · f'(x), is an op too;
its rules are written with plain ops, and from there on every order follows.
Convention at the kink: `relu` has derivative 0 at 0, `leaky_relu` its negative slope, `elu` its alpha.
"""

import math

import numpy as np

from tinygen import kernels
from tinygen.ops.elementwise import bounded_square, elementwise, exp, gate, locked, minimum, select, tanh
from tinygen.ops.support.once import fused
from tinygen.tensor import private


@elementwise
def relu(x):
    """max(x, 0)"""
    value = kernels.relu(x.data)
    return value, lambda g: relu_vjp(g, y=value)


@elementwise
def leaky_relu(x, *, negative_slope=0.01):
    """x where it is positive, else negative_slope · x."""
    value = kernels.leaky_relu(x.data, negative_slope)
    y = value if negative_slope >= 0 else x.data  # positive where x is, and the output is kept by the next op anyway
    return value, lambda g: relu_vjp(g, y=y, negative_slope=negative_slope)


@elementwise
def relu_vjp(g, *, y, negative_slope=0.0):
    """g where the array y is positive, elsewhere negative_slope · g: linear, and its own adjoint."""
    y = private(y)
    return kernels.relu_vjp(g.data, y, negative_slope), lambda h: relu_vjp(h, y=y, negative_slope=negative_slope)


@elementwise
def elu(x, *, alpha=1.0):
    """x where it is positive, else alpha · (eˣ - 1) (Clevert et al. 2016)."""
    positive, below = locked(x.data > 0), minimum(x, 0.0)

    def in_x(g):
        return select(g, g * exp(below) * alpha, mask=positive)

    return np.where(positive, x.data, alpha * np.expm1(below.data)), in_x


@elementwise
def sigmoid(x):
    """1 / (1 + e⁻ˣ)"""
    return kernels.sigmoid(x.data), lambda g: sigmoid_vjp(g, x)


@elementwise
def sigmoid_vjp(g, x):
    """g · σ'(x) with σ'(x) = σ(x) σ(-x), which keeps its digits in both tails; σ'' = σ' · tanh(-x/2)."""
    return (
        kernels.sigmoid_vjp(g.data, x.data),
        lambda h: sigmoid_vjp(h, x),
        lambda h: sigmoid_vjp(h * g, x) * tanh(x * -0.5),
    )


@elementwise
def softplus(x):
    """log(1 + eˣ)"""
    return kernels.softplus(x.data), lambda g: g * sigmoid(x)


@elementwise
def logistic_loss(x, t):
    """-t log σ(x) - (1 - t) log σ(-x), the cross-entropy of a logit x for a target t in [0, 1], in nats."""
    return kernels.logistic_loss(x.data, t.data), lambda g: logistic_loss_vjp(g, x, t), lambda g: -gate(g, x)


@elementwise
def logistic_loss_vjp(g, x, t):
    """g · (σ(x) - t), as (1 - t) σ(x) - t σ(-x), whose terms don't cancel where the loss is nearly 0."""
    return (
        kernels.logistic_loss_vjp(g.data, x.data, t.data),
        lambda h: logistic_loss_vjp(h, x, t),
        lambda h: sigmoid_vjp(h * g, x),
        lambda h: -(h * g),
    )


@elementwise
def silu(x):
    """x σ(x), also called swish (Elfwing et al. 2018)."""
    return kernels.silu(x.data), lambda g: silu_vjp(g, x)


@elementwise
def silu_vjp(g, x):
    """g · (σ(x) + x σ'(x)), whose derivative is g · σ'(x) (2 + x tanh(-x/2))."""
    return (
        kernels.silu_vjp(g.data, x.data),
        lambda h: silu_vjp(h, x),
        lambda h: sigmoid_vjp(h * g, x) * (2 + x * tanh(x * -0.5)),
    )


@elementwise
def normal_cdf(x):
    """Φ(x), the probability that a standard normal variable is below x."""
    return kernels.normal_cdf(x.data), lambda g: g * _normal_density(x)


@elementwise
def gelu(x):
    """x Φ(x), exact (Hendrycks & Gimpel 2016)."""
    value, slope = kernels.gelu(x.data)  # at once: Φ, which both need, takes nearly all the time of either
    slope.setflags(False)
    return value, *fused(lambda g: (g * slope,), lambda g: gelu_vjp(g, x))


@elementwise
def gelu_vjp(g, x):
    """g · (Φ(x) + x φ(x)), whose derivative is g · φ(x) (2 - x²)."""
    return (
        g.data * kernels.gelu(x.data)[1],
        lambda h: gelu_vjp(h, x),
        lambda h: h * g * _normal_density(x) * (2 - bounded_square(x)),
    )


def _normal_density(x):
    return exp(bounded_square(x) * -0.5) * (1 / math.sqrt(2 * math.pi))
