"""Recurrent cells and layers: each step against its formula in NumPy, layers against their cells, long sequences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 4)
KINDS = {"RNN": (nn.RNN, nn.RNNCell, 1), "GRU": (nn.GRU, nn.GRUCell, 3), "LSTM": (nn.LSTM, nn.LSTMCell, 4)}


def logistic(x):
    return 1 / (1 + np.exp(-x))


def stepped(kind, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """One step in NumPy: the new (h, c); c is None but for an LSTM."""
    a, b, size = x @ w_ih + b_ih, h @ w_hh + b_hh, h.shape[1]
    a_gates, b_gates = (each.reshape(len(x), -1, size) for each in (a, b))
    if kind == "RNN":
        return np.tanh(a + b), None
    if kind == "GRU":
        r, z = (logistic(a_gates[:, k] + b_gates[:, k]) for k in (0, 1))
        return (1 - z) * np.tanh(a_gates[:, 2] + r * b_gates[:, 2]) + z * h, None
    i, f, g, o = (a_gates[:, k] + b_gates[:, k] for k in range(4))
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def arrays(module, suffix=""):
    return [getattr(module, name + suffix).data for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds, n=sizes, inputs=sizes, hidden=sizes)
def test_a_cell_computes_its_formula(kind, seed, n, inputs, hidden):
    rng = np.random.default_rng(seed)
    cell = KINDS[kind][1](inputs, hidden, rng=rng, dtype=np.float64)
    x, h, c = (rng.normal(size=(n, size)) for size in (inputs, hidden, hidden))
    found = cell(tg.Tensor(x), (tg.Tensor(h), tg.Tensor(c)) if kind == "LSTM" else tg.Tensor(h))
    expected = stepped(kind, x, h, c, *arrays(cell))
    for mine, right in zip(found if kind == "LSTM" else [found], expected):
        np.testing.assert_allclose(mine.data, right, rtol=0, atol=1e-14)
    first, zero = cell(tg.Tensor(x)), np.zeros((n, hidden))
    np.testing.assert_allclose(
        (first[0] if kind == "LSTM" else first).data, stepped(kind, x, zero, zero, *arrays(cell))[0], rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("kind", KINDS)
@given(seed=seeds, n=sizes, length=st.integers(1, 6), layers=st.integers(1, 3))
def test_a_layer_is_a_chain_of_steps(kind, seed, n, length, layers):
    rng = np.random.default_rng(seed)
    layer = KINDS[kind][0](2, 3, num_layers=layers, rng=rng, dtype=np.float64)
    x, states = rng.normal(size=(n, length, 2)), rng.normal(size=(2, layers, n, 3))
    given_state = tuple(map(tg.Tensor, states)) if kind == "LSTM" else tg.Tensor(states[0])
    outputs, last = layer(tg.Tensor(x), given_state)
    below, ends = x, []
    for k in range(layers):
        h, c, hs = states[0, k], states[1, k], []
        for t in range(length):
            h, c = stepped(kind, below[:, t], h, c, *arrays(layer, f"_l{k}"))
            hs.append(h)
        below = np.stack(hs, axis=1)
        ends.append((h, c) if kind == "LSTM" else (h,))
    np.testing.assert_allclose(outputs.data, below, rtol=0, atol=1e-13)
    for mine, right in zip(last if kind == "LSTM" else [last], zip(*ends)):
        np.testing.assert_allclose(mine.data, np.stack(right), rtol=0, atol=1e-13)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_first_and_second_order(kind, bias):
    rng = np.random.default_rng(0)
    layer = KINDS[kind][0](2, 2, bias=bias, rng=rng, dtype=np.float64)
    tg.check(layer, rng.normal(size=(2, 3, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_a_thousand_steps(kind):
    """The gradient with respect to the first state, against complex steps through the recursion in NumPy."""
    rng = np.random.default_rng(1)
    layer = KINDS[kind][0](1, 2, rng=rng, dtype=np.float64)
    layer.weight_hh_l0.data = layer.weight_hh_l0.data * 1.2  # so that the gradient does not vanish
    x, h, c = rng.normal(size=(1, 1000, 1)), rng.normal(size=(1, 2)), rng.normal(size=(1, 2))
    start = tg.Parameter(x[:, :1])
    rest = tg.Tensor(x[:, 1:])
    state = (tg.Tensor(h[None]), tg.Tensor(c[None])) if kind == "LSTM" else tg.Tensor(h[None])
    outputs, _ = layer(tg.concat(start, rest, axis=1), state)
    weights = rng.normal(size=outputs.shape)
    found = tg.grad((outputs * weights).sum(), start).data.item()

    hs, now, memory = [], h.astype(complex), c.astype(complex)
    moved = x.astype(complex)
    moved[0, 0, 0] += 1e-200j
    for t in range(1000):
        now, memory = stepped(kind, moved[:, t], now, memory, *arrays(layer, "_l0"))
        hs.append(now)
    expected = (np.stack(hs, axis=1) * weights).sum().imag / 1e-200
    assert abs(found - expected) <= 1e-12 * max(1, abs(expected))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer: layer(tg.Tensor(np.ones((2, 3), np.float32))), r"GRU: expected x \(N, T, 2\), got \(2, 3\)"),
        (lambda layer: layer(tg.Tensor(np.ones((1, 3, 4), np.float32))), r"expected x \(N, T, 2\), got \(1, 3, 4\)"),
        (lambda layer: layer(tg.Tensor(np.ones((1, 0, 2), np.float32))), "sequences of at least one step"),
        (
            lambda layer: layer(tg.Tensor(np.ones((1, 3, 2), np.float32)), tg.Tensor(np.ones((1, 3), np.float32))),
            r"expected the state to be a tensor \(1, 1, 3\), got \[\(1, 3\)\]",
        ),
        (
            lambda _: nn.LSTMCell(2, 3, rng=np.random.default_rng(0), dtype=np.float64)(np.ones((1, 2)), np.ones(3)),
            r"a pair \(h, c\) of tensors \(1, 3\)",
        ),
        (lambda _: nn.RNN(0, 3, rng=np.random.default_rng(0)), "input_size"),
        (lambda _: nn.RNN(2, 3, num_layers=0, rng=np.random.default_rng(0)), "num_layers"),
    ],
)
def test_wrong_calls_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(nn.GRU(2, 3, rng=np.random.default_rng(0)))
