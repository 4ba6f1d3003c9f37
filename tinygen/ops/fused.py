"""Ops that make several steps in one pass over memory, for speed; layers and losses call them.

Each docstring begins with the composition of plain ops that the op equals; tests/ops/test_fused.py compares the two
and their first and second derivatives. They are not among the public names of `tinygen`.
"""

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.errors.arrays import private, read_only
from tinygen.kernels.reference_cells import CELLS
from tinygen.op import as_tensors, op
from tinygen.ops.backward import logistic_loss_vjp, relu_vjp, squared_error_vjp
from tinygen.ops.conv import conv2d, conv2d_weight, conv_transpose2d
from tinygen.ops.elementwise import clip, exp, gate
from tinygen.ops.reduce import sum
from tinygen.ops.shape import broadcast_to
from tinygen.ops.support.broadcasting import elementwise
from tinygen.ops.support.cells import gradients
from tinygen.ops.support.geometry import Pair, check_bias, check_conv2d, check_conv_transpose2d, geometry
from tinygen.ops.support.indices import check_rows
from tinygen.ops.support.matrices import swapped
from tinygen.ops.support.sharing import quick, shared
from tinygen.tensor import Tensor

# -- losses ------------------------------------------------------------------------------------------------------------


@elementwise
def squared_error(x, t):
    """(x - t)²"""
    return (
        kernels.squared_error(x.data, t.data),
        lambda g: squared_error_vjp(g, x, t),
        lambda g: -squared_error_vjp(g, x, t),
    )


@elementwise
def absolute_error(x, t):
    """abs(x - t)"""

    def kernel(g):
        return (kernels.absolute_error_vjp(g, x.data, t.data),)

    def plain(g):
        return g * np.sign(x.data - t.data)

    (rule,) = shared(kernel, plain)
    return kernels.absolute_error(x.data, t.data), rule, lambda g: -rule(g)


@elementwise
def huber_error(x, t, *, delta=1.0):
    """near * (x - t - near / 2), for near = clip(x - t, low=-delta, high=delta)"""

    def kernel(g):
        return (kernels.huber_vjp(g, x.data, t.data, delta),)

    def plain(g):
        return g * clip(x - t, low=-delta, high=delta)

    (rule,) = shared(kernel, plain)
    return kernels.huber(x.data, t.data, delta), rule, lambda g: -rule(g)


@elementwise
def logistic_loss(x, t):
    """softplus(x) - t x = -t log σ(x) - (1 - t) log σ(-x), in nats: the loss of a logit x for a target t in [0, 1]."""
    return kernels.logistic_loss(x.data, t.data), lambda g: logistic_loss_vjp(g, x, t), lambda g: -gate(g, x)


@op
def scaled_sum(x, *, scale):
    """sum(x) * scale"""
    shape, scale = x.data.shape, x.data.dtype.type(scale)
    total = kernels.sum_along(x.data, tuple(range(len(shape))))
    return total * scale, quick(
        lambda g: np.broadcast_to(g * scale, shape), lambda g: broadcast_to(g * scale, shape=shape)
    )


@op
def softmax_of_rows(x):
    """exp(x - logsumexp(x, axis=-1, keepdims=True))"""
    check_rows("softmax", x)
    y = kernels.softmax(x.data)

    def plain(g):
        s = softmax_of_rows(x)
        return gate(g - sum(gate(g, s), axis=-1, keepdims=True), s)

    return y, *shared(lambda g: (kernels.softmax_vjp(g, y),), plain)


@op
def log_softmax_of_rows(x):
    """x - logsumexp(x, axis=-1, keepdims=True)"""
    check_rows("log_softmax", x)
    y = kernels.log_softmax(x.data)
    return y, *shared(
        lambda g: (kernels.log_softmax_vjp(g, y),),
        lambda g: g - exp(log_softmax_of_rows(x)) * sum(g, axis=-1, keepdims=True),
    )


@op
def log_softmax_at(x, *, labels):
    """log_softmax_of_rows(x)[np.arange(len(x)), labels], for x (N, K) and labels (N,)

    Where a label has nearly all the probability p, 1 - p is -expm1(log p), which loses no digits.
    """
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"log_softmax_at: expected x (N, K) and labels (N,), got {x.shape} and {labels.shape}")
    labels = private(labels)
    y = kernels.log_softmax_at(x.data, labels)

    def plain(g):
        picked = labels[:, None] == np.arange(x.shape[1])
        return g.reshape(-1, 1) * (picked.astype(x.dtype) - exp(log_softmax_of_rows(x)))

    return y, quick(lambda g: kernels.log_softmax_at_vjp(g, x.data, y, labels), plain)


# -- layers ------------------------------------------------------------------------------------------------------------


def _rows(args: tuple) -> tuple[Tensor, ...]:
    """x, w and b of shapes (N, K), (K, M) and (M,)."""
    x, w, b = as_tensors(args)
    p, q, r = x.data.shape, w.data.shape, b.data.shape
    if len(p) != 2 or q[:-1] != p[1:] or r != q[1:]:
        raise ValueError(f"linear: expected (N, K) @ (K, M) + (M,), got {p} @ {q} + {r}")
    return x, w, b


@op(prepare=_rows)
def linear(x, w, b):
    """x @ w + b, for (N, K) @ (K, M) + (M,)."""
    return (
        kernels.matmul(x.data, w.data, b.data),
        quick(lambda g: kernels.matmul(g, w.data.T), lambda g: g @ swapped(w)),
        *shared(lambda g: kernels.linear_weight(x.data, g), lambda g: swapped(x) @ g, lambda g: sum(g, axis=0)),
    )


@op
def conv2d_bias(x, w, b, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, activation=None):
    """conv2d(x, w) + b with a bias b (O,), then relu if `activation` is "relu"."""
    form = geometry(stride, padding, dilation, "conv2d_bias")
    check_conv2d("conv2d_bias", x, w, form)
    check_bias("conv2d_bias", b, w.shape[3], activation)
    y = kernels.conv2d(x.data, w.data, *form, b.data, activation)
    before, in_b = _before_activation(y, activation)
    return (
        y,
        lambda g: conv_transpose2d(before(g), w, size=x.shape[1:3], **form._asdict()),
        lambda g: conv2d_weight(x, before(g), kernel_size=w.shape[:2], **form._asdict()),
        in_b,
    )


@op
def conv_transpose2d_bias(g, w, b, *, size, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, activation=None):
    """conv_transpose2d(g, w) + b with a bias b (C,), then relu if `activation` is "relu"."""
    form = geometry(stride, padding, dilation, "conv_transpose2d_bias")
    size = arguments.pair("conv_transpose2d_bias", "size", size, least=1)
    check_conv_transpose2d("conv_transpose2d_bias", g, w, size, form)
    check_bias("conv_transpose2d_bias", b, w.shape[2], activation)
    y = kernels.conv_transpose2d(g.data, w.data, size, *form, b.data, activation)
    before, in_b = _before_activation(y, activation)
    return (
        y,
        lambda h: conv2d(before(h), w, **form._asdict()),
        lambda h: conv2d_weight(before(h), g, kernel_size=w.shape[:2], **form._asdict()),
        in_b,
    )


def _before_activation(y, activation):
    """Two rules of an output y = activation(z + b): from its gradient to that of z, and to that of b."""
    if activation is None:
        return shared(lambda g: (kernels.in_order(g),), lambda g: g)[0], _over_pixels  # g may be a slice of an array
    return shared(
        lambda g: kernels.relu_vjp_sum(g, y),
        lambda g: relu_vjp(g, y=y),
        lambda g: _over_pixels(relu_vjp(g, y=y)),
    )


def _over_pixels(g):
    return sum(g, axis=(0, 1, 2))


# -- recurrent layers --------------------------------------------------------------------------------------------------


@op
def recurrence(x, state, w, b, *, cell):
    """The states (T · N, parts · H) after each step: state ← cell(x of the step, h @ w + b, state), T times.

    x (T · N, gates · H), step after step, is what the inputs add to the gates, state (N, parts · H) is h, or h and c
    side by side, w is (H, gates · H) and b (gates · H,). `cell` is "rnn", "gru" or "lstm"; kernels/reference_cells.py
    has their formulas.
    """
    kind, (size, width), n = CELLS[cell], w.data.shape, len(state.data)
    steps = len(x.data) // max(n, 1)
    shape = steps, n, width
    if x.data.shape != (steps * n, width) or width != kind.gates * size or state.data.shape != (n, kind.parts * size):
        raise ValueError(
            f"recurrence: expected x (T N, {kind.gates} H), a state (N, {kind.parts} H) and w (H, {kind.gates} H), "
            f"got {x.shape}, {state.shape} and {w.shape}"
        )
    states, added = kernels.recurrence(x.data.reshape(shape), state.data, w.data, b.data, cell)
    read_only(states)

    def kernel(g):
        g, inputs = g.reshape(states[1:].shape), x.data.reshape(shape)
        of_x, of_s, of_first = kernels.recurrence_vjp(g, inputs, states, added, w.data, cell)
        before = states[:-1, :, :size].reshape(steps * n, size)
        return of_x.reshape(x.data.shape), of_first, *kernels.linear_weight(before, of_s.reshape(x.data.shape))

    value = states[1:].reshape(steps * n, kind.parts * size)
    return value, *shared(kernel, *[lambda g, i=i: gradients(cell, g, x, state, w, b)[i] for i in range(4)])
