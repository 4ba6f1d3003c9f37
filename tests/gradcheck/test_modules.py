"""Modules are checked with their Parameters: each wrong one is found, and everything is left as it was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import check, models, nn
from tinygen.tensor import array_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3))


class Affine(nn.Module):
    """x w + b, where what is named in `detached` gets no gradient."""

    def __init__(self, *, detached: str = ""):
        self.w, self.b = tg.Parameter(RNG.normal(size=(3, 4))), tg.Parameter(RNG.normal(size=4))
        self.detached = detached

    def forward(self, x):
        x, w, b = (p.detach() if name == self.detached else p for name, p in (("x", x), ("w", self.w), ("b", self.b)))
        return x @ w + b


class GatedLinear(nn.Module):
    def __init__(self):
        self.value, self.gate = nn.Dense(3, 4, rng=RNG), nn.Dense(3, 4, rng=RNG)

    def forward(self, x):
        return self.value(x) * tg.sigmoid(self.gate(x))


LAYERS = {
    "dense": (nn.Dense(3, 4, rng=RNG), (2, 3)),
    "conv": (nn.Conv2d(1, 2, 3, rng=RNG), (1, 4, 4, 1)),
    "batch norm": (nn.BatchNorm(3), (4, 3)),
    "recurrent": (nn.LSTM(2, 2, rng=RNG), (1, 3, 2)),
    "gated": (GatedLinear(), (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_checked_with_all_its_parameters_and_left_as_it_was(name):
    layer, shape = LAYERS[name]
    before = [(entry.value, array_of(entry.value)) for entry in layer.entries()]
    report = check(layer, RNG.normal(size=shape), order=1)
    assert list(dict.fromkeys(row.name for row in report.rows)) == ["x", *dict(layer.named_parameters())]
    assert not report.vacuous and not report.unchecked
    for entry, (value, data) in zip(layer.entries(), before, strict=True):
        assert entry.value is value and array_of(value) is data
    assert all(p.node is not None and p.requires_grad for p in layer.parameters())


@given(st.sampled_from(["x", "w", "b"]), st.integers(0, 1000))
def test_the_one_that_gets_no_gradient_is_named(detached, seed):
    report = check(Affine(detached=detached), X, seed=seed, raises=False)
    assert {row.name for row in report.rows if not row.ok} == {detached}


def test_second_derivatives_of_a_layer():
    report = check(GatedLinear(), X)
    assert len([row for row in report.rows if row.order == 2]) == 5 * 6
    assert "and 29 derivatives of order 2 that are right" in str(report)  # the worst is shown


def test_a_method_of_a_model_is_checked_with_the_models_parameters():
    model = models.Autoencoder.dense((2, 2, 1), [3], 2, activation="tanh", rng=RNG)
    report = check(model.loss, RNG.random((2, 2, 2, 1)), order=1, float32=False)
    assert len(report.rows) == 1 + len(model.parameters())
    assert str(report).startswith("gradient check of Autoencoder.loss(")


def test_parameters_are_left_as_they_were_after_an_error():
    layer = Affine()
    before = layer.w.data
    with pytest.raises(ValueError, match="matmul"):
        check(layer, np.ones((2, 5)))
    assert layer.w.data is before and layer.w.requires_grad


def test_parameters_that_a_function_hides_are_mentioned():
    layer = Affine()
    hidden = check(lambda x: layer(x), X)
    assert "not checked: the gradients of 2 Parameters inside f: pass the module itself" in str(hidden)
    for told in (check(layer.forward, X), check(tg.exp, X)):
        assert not told.unchecked
    assert not check(lambda x: x * tg.Parameter(np.ones(3)), X).unchecked  # made inside f at every call
