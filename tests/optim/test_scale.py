"""Clipping and optimizers give the same result in any unit, even where squares overflow or underflow."""

import math

import numpy as np
import pytest
from helpers.near import near
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels, optim
from tinygen.kernels import reference

seeds = st.integers(0, 2**32 - 1)


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
def test_scaled_gradients_give_the_same_steps(rule, fast, choose):
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
def test_an_optimizer_recovers_from_one_huge_gradient(rule, huge, fast, choose):
    """It decays at the rate of the running mean, and every step until then is finite."""
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
