"""Activations as layers, and by name in the layers that they follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn
from tinygen.nn.named_activation import ACTIVATIONS as NAMES
from tinygen.nn.named_activation import title

ACTIVATIONS = {
    "ReLU": lambda x: max(x, 0),
    "LeakyReLU": lambda x: max(x, 0.01 * x),
    "ELU": lambda x: x if x > 0 else math.expm1(x),
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "SiLU": lambda x: x / (1 + math.exp(-x)),
    "GELU": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "Softplus": lambda x: math.log1p(math.exp(x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(x=st.floats(-30, 30))
def test_activation(name, x):
    found = getattr(nn, name)()(tg.Tensor(np.array(x))).item()
    assert found == pytest.approx(ACTIVATIONS[name](x), rel=1e-13, abs=1e-14)


# -- by name -----------------------------------------------------------------------------------------------------------

KINDS = {  # name: (make, shape of x)
    "Dense": (lambda **s: nn.Dense(2, 4, **s), (5, 2)),
    "Dense on images": (lambda **s: nn.Dense(2, 4, **s), (2, 5, 6, 2)),
    "Dense, no bias": (lambda **s: nn.Dense(2, 4, bias=False, **s), (5, 2)),
    "Conv2d": (lambda **s: nn.Conv2d(2, 4, 3, **s), (2, 5, 6, 2)),
    "Conv2d, no bias": (lambda **s: nn.Conv2d(2, 4, 3, bias=False, **s), (2, 5, 6, 2)),
    "ConvTranspose2d": (lambda **s: nn.ConvTranspose2d(2, 4, 3, **s), (2, 5, 6, 2)),
    "ConvTranspose2d, no bias": (lambda **s: nn.ConvTranspose2d(2, 4, 3, bias=False, **s), (2, 5, 6, 2)),
    "BatchNorm": (lambda rng, **s: nn.BatchNorm(4, **s), (5, 3, 4)),
    "BatchNorm, eval": (lambda rng, **s: nn.BatchNorm(4, **s).eval(), (5, 3, 4)),
    "GroupNorm": (lambda rng, **s: nn.GroupNorm(2, 4, **s), (5, 3, 4)),
    "LayerNorm": (lambda rng, **s: nn.LayerNorm(4, **s), (5, 3, 4)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_an_activation_by_name_is_the_layer_after_it(kind, name):
    """In value and derivatives; with a bias and a slope of their own."""
    make, shape = KINDS[kind]
    slope = 0.3 if name == "leaky_relu" else 0.01
    rng = np.random.default_rng(0)
    x = tg.Parameter(rng.normal(size=shape))
    together, before = (
        make(rng=np.random.default_rng(1), activation=activation, negative_slope=slope, dtype=np.float64)
        for activation in (name, None)
    )
    if before.bias is not None:
        together.bias.data = before.bias.data = rng.normal(size=4)
    after = nn.LeakyReLU(slope) if name == "leaky_relu" else getattr(nn, title(name))()
    y, expected = together(x), after(before(x))
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-12, atol=1e-14)
    gy = rng.normal(size=y.shape)
    found = tg.grad(y, [x, *together.parameters()], gy)
    for got, true in zip(found, tg.grad(expected, [x, *before.parameters()], gy), strict=True):
        np.testing.assert_allclose(got.data, true.data, rtol=1e-11, atol=1e-12)
    ending = f", activation={name!r}" + (", negative_slope=0.3" if name == "leaky_relu" else "")
    assert ending in repr(together) and ending not in repr(before)
    assert f" + {type(after).__name__} " in together.summary(shape[1:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["relu6", nn.ReLU, nn.ReLU(), tg.relu, 3, ["relu"]])
def test_a_wrong_name_lists_all(kind, wrong):
    with pytest.raises(ValueError, match=r"expected activation to be None, .*got .*: write one of these") as caught:
        KINDS[kind][0](rng=np.random.default_rng(0), activation=wrong)
    assert all(f'"{name}"' in str(caught.value) for name in NAMES)
