"""Cases of the bends between layers."""

import numpy as np
from scipy import special

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.cases.elementwise import one
from tinygen.testing.draws import away_from, normal

nonzero = away_from(0.0)


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _phi(x):
    return special.erfc(-x / np.sqrt(2)) / 2


ACTIVATION = (
    Case(op=ops.relu, sample=one(nonzero), oracle=lambda x: x * (x.real > 0), flat=True, convex=True),
    Case(
        op=ops.leaky_relu,
        sample=one(nonzero, negative_slope=0.125),
        oracle=lambda x, negative_slope: np.where(x.real > 0, x, negative_slope * x),
        flat=True,
        convex=True,
    ),
    Case(op=ops.sigmoid, sample=one(normal), oracle=_logistic),
    Case(op=ops.softplus, sample=one(normal), oracle=lambda x: np.log(1 + np.exp(x)), convex=True),
    Case(op=ops.silu, sample=one(away_from(-1.2784645)), oracle=lambda x: x * _logistic(x)),  # off its minimum
    Case(op=ops.normal_cdf, sample=one(normal), oracle=_phi),
    Case(op=ops.gelu, sample=one(away_from(-0.7517916)), oracle=lambda x: x * _phi(x)),
)
