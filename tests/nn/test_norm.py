"""Normalising layers with a built-in activation, in both modes, and the pass that their three gradients share."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels, nn
from tinygen.ops.backward import group_norm_vjp

seeds = st.integers(0, 2**32 - 1)
SLOPE = 0.2

LAYERS = {
    "BatchNorm": lambda **o: nn.BatchNorm(6, **o),
    "GroupNorm": lambda **o: nn.GroupNorm(2, 6, **o),
    "LayerNorm": lambda **o: nn.LayerNorm(6, **o),
}
ACTIVATIONS = {
    "relu": tg.relu,
    "leaky_relu": lambda x: tg.leaky_relu(x, negative_slope=SLOPE),
    "silu": tg.silu,
}


def close(found, expected):
    scale = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * scale)


def filled(layer, seed):
    rng = np.random.default_rng(seed)
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)
    return layer


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("training", [True, False])
@given(seed=seeds)
def test_the_activation_within_is_the_one_that_would_follow(name, activation, training, seed):
    """Values, first and second derivatives are the same as with a separate activation."""
    options = dict(dtype=np.float64, negative_slope=SLOPE)
    within = filled(LAYERS[name](activation=activation, **options), seed)
    before = filled(LAYERS[name](**options), seed)
    rng = np.random.default_rng(seed)
    x, gy, *hs = (rng.normal(size=s) for s in [(2, 3, 2, 6)] * 3 + [(6,)] * 2)
    found = []
    for layer, follow in ((within, lambda y: y), (before, ACTIVATIONS[activation])):
        layer(tg.Tensor(x))  # running statistics move
        layer.train(training)
        variables = [tg.Parameter(x), *layer.parameters()]
        y = follow(layer(variables[0]))
        first = tg.grad(y, variables, gy, create_graph=True)
        second = tg.grad(sum((g * h).sum() for g, h in zip(first, hs)), variables)
        found.append([t.data for t in (y, *first, *second)] + list(layer.state_dict().values()))
    for a, b in zip(*found):
        close(a, b)


def test_batch_norm_in_eval_mode_looks_at_no_other_example():
    layer = filled(nn.BatchNorm(6, activation="silu", dtype=np.float64), 0).eval()
    x = np.random.default_rng(0).normal(size=(4, 3, 6))
    for i in range(4):
        np.testing.assert_array_equal(layer(tg.Tensor(x))[i].data, layer(tg.Tensor(x[i : i + 1]))[0].data)


# -- one pass ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """A list to which each kernel of normalisation appends its name when it is called."""
    found = []

    def counted(name, kernel):
        return lambda *args: found.append(name) or kernel(*args)

    for name in ("moments", "group_norm", "group_norm_vjp"):
        monkeypatch.setattr(kernels, name, counted(name, getattr(kernels, name)))
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_a_step_is_one_pass_forwards_and_one_backwards(name, calls):
    layer, x = LAYERS[name](), tg.Parameter(np.ones((2, 3, 6), np.float32))
    y = layer(x)
    assert calls == ["moments"] * (name == "BatchNorm") + ["group_norm"]
    calls.clear()
    tg.grad(y.sum(), [x, layer.weight, layer.bias])
    assert calls == ["group_norm_vjp"]


@pytest.mark.parametrize("retain_graph", [True, False])
def test_each_gradient_that_comes_in_is_its_own(retain_graph):
    """The rules share their result for one gradient only."""
    layer = filled(nn.GroupNorm(2, 6, dtype=np.float64), 1)
    rng = np.random.default_rng(1)
    x = tg.Parameter(rng.normal(size=(2, 3, 6)))
    variables = [x, layer.weight, layer.bias]
    y = layer(x)
    for gy in rng.normal(size=(3, 2, 3, 6)):
        again = layer(x) if not retain_graph else y
        found = tg.grad(again, variables, gy, retain_graph=retain_graph)
        for a, b in zip(found, tg.grad(layer(x), variables, gy)):
            np.testing.assert_array_equal(a.data, b.data)
        close(found[2].data, gy.sum(axis=(0, 1)))


def test_a_part_of_the_gradients_is_the_same_as_in_all_of_them():
    layer = filled(nn.GroupNorm(2, 6, activation="silu"), 2)
    x = tg.Parameter(np.random.default_rng(2).normal(size=(2, 3, 6)).astype(np.float32))
    variables = [x, layer.weight, layer.bias]
    together = tg.grad(layer(x).sum(), variables)
    for variable, expected in zip(variables, together):
        np.testing.assert_array_equal(tg.grad(layer(x).sum(), variable).data, expected.data)


@pytest.mark.parametrize("targets", [1, 3])
def test_a_recorded_gradient_ties_no_circle(targets):
    """Not even without a backward pass: the garbage collector finds nothing afterwards."""
    layer = nn.GroupNorm(2, 6, activation="silu")

    def penalty():
        variables = [tg.Parameter(np.ones((2, 3, 6), np.float32)), layer.weight, layer.bias]
        first = tg.grad((layer(variables[0]) ** 2).sum(), variables[:targets], create_graph=True)
        return sum((g * g).sum() for g in first).item()

    penalty()
    gc.collect()
    gc.disable()
    try:
        penalty()
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- mistakes ----------------------------------------------------------------------------------------------------------

x = tg.Tensor(np.ones((2, 3, 6)))
ones = tg.Tensor(np.ones(6))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: nn.GroupNorm(2, 6, activation="relu6"),
            'GroupNorm: .* activation to be None, "relu".*got .relu6.*layer',
        ),
        (lambda: tg.group_norm(x, ones, ones, num_groups=4), "6 channels don't split into 4 equal groups"),
        (lambda: tg.group_norm(x, ones, ones, num_groups=0), "6 channels don't split into 0"),
        (lambda: tg.group_norm(x, ones[:5], ones, num_groups=2), r"weight and bias should be \(6,\), got \(5,\)"),
        (lambda: tg.group_norm(x, ones, ones[:5], num_groups=2), r"got \(6,\) and \(5,\)"),
        (lambda: tg.group_norm(ones, ones, ones, num_groups=2), r"x \(6,\) should be \(N, ..., C\)"),
        (lambda: tg.group_norm(x[:, :0], ones, ones, num_groups=2), "with entries in each example"),
        (lambda: tg.group_norm(x, ones, ones, num_groups=2, eps=0), "eps must be positive, got 0"),
        (lambda: tg.layer_norm(x, ones, ones, activation="tanh"), 'activation must be None, "relu".* got .tanh.'),
        (
            lambda: group_norm_vjp(x[:1], x, ones, ones, num_groups=2),
            r"g \(1, 3, 6\) is .* shaped as x \(2, 3, 6\)",
        ),
        (
            lambda: tg.group_norm(x, ones, ones, num_groups=2, moments=np.ones((2, 2, 6))),
            r"moments should be \(2, 2, 2\).*got \(2, 2, 6\)",
        ),
    ],
)
def test_errors_say_what_to_do(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_settings_name_the_activation():
    assert nn.GroupNorm(2, 6).settings() == "2, 6, eps=1e-05"
    assert nn.GroupNorm(2, 6, activation="silu").settings() == "2, 6, eps=1e-05, activation='silu'"
    assert nn.BatchNorm(6, activation="leaky_relu", negative_slope=0.2).settings() == (
        "6, eps=1e-05, activation='leaky_relu', negative_slope=0.2, momentum=0.1"
    )
