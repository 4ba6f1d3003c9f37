"""Cases of arithmetic and of functions of one entry at a time."""

import numpy as np
from scipy import special

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import away_from, broadcast_shapes, distinct, normal, pick, positive, shape


def one(draw, **static):
    """A sample of one input, its numbers from `draw`."""
    return lambda rng: ((draw(rng, shape(rng)),), static)


def two(draw_a, draw_b):
    """A sample of two inputs that broadcast to each other."""

    def sample(rng):
        a, b = broadcast_shapes(rng)
        return (draw_a(rng, a), draw_b(rng, b)), {}

    return sample


def _moderate(rng, shape):
    """Where 1 - tanh² still has its digits."""
    return np.clip(normal(rng, shape), -2, 2, out=np.zeros(shape))


def _untied(rng):
    return tuple(distinct(rng, *broadcast_shapes(rng))), {}


def _gradient_and_two(rng):
    (x, t), static = two(normal, normal)(rng)
    return (normal(rng, np.broadcast_shapes(x.shape, t.shape)), x, t), static


def _between_integers(rng):
    """x and integers t: their differences are away from 0 and from all integers, where losses have kinks."""
    (x, t), static = two(normal, normal)(rng)
    whole = np.floor(2 * x)
    return (np.asarray(whole + 0.2 + 0.6 * (2 * x - whole)), np.asarray(np.rint(2 * t))), static


def _huber(x, t, delta):
    e = x - t
    return np.where(np.abs(e.real) <= delta, e * e / 2, delta * (e * np.sign(e.real) - delta / 2))


def _select(rng):
    a, b = broadcast_shapes(rng)
    mask = rng.integers(2, size=np.broadcast_shapes(a, b)) == 1
    return (normal(rng, a), normal(rng, b)), {"mask": mask}


def _where(rng):
    a, b, condition = broadcast_shapes(rng, 3)
    return (normal(rng, a), normal(rng, b)), {"condition": rng.integers(2, size=condition) == 1}


def where(a, b, *, condition):
    """`tinygen.where` with its tensors first."""
    return ops.where(condition, a, b)


def _choice(condition, a, b):
    return condition * a + ~condition * b  # the mask as numbers


def unequal(arrays) -> bool:
    """Whether inputs have to be broadcast."""
    return len({a.shape for a in arrays}) > 1


nonzero = away_from(0.0)
BOTH = {"linear": ("a", "b"), "exact": True, "broadcasts": unequal}

ELEMENTWISE = (
    Case(op=ops.add, sample=two(normal, normal), oracle=np.add, flat=True, **BOTH),
    Case(op=ops.sub, sample=two(normal, normal), oracle=np.subtract, flat=True, **BOTH),
    Case(op=ops.mul, sample=two(normal, normal), oracle=np.multiply, **BOTH),
    Case(op=ops.div, sample=two(normal, positive), oracle=np.divide, linear=("a",), broadcasts=unequal),
    Case(op=ops.neg, sample=one(normal), oracle=np.negative, linear=("a",), exact=True, flat=True),
    Case(
        op=ops.pow,
        sample=two(positive, normal),
        oracle=np.power,
        broadcasts=unequal,
        domain=lambda a, b: (a >= 1e-9) & (np.abs(b) >= 1e-9),  # elsewhere b · a^(b-1) overflows on the way
    ),
    Case(
        op=ops.gate, sample=two(normal, normal), oracle=np.multiply, linear=("g", "d"), exact=True, broadcasts=unequal
    ),
    Case(op=ops.ratio, sample=two(normal, positive), oracle=np.divide, linear=("g",), broadcasts=unequal),
    Case(
        op=ops.fused.squared_error,
        sample=two(normal, normal),
        oracle=lambda x, t: (x - t) ** 2,
        convex=True,
        broadcasts=unequal,
    ),
    Case(
        op=ops.backward.squared_error_vjp,
        sample=_gradient_and_two,
        oracle=lambda g, x, t: 2 * g * (x - t),
        linear=("g",),
        exact=True,
        broadcasts=unequal,
    ),
    Case(
        op=ops.fused.absolute_error,
        sample=_between_integers,
        oracle=lambda x, t: (x - t) * np.sign((x - t).real),
        flat=True,
        convex=True,
        broadcasts=unequal,
    ),
    Case(
        op=ops.fused.huber_error,
        sample=lambda rng: (_between_integers(rng)[0], {"delta": pick(rng, (1.0, 2.0))}),
        oracle=_huber,
        convex=True,
        broadcasts=unequal,
    ),
    Case(op=ops.exp, sample=one(normal), oracle=np.exp),
    Case(op=ops.expm1, sample=one(normal), oracle=lambda x: np.exp(x) - 1, convex=True),
    Case(op=ops.exp_remainder, sample=one(nonzero), oracle=lambda x: np.exp(x) - 1 - x, convex=True),
    Case(op=ops.log, sample=one(positive), oracle=np.log),
    Case(op=ops.log1p, sample=one(positive), oracle=lambda x: np.log(1 + x)),
    Case(op=ops.sqrt, sample=one(positive), oracle=np.sqrt),
    Case(op=ops.abs, sample=one(nonzero), oracle=lambda x: x * np.sign(x.real), flat=True, convex=True),
    Case(op=ops.sin, sample=one(normal), oracle=np.sin),
    Case(op=ops.cos, sample=one(normal), oracle=np.cos),
    Case(
        op=ops.tanh,
        sample=one(_moderate),
        oracle=np.tanh,
        domain=lambda x: (np.abs(x) <= 1) | (np.abs(x) >= 1e4),  # between, 1 - y² has digits of 1, not of itself
    ),
    Case(
        op=ops.backward.tanh_vjp,
        sample=two(normal, lambda rng, shape: np.asarray(np.tanh(_moderate(rng, shape)))),
        oracle=lambda g, y: g * (1 - y * y),
        linear=("g",),
        broadcasts=unequal,
    ),
    Case(op=ops.erf, sample=one(normal), oracle=special.erf),
    Case(op=ops.select, sample=_select, oracle=lambda a, b, mask: _choice(mask, a, b), flat=True, **BOTH),
    Case(op=where, sample=_where, oracle=lambda a, b, condition: _choice(condition, a, b), flat=True, **BOTH),
    Case(
        op=ops.maximum,
        sample=_untied,
        oracle=lambda a, b: _choice(a.real > b.real, a, b),
        flat=True,
        convex=True,
        broadcasts=unequal,
    ),
    Case(
        op=ops.minimum,
        sample=_untied,
        oracle=lambda a, b: _choice(a.real < b.real, a, b),
        flat=True,
        broadcasts=unequal,
    ),
    Case(
        op=ops.clip,
        sample=one(away_from(-0.5, 0.8), low=-0.5, high=0.8),
        oracle=lambda x, low, high: np.where(x.real < low, low, np.where(x.real > high, high, x)),
        flat=True,
    ),
)
