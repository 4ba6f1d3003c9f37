"""Norms, lengths, clipping and optimizers give the same in any unit, even where squares overflow or vanish."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F
from tinygen import kernels, nn, optim
from tinygen.kernels import norm, reference

EPS = 2.0**-17
seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-120, 120) | st.sampled_from([-120, -90, -64, 64, 90, 120])  # entries and results stay normal
shapes = st.sampled_from([(3, 8), (2, 5, 8), (1, 300, 8), (2, 9000, 8)])  # the last has examples in several pieces


def near(got, expected, limit):
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit * max(1e-30, float(abs(expected).max())))


@pytest.mark.parametrize("module", [norm, reference])
@pytest.mark.parametrize("activation", [None, "leaky_relu", "silu"])
@given(shape=shapes, groups=st.sampled_from([1, 4, 8]), k=powers, seed=seeds)
def test_group_norm_in_another_unit(module, activation, shape, groups, k, seed):
    """x · 2ᵏ with eps · 4ᵏ: the same output, the same gradients of weight and bias, that of x by 2⁻ᵏ."""
    assume(math.prod(shape[1:]) >= 4 * groups)  # of one or two numbers, all that is left is rounding
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


@pytest.mark.parametrize(
    "make", [nn.BatchNorm, lambda n: nn.GroupNorm(2, n), nn.LayerNorm], ids=["batch", "group", "layer"]
)
@given(k=st.integers(0, 60), seed=seeds)
def test_layers_in_a_larger_unit(make, k, seed):
    """Their eps no longer matters then. (From 2⁵⁴ on the running variance, a float32, is infinite.)"""
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


@pytest.mark.parametrize("dtype, most", [(np.float32, 120), (np.float64, 1000)])
@given(data=st.data(), axis=st.sampled_from([None, 0, -1, (0, 1)]), keepdims=st.booleans(), seed=seeds)
def test_euclidean_length_in_another_unit(dtype, most, data, axis, keepdims, seed):
    unit = 2.0 ** data.draw(st.integers(-most, most))
    x = np.random.default_rng(seed).normal(size=(4, 5)).astype(dtype)
    a, b = (tg.Tensor(z, requires_grad=True) for z in (x, x * dtype(unit)))
    short, long = F.norm(a, axis=axis, keepdims=keepdims), F.norm(b, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(long.numpy(), short.numpy() * dtype(unit))
    np.testing.assert_allclose(short.numpy(), np.sqrt((x.astype(float) ** 2).sum(axis=axis, keepdims=keepdims)), 1e-6)
    np.testing.assert_allclose(tg.grad(long.sum(), b).numpy(), tg.grad(short.sum(), a).numpy(), 1e-6)


@given(k=st.integers(-1000, 1000), max_norm=st.floats(1e-3, 1e3), seed=seeds)
def test_clipping_in_another_unit(k, max_norm, seed):
    grads = [np.random.default_rng(seed).normal(size=n) for n in (3, 0, 40)]
    true = math.sqrt(sum((g * g).sum() for g in grads))
    clipped, length = optim.clip_by_norm([g * 2.0**k for g in grads], max_norm)
    assert length == pytest.approx(true * 2.0**k, rel=1e-12)
    factor = min(1.0, max_norm / length)
    for got, g in zip(clipped, grads):
        np.testing.assert_allclose(got.numpy(), g * 2.0**k * factor, rtol=1e-12)


def test_the_largest_float32_gradient_is_clipped_to_all_its_digits():
    largest = np.finfo(np.float32).max
    clipped, length = optim.clip_by_norm([np.full(10_000, largest)], 1.0)
    assert length == pytest.approx(100 * float(largest))
    np.testing.assert_allclose(clipped[0].numpy(), 0.01, rtol=1e-6)


# -- optimizers that divide a gradient by its size ---------------------------------------------------------------------

RULES = {
    "Adam": lambda p: optim.Adam([p], 0.1, eps=0),
    "AdamW": lambda p: optim.AdamW([p], 0.1, eps=0, weight_decay=0),
    "RMSprop": lambda p: optim.RMSprop([p], 0.1, eps=0),
}
plain = pytest.mark.parametrize("fast", [True, False], ids=["fast", "reference"])


@pytest.fixture
def choose(monkeypatch):
    def chosen(fast):
        if not fast:
            for name in ("adam", "rmsprop"):
                monkeypatch.setattr(kernels, name, getattr(reference, name))

    return chosen


def path(make, grads) -> np.ndarray:
    p = tg.Parameter(np.zeros(grads.shape[1], np.float32))
    opt, places = make(p), []
    for g in grads:
        opt.step([g])
        places.append(p.numpy())
    return np.array(places)


@plain
@pytest.mark.parametrize("rule", RULES)
def test_scaled_gradients_move_parameters_alike(rule, fast, choose):
    choose(fast)
    grads = np.random.default_rng(0).uniform(0.5, 1, size=(30, 6)).astype(np.float32)
    expected = path(RULES[rule], grads)
    for k in (-50, -20, 20, 50, 63):
        near(path(RULES[rule], grads * np.float32(2.0**k)), expected, 1e-6)
    for k in (64, 100, 127):  # squares of these are beyond float32: their sizes are no longer distinguished
        steps = np.diff(path(RULES[rule], grads * np.float32(2.0**k)), axis=0)
        assert np.isfinite(steps).all() and (steps < -0.05).all()


@plain
@pytest.mark.parametrize("huge", [2e19, 1e30, float(np.finfo(np.float32).max)])
@pytest.mark.parametrize("rule", RULES)
def test_one_huge_gradient_stops_nothing_for_ever(rule, huge, fast, choose):
    """It is forgotten at the rate of the running mean, and until then every step is finite."""
    choose(fast)
    make = {
        "Adam": lambda p: optim.Adam([p], 0.1, betas=(0.9, 0.9)),
        "AdamW": lambda p: optim.AdamW([p], 0.1, betas=(0.9, 0.9), weight_decay=0),
        "RMSprop": lambda p: optim.RMSprop([p], 0.1, alpha=0.9),
    }[rule]
    grads = np.ones((1200, 1), np.float32)
    grads[3] = huge
    places = path(make, grads)
    assert np.isfinite(places).all()
    steps = np.diff(places[:, 0])
    assert -0.5 < steps[2] < -0.05
    np.testing.assert_allclose(steps[-10:], -0.1, rtol=1e-2)
