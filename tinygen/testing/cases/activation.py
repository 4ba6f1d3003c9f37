"""Cases of the activations."""

import numpy as np
from scipy import special

from tinygen import ops
from tinygen.ops import backward
from tinygen.testing.case import Case
from tinygen.testing.cases.elementwise import one, two, unequal
from tinygen.testing.draws import away_from, integral, normal, one_in, shape

nonzero = away_from(0.0)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _phi(x):
    return special.erfc(-x / np.sqrt(2)) / 2


def _relu_vjp(rng):
    g, y = (draw(rng, whole) for whole in [shape(rng)] for draw in (normal, integral))
    return (g,), {"y": y, "negative_slope": 0.25 if one_in(rng, 2) else 0.0}


def _logits(rng):
    """Logits and targets in (0, 1)."""
    (x, t), static = two(nonzero, normal)(rng)
    return (x, np.asarray(_logistic(t))), static  # NumPy turns 0-d results into scalars


def _logits_and_gradient(rng):
    logits, static = _logits(rng)
    return (normal(rng, np.broadcast_shapes(*(a.shape for a in logits))), *logits), static


def _scales(**case):
    """A case of g times a function of x."""
    return Case(linear=("g",), broadcasts=unequal, **case)


ACTIVATION = (
    Case(op=ops.relu, sample=one(nonzero), oracle=lambda x: x * (x.real > 0), flat=True, convex=True),
    Case(
        op=ops.leaky_relu,
        sample=one(nonzero, negative_slope=0.125),
        oracle=lambda x, negative_slope: np.where(x.real > 0, x, negative_slope * x),
        flat=True,
        convex=True,
    ),
    Case(
        op=backward.relu_vjp,
        sample=_relu_vjp,
        oracle=lambda g, y, negative_slope: np.where(y > 0, g, negative_slope * g),
        linear=("g",),
        exact=True,
        flat=True,
    ),
    Case(
        op=ops.elu,
        sample=one(nonzero, alpha=0.75),
        oracle=lambda x, alpha: np.where(x.real > 0, x, alpha * (np.exp(x) - 1)),
        convex=True,
    ),
    Case(op=ops.sigmoid, sample=one(normal), oracle=_logistic),
    _scales(op=backward.sigmoid_vjp, sample=two(normal, nonzero), oracle=lambda g, x: g * _logistic(x) * _logistic(-x)),
    Case(op=ops.softplus, sample=one(normal), oracle=lambda x: np.log(1 + np.exp(x)), convex=True),
    Case(
        op=ops.fused.logistic_loss,
        sample=_logits,
        oracle=lambda x, t: t * np.log(1 + np.exp(-x)) + (1 - t) * np.log(1 + np.exp(x)),
        domain=lambda x, t: (t >= 0) & (t <= 1),
        linear=("t",),
        broadcasts=unequal,
    ),
    Case(
        op=backward.logistic_loss_vjp,
        sample=_logits_and_gradient,
        oracle=lambda g, x, t: g * (_logistic(x) - t),
        domain=lambda g, x, t: (t >= 0) & (t <= 1),
        linear=("g", "t"),
        broadcasts=unequal,
    ),
    Case(op=ops.silu, sample=one(away_from(-1.2784645)), oracle=lambda x: x * _logistic(x)),  # off its minimum
    _scales(
        op=backward.silu_vjp,
        sample=two(normal, away_from(-2.3993573, -1.2784645, 2.3993573)),
        oracle=lambda g, x: g * _logistic(x) * (1 + x * _logistic(-x)),
    ),
    Case(op=ops.normal_cdf, sample=one(normal), oracle=_phi),
    Case(op=ops.gelu, sample=one(away_from(-0.7517916)), oracle=lambda x: x * _phi(x)),
    _scales(
        op=backward.gelu_vjp,
        sample=two(normal, away_from(-(2**0.5), -0.7517916, 2**0.5)),
        oracle=lambda g, x: g * (_phi(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)),
    ),
)
