"""Averages of weights: the formula, their use in a model, and resuming from saved ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

seeds = st.integers(0, 2**32 - 1)


def some_parameters(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [tg.Parameter(rng.normal(size=shape).astype(dtype)) for shape in [(3, 2), (4,), ()]]


@given(seed=seeds, decay=st.floats(0, 0.999), n=st.integers(0, 6))
def test_ema_is_the_weighted_sum_of_all_weights(seed, decay, n):
    """After n updates: decayⁿ θ₀ + (1 - decay) Σ decayⁿ⁻ᵏ θₖ."""
    history = [[p.data for p in some_parameters((seed, k))] for k in range(n + 1)]
    params = some_parameters((seed, 0))
    ema = optim.EMA(params, decay)
    for arrays in history[1:]:
        for p, array in zip(params, arrays):
            p.data = array
        ema.update()
    weights = [decay**n] + [(1 - decay) * decay ** (n - k) for k in range(1, n + 1)]
    with ema.applied():
        for i, p in enumerate(params):
            expected = sum(w * arrays[i] for w, arrays in zip(weights, history))
            np.testing.assert_allclose(p.data, expected, rtol=1e-12, atol=1e-14)
            assert not p.data.flags.writeable


def test_applied_puts_the_weights_back_even_after_an_error():
    params = some_parameters(0)
    before = [p.data for p in params]
    ema = optim.EMA(params, 0.5)
    for p in params:
        p.data = p.data + 1
    after = [p.data for p in params]
    ema.update()
    with pytest.raises(RuntimeError), ema.applied():
        np.testing.assert_allclose(params[0].data, before[0] + 0.5, rtol=1e-14)
        raise RuntimeError
    assert all(p.data is array for p, array in zip(params, after))


def test_an_average_leaves_the_weights_alone():
    params = some_parameters(0, np.float32)
    held = params[0].data
    ema = optim.EMA(params, 0.9)
    params[0].data = held * 2
    for _ in range(3):
        ema.update()
    np.testing.assert_array_equal(held, some_parameters(0, np.float32)[0].data)
    with ema.applied():
        assert params[0].dtype == np.float32
        shown = params[0].data
    copy = shown.copy()
    ema.update()
    np.testing.assert_array_equal(shown, copy)  # what was handed out does not move with the average


@given(seed=seeds, at=st.integers(0, 4))
def test_ema_resumes_exactly(seed, at):
    straight, stopped = some_parameters(seed), some_parameters(seed)
    first, second = optim.EMA(straight, 0.9), optim.EMA(stopped, 0.9)
    for k in range(4):
        for p, q, new in zip(straight, stopped, some_parameters((seed, k))):
            p.data = q.data = new.data
        if k == at:
            state = second.state_dict()
            second.update()
            second = optim.EMA(stopped, 0.9)
            second.load_state_dict(state)
        first.update()
        second.update()
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_ema_refuses():
    params = some_parameters(0)
    with pytest.raises(ValueError, match=r"EMA: expected decay to be a number of at least 0 and below 1, got 1\.0"):
        optim.EMA(params, 1.0)
    with pytest.raises(TypeError, match=r"EMA: .* got a ndarray as params\[0\]"):
        optim.EMA([np.ones(3)])
    ema = optim.EMA(params)
    with pytest.raises(ValueError, match=r"missing     average.1"):
        ema.load_state_dict({"average.0": np.ones((3, 2)), "average.2": np.array(1.0)})
