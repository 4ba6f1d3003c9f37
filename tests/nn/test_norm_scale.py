"""Norm layers give the same output in any unit, even where squares overflow."""

import numpy as np
import pytest
from helpers.near import near
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    "make", [nn.BatchNorm, lambda n: nn.GroupNorm(2, n), nn.LayerNorm], ids=["batch", "group", "layer"]
)
@given(k=st.integers(0, 60), seed=seeds)
def test_layers_in_a_larger_unit(make, k, seed):
    """There eps no longer matters. (From 2⁵⁴ on the running variance, a float32, is infinite.)"""
    layer, x = make(8), 2.0**10 * np.random.default_rng(seed).normal(size=(3, 5, 8)).astype(np.float32)
    x = [tg.Tensor(x * np.float32(unit), requires_grad=True) for unit in (1, 2.0**k)]
    y = [layer(t) for t in x]
    near(y[1].numpy(), y[0].numpy(), 1e-5)
    first = [tg.grad((t * t * t).sum(), s, create_graph=True) for t, s in zip(y, x)]
    near(first[1].numpy() * 2.0**k, first[0].numpy(), 1e-3)


def test_a_running_variance_that_overflows_is_infinite_from_then_on():
    layer, x = nn.BatchNorm(1), tg.Tensor(np.array([[1e20], [2e20], [3e20], [4e20]], np.float32))
    for _ in range(3):
        near(layer(x).numpy().ravel(), np.array([-1.3416408, -0.4472136, 0.4472136, 1.3416408]), 1e-6)
        assert np.isposinf(layer.running_var).all() and np.isfinite(layer.running_mean).all()


def test_layer_norm_of_four_numbers_whose_squares_overflow():
    x = tg.Tensor(np.array([[1e20, 2e20, 3e20, 4e20]], np.float32))
    y = tg.layer_norm(x, tg.Tensor(np.ones(4, np.float32)), tg.Tensor(np.zeros(4, np.float32))).numpy()
    np.testing.assert_allclose(y, [[-1.3416408, -0.4472136, 0.4472136, 1.3416408]], rtol=1e-6)
