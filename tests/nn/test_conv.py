"""Convolution layers with the activation in the same pass."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_an_activation_in_the_same_pass_is_the_layer_after_it(kind, bias):
    x = tg.Parameter(np.random.default_rng(0).normal(size=(2, 5, 6, 2)))
    together, before = (
        kind(2, 3, 3, bias=bias, activation=activation, rng=np.random.default_rng(1), dtype=np.float64)
        for activation in ("relu", None)
    )
    if bias:
        together.bias.data = before.bias.data = np.array([0.5, -0.5, 0.1])
    y, expected = together(x), nn.ReLU()(before(x))
    np.testing.assert_array_equal(y.data, expected.data)
    gy = np.random.default_rng(2).normal(size=y.shape)
    for got, true in zip(
        tg.grad(y, [x, *together.parameters()], gy), tg.grad(expected, [x, *before.parameters()], gy), strict=True
    ):
        np.testing.assert_array_equal(got.data, true.data)
    assert repr(together) == repr(before)[:-1] + ", activation='relu')"
