"""What exists for speed equals the plain computation: each op of fused.py and backward.py, and each fast rule."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.op import DEFINITIONS
from tinygen.ops import backward, fused
from tinygen.ops.activation import normal_density
from tinygen.tensor import OPS, Tensor
from tinygen.testing import CASES


def group_norm(x, weight, bias, *, num_groups, eps=1e-5, activation=None, negative_slope=0.01, moments=None):
    n = tg.reshape(x, shape=(len(x), math.prod(x.shape[1:-1]), num_groups, x.shape[-1] // num_groups))
    n = n - n.mean(axis=(1, 3), keepdims=True)
    n = n / tg.sqrt((n * n).mean(axis=(1, 3), keepdims=True) + eps)
    z = weight * tg.reshape(n, shape=x.shape) + bias
    return activated(z, activation, negative_slope)


def activated(z, activation, negative_slope=0.0):
    if activation is None:
        return z
    slope = negative_slope if activation == "leaky_relu" else 0.0
    return tg.silu(z) if activation == "silu" else tg.where(z > 0, z, z * slope)


def group_norm_vjp(g, x, weight, bias, **settings):
    x, weight, bias = (v + Tensor(np.zeros(v.shape), requires_grad=True) for v in (x, weight, bias))
    gradients = tg.grad(group_norm(x, weight, bias, **settings), [x, weight, bias], g, create_graph=True)
    return tg.concat(*[tg.reshape(each, shape=(-1,)) for each in gradients])


def conv2d_bias(x, w, b, *, activation=None, **geometry):
    return activated(tg.conv2d(x, w, **geometry) + b, activation)


def conv_transpose2d_bias(g, w, b, *, size, activation=None, **geometry):
    return activated(tg.conv_transpose2d(g, w, size=size, **geometry) + b, activation)


def recurrence(x, state, w, b, *, cell):
    size, n, states = len(w), len(state), []
    for t in range(len(x) // max(n, 1) or 1):
        h, c, s, own = state[:, :size], state[:, size:], state[:, :size] @ w + b, x[t * n : (t + 1) * n]
        a = own + s
        if cell == "rnn":
            state = tg.tanh(a)
        elif cell == "gru":
            r, z = (tg.sigmoid(a[:, k * size : (k + 1) * size]) for k in (0, 1))
            new = tg.tanh(own[:, 2 * size :] + r * s[:, 2 * size :])
            state = new + z * (h - new)
        else:
            i, f, o = (tg.sigmoid(a[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
            c = f * c + i * tg.tanh(a[:, 2 * size : 3 * size])
            state = tg.concat(o * tg.tanh(c), c, axis=1)
        states.append(state)
    return tg.concat(*states, axis=0)


def huber(x, t, *, delta):
    near = tg.clip(x - t, low=-delta, high=delta)
    return near * (x - t - near / 2)


COMPOSITIONS = {
    "relu_vjp": lambda g, *, y, negative_slope=0.0: tg.where(y > 0, g, negative_slope * g),
    "tanh_vjp": lambda g, y: g * (1 - y**2),
    "sigmoid_vjp": lambda g, x: g * tg.sigmoid(x) * tg.sigmoid(-x),
    "silu_vjp": lambda g, x: g * (tg.sigmoid(x) + x * tg.sigmoid(x) * tg.sigmoid(-x)),
    "gelu_vjp": lambda g, x: g * (tg.normal_cdf(x) + x * normal_density(x)),
    "squared_error_vjp": lambda g, x, t: g * 2 * (x - t),
    "logistic_loss_vjp": lambda g, x, t: g * (tg.sigmoid(x) - t),
    "group_norm_vjp": group_norm_vjp,
    "squared_error": lambda x, t: (x - t) ** 2,
    "absolute_error": lambda x, t: tg.abs(x - t),
    "huber_error": huber,
    "logistic_loss": lambda x, t: tg.softplus(x) - t * x,
    "scaled_sum": lambda x, *, scale: tg.sum(x) * scale,
    "softmax_of_rows": lambda x: tg.exp(x - tg.logsumexp(x, axis=-1, keepdims=True)),
    "log_softmax_of_rows": lambda x: x - tg.logsumexp(x, axis=-1, keepdims=True),
    "log_softmax_at": lambda x, labels: (x - tg.logsumexp(x, axis=-1, keepdims=True))[np.arange(len(labels)), labels],
    "linear": lambda x, w, b: x @ w + b,
    "conv2d_bias": conv2d_bias,
    "conv_transpose2d_bias": conv_transpose2d_bias,
    "group_norm": group_norm,
    "recurrence": recurrence,
}


def test_every_op_for_speed_is_compared_with_its_composition():
    for_speed = {name for name, op in OPS.items() if op.__module__ in (backward.__name__, fused.__name__)}
    assert for_speed | {"group_norm"} == set(COMPOSITIONS), "add the missing composition to COMPOSITIONS in this file"
    assert not for_speed & set(tg.__all__), "an op for speed is not a public name"


@pytest.mark.parametrize("op", COMPOSITIONS)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_op_for_speed_equals_its_composition(op, seed):
    assert_same_to_second_order(OPS[op], COMPOSITIONS[op], op, seed)


@pytest.mark.parametrize("op", [name for name, op in OPS.items() if DEFINITIONS[op] is not op.__wrapped__])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_fast_rule_equals_the_plain_rule(op, seed):
    def with_plain_rule(*inputs, **settings):
        with mock.patch.dict(DEFINITIONS, {OPS[op]: OPS[op].__wrapped__}):
            return OPS[op](*inputs, **settings)

    assert_same_to_second_order(OPS[op], with_plain_rule, op, seed)


def assert_same_to_second_order(f, g, op, seed):
    """Value, gradients, and gradients of a random combination of gradients, in float64."""
    rng = np.random.default_rng(seed)
    arrays, settings = CASES[op].sample(rng)
    directions = [rng.normal(size=a.shape) for a in arrays]
    weights = rng.normal(size=np.shape(f(*arrays, **settings).data))
    results = [to_second_order(each, arrays, settings, weights, directions) for each in (f, g)]
    for ours, theirs in zip(*results):
        scale = np.abs(theirs).max(initial=1)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale)


def to_second_order(f, arrays, settings, weights, directions):
    xs = [Tensor(a, requires_grad=True) for a in arrays]
    y = f(*xs, **settings)
    first = tg.grad(y, xs, weights, create_graph=True)
    slope = sum((g * d).sum() for g, d in zip(first, directions))
    second = tg.grad(slope, xs) if slope.requires_grad else [Tensor(np.zeros(a.shape)) for a in arrays]
    return [t.numpy() for t in (y, *first, *second)]
