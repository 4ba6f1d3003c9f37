"""The first weights: the fans that each layer counts, and the variance of each initialiser."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 4)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def recorded(make):
    """The layer with all weights 1, and the fans that it passes to its initialiser."""
    fans = []
    layer = make(lambda rng, shape, fan, dtype: fans.append(fan) or np.ones(shape, dtype))
    return layer, fans[0]


@given(k=pairs, s=pairs, d=pairs, c=sizes, o=sizes, transposed=st.booleans())
def test_fans_count_connections(k, s, d, c, o, transposed):
    """With all weights and inputs 1, an output is fan_in and a gradient is fan_out, far from the border."""
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    options = dict(stride=s, dilation=d, rng=np.random.default_rng(0), dtype=np.float64)
    layer, (fan_in, fan_out) = recorded(lambda init: kind(c, o, k, init=init, **options))
    x = tg.Parameter(np.ones((1, 24, 24, c)))
    y = layer(x)
    middle = [slice(9, 9 + 6) for _ in range(2)]  # whole periods of stride 1, 2 and 3, away from the border
    halfway = [slice(n // 2, n // 2 + 6) for n in y.shape[1:3]]
    slopes = tg.grad(y.sum(), x).data
    if transposed:
        assert y.data[0, halfway[0], halfway[1]].mean() == pytest.approx(fan_in, rel=1e-12)
        assert slopes[0, middle[0], middle[1]].mean() == pytest.approx(fan_out, rel=1e-12)
    else:
        assert y.data[0, :2, :2].mean() == pytest.approx(fan_in, rel=1e-12)
        assert slopes[0, middle[0], middle[1]].mean() == pytest.approx(fan_out, rel=1e-12)


@pytest.mark.parametrize(
    ("init", "variance", "bounded"),
    [
        (nn.init.he_normal, 2 / 30, False),
        (nn.init.he_uniform, 2 / 30, True),
        (nn.init.glorot_normal, 2 / 50, False),
        (nn.init.glorot_uniform, 2 / 50, True),
        (nn.init.normal(0.02), 0.02**2, False),
    ],
)
@given(seed=seeds)
def test_initialisers(init, variance, bounded, seed):
    """Mean 0 and the documented variance, within six standard errors of a normal, the widest distribution here."""
    shape, n = (40, 100), 4000
    w = init(np.random.default_rng(seed), shape, (30.0, 20.0), np.float64)
    assert abs(w.mean()) <= 6 * math.sqrt(variance / n)
    assert abs(w.var() / variance - 1) <= 6 * math.sqrt(2 / n)
    assert (np.abs(w).max() <= math.sqrt(3 * variance)) == bounded
    single = init(np.random.default_rng(seed), shape, (30.0, 20.0), np.float32)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, w.astype(np.float32))  # the same network in both dtypes


def test_layers_start_with_glorot_weights_and_zero_biases():
    layer = nn.Dense(400, 300, rng=np.random.default_rng(0))
    assert layer.weight.dtype == layer.bias.dtype == np.float32
    assert layer.weight.data.var() == pytest.approx(2 / 700, rel=6 * math.sqrt(2 / 120_000))
    assert not layer.bias.data.any()
    assert not nn.Dense(4, 3, rng=np.random.default_rng(0), init=nn.init.zeros).weight.data.any()


def test_an_initialiser_is_a_name_or_a_function():
    with pytest.raises(TypeError, match=r"or a function, got 'he': write init=\"he_normal\""):
        nn.Dense(3, 4, rng=np.random.default_rng(0), init="he")
    for name, make in nn.init.NAMED.items():
        by_name, by_function = (nn.Dense(3, 4, rng=np.random.default_rng(0), init=init) for init in (name, make))
        assert np.array_equal(by_name.weight.data, by_function.weight.data)


@pytest.mark.parametrize("layer", [nn.Dense, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding])
def test_signatures_are_readable(layer):
    assert " at 0x" not in str(inspect.signature(layer))
