"""GroupNorm gives the same output in any unit, even where squares overflow or underflow."""

import math

import numpy as np
import pytest
from helpers.near import near
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygen.kernels import norm, reference

EPS = 2.0**-17
powers = st.integers(-120, 120) | st.sampled_from([-120, -90, -64, 64, 90, 120])  # entries and results stay normal
shapes = st.sampled_from([(3, 8), (2, 5, 8), (1, 300, 8), (2, 9000, 8)])  # the last has several blocks
seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("module", [norm, reference])
@pytest.mark.parametrize("activation", [None, "leaky_relu", "silu"])
@given(shape=shapes, groups=st.sampled_from([1, 4, 8]), k=powers, seed=seeds)
def test_group_norm_in_another_unit(module, activation, shape, groups, k, seed):
    """x · 2ᵏ with eps · 4ᵏ: the same output, the same gradients of weight and bias, that of x by 2⁻ᵏ."""
    assume(math.prod(shape[1:]) >= 4 * groups)  # one or two numbers would leave nothing but rounding errors
    rng = np.random.default_rng(seed)
    g, x = rng.normal(size=(2, *shape)).astype(np.float32)
    weight, bias = rng.normal(size=(2, 8)).astype(np.float32)
    g[np.abs(g) < 1e-3] = 0
    rest = groups, EPS, activation, 0.25
    y, moments = module.group_norm(x, weight, bias, None, *rest)
    flat = module.group_norm_vjp(g, x, weight, bias, None, *rest)
    unit, rest = np.float32(2.0**k), (groups, EPS * 4.0**k, activation, 0.25)
    y_k, moments_k = module.group_norm(x * unit, weight, bias, None, *rest)
    near(y_k, y, 1e-5)
    near(moments_k[:, 0] / 2.0**k, moments[:, 0], 1e-5)
    near(moments_k[:, 1] / 4.0**k, moments[:, 1], 1e-5)
    for known in (None, moments_k):
        flat_k = module.group_norm_vjp(g, x * unit, weight, bias, known, *rest)
        near(flat_k[: x.size].astype(np.float64) * 2.0**k, flat[: x.size], 2e-4)
        near(flat_k[x.size :], flat[x.size :], 2e-4)
