"""Pairs of an op and its PyTorch counterpart: entries, shapes, sums and products (images: image_pairs.py).

An op needs a row only if PyTorch has no function of its name that takes the same settings: `by_name` finds the others.
"""

import numpy as np
import pytest

import tinygen as tg
from tinygen.testing import CASES

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
F = torch.nn.functional

ROWS = {}


def row(name):
    """Enter a function of rng that draws (inputs, ours, theirs) under a name that starts with the op's."""

    def enter(draw):
        ROWS[name] = draw
        return draw

    return enter


def by_name(name):
    """PyTorch's function of the same name, or None."""
    homes = (torch, F, torch.special)
    return next((getattr(home, name) for home in homes if hasattr(home, name)), None)


def enter_by_name():
    """A row for each op that has none, with the inputs and settings of its case, if PyTorch has its name."""
    entered = {name.split()[0] for name in ROWS}
    for name in sorted(tg.OPS.keys() & CASES.keys() - entered):
        if by_name(name) is not None:
            row(name)(lambda rng, name=name: _sampled(rng, name))


def _sampled(rng, name):
    arrays, static = CASES[name].sample(rng)
    return arrays, lambda *xs: tg.OPS[name](*xs, **static), lambda *xs: by_name(name)(*xs, **static)


# -- entry by entry ----------------------------------------------------------------------------------------------------


def normal(rng, *shape):
    return rng.normal(size=shape)


def positive(rng, *shape):
    return np.exp(rng.normal(size=shape))


def away_from_zero(rng, *shape):
    x = rng.normal(size=shape)
    return x + 0.5 * np.sign(x)


def backwards(f):
    """PyTorch's own step backwards through f: (g, x) to the gradient of x."""

    def step(g, x, *rest):
        g, x, *rest = torch.broadcast_tensors(g, x, *rest)
        return torch.autograd.grad(f(x, *rest), x, g, create_graph=True)[0]

    return step


def squared_error(x, t):
    return F.mse_loss(*torch.broadcast_tensors(x, t), reduction="none")


def cross_entropy(x, t):
    return F.binary_cross_entropy_with_logits(*torch.broadcast_tensors(x, t), reduction="none")


def absolute_error(x, t):
    return F.l1_loss(*torch.broadcast_tensors(x, t), reduction="none")


UNARY = {
    "exp_remainder": (lambda x: torch.exp(x) - 1 - x, normal),
    "normal_cdf": (torch.special.ndtr, normal),
}
BINARY = {
    "gate": (torch.mul, normal, normal),  # the same but where an entry is 0
    "ratio": (torch.div, normal, away_from_zero),
    "sigmoid_vjp": (backwards(torch.sigmoid), normal, normal),
    "tanh_vjp": (torch.ops.aten.tanh_backward, normal, normal),
    "silu_vjp": (backwards(F.silu), normal, normal),
    "gelu_vjp": (backwards(F.gelu), normal, normal),
    "logistic_loss": (cross_entropy, normal, normal),
    "squared_error": (squared_error, normal, normal),
    "absolute_error": (absolute_error, normal, normal),
}


def unary(name):
    theirs, values = UNARY[name]
    row(name)(lambda rng: ([values(rng, *rng.integers(0, 4, 2))], tg.OPS[name], theirs))


def binary(name):
    """Two inputs whose shapes broadcast to one: an axis of either may be 1, leading axes may be missing."""
    theirs, first, second = BINARY[name]

    def draw(rng):
        shape = rng.integers(1, 4, 3)
        a, b = (np.where(rng.random(3) < 0.3, 1, shape)[rng.integers(0, 2) :] for _ in "ab")
        return [first(rng, *a), second(rng, *b)], tg.OPS[name], theirs

    row(name)(draw)


for name in UNARY:
    unary(name)
for name in BINARY:
    binary(name)


@row("matmul of vectors")
def _(rng):
    a, b = ([(3,), (3,)], [(3,), (2, 3, 4)], [(2, 4, 3), (3,)])[int(rng.integers(3))]
    return [normal(rng, *a), normal(rng, *b)], tg.matmul, torch.matmul


@row("relu_vjp")
def _(rng):
    slope, y = float(rng.uniform(0, 1)), normal(rng, 3, 4)
    step, x = backwards(lambda x: F.leaky_relu(x, slope)), torch.tensor(y, requires_grad=True)
    return [normal(rng, 3, 4)], lambda g: tg.ops.backward.relu_vjp(g, y=y, negative_slope=slope), lambda g: step(g, x)


@row("logistic_loss_vjp")
def _(rng):
    return [normal(rng, 3, 4) for _ in "gxt"], tg.ops.backward.logistic_loss_vjp, backwards(cross_entropy)


@row("squared_error_vjp")
def _(rng):
    return [normal(rng, 3, 4) for _ in "gxt"], tg.ops.backward.squared_error_vjp, backwards(squared_error)


@row("huber_error")
def _(rng):
    delta = float(rng.uniform(0.5, 2))
    return (
        [normal(rng, 3, 4) for _ in "xt"],
        lambda x, t: tg.ops.fused.huber_error(x, t, delta=delta),
        lambda x, t: F.huber_loss(x, t, reduction="none", delta=delta),
    )


@row("lgamma")
def _(rng):
    x = rng.uniform(50, 100, (3, 4))  # below, PyTorch's second derivative has 9 digits only
    return [x], tg.ops.lgamma, torch.lgamma


@row("polygamma")
def _(rng):
    n = int(rng.integers(2, 5))  # its function of order 1 has 9 digits only
    x = rng.uniform(0.5, 3, (3, 4))
    return [x], lambda x: tg.ops.polygamma(x, order=n), lambda x: torch.special.polygamma(n, x)


@row("clip")
def _(rng):
    low, high = sorted(rng.normal(size=2))
    return [normal(rng, 3, 4)], lambda x: tg.clip(x, low=low, high=high), lambda x: torch.clamp(x, low, high)


@row("select where")
def _(rng):
    mask = rng.random((2, 3)) < 0.5
    shapes = [(3,), (2, 1)] if rng.random() < 0.5 else [(4, 2, 3), (3,)]
    return (
        [normal(rng, *s) for s in shapes],
        lambda a, b: tg.where(mask, a, b),
        lambda a, b: torch.where(torch.from_numpy(mask), a, b),
    )


# -- moving entries ----------------------------------------------------------------------------------------------------


@row("reshape")
def _(rng):
    shape = tuple(rng.permutation([2, 3, -1]).tolist())
    return [normal(rng, 4, 3, 2)], lambda x: tg.reshape(x, shape=shape), lambda x: x.reshape(shape)


@row("transpose")
def _(rng):
    axes = tuple(rng.permutation(4).tolist())
    return [normal(rng, *rng.integers(1, 4, 4))], lambda x: tg.transpose(x, axes=axes), lambda x: x.permute(axes)


def small_and_large(rng):
    large = rng.integers(1, 4, 3)
    return tuple(np.where(rng.random(3) < 0.5, 1, large)[rng.integers(0, 3) :].tolist()), tuple(large.tolist())


@row("broadcast_to")
def _(rng):
    small, large = small_and_large(rng)
    return [normal(rng, *small)], lambda x: tg.broadcast_to(x, shape=large), lambda x: x.expand(large)


@row("sum_to")
def _(rng):
    small, large = small_and_large(rng)
    return [normal(rng, *large)], lambda x: tg.sum_to(x, shape=small), lambda x: x.sum_to_size(small)


def index_of(rng, n):
    """An index of the first two axes (n, n) of an array, ours and theirs: slices, numbers, repeats, a mask."""
    kind = rng.integers(4)
    if kind == 0:
        index = (slice(int(rng.integers(n)), None, int(rng.integers(1, 3))), int(rng.integers(n)))
    elif kind == 1:
        index = (rng.integers(-n, n, 5), slice(None))
    elif kind == 2:
        index = (rng.integers(-n, n, (2, 3)), rng.integers(-n, n, 3))
    else:
        index = (rng.random((n, n)) < 0.5,)
    return index, tuple(torch.from_numpy(i) if isinstance(i, np.ndarray) else i for i in index)


@row("getitem")
def _(rng):
    mine, yours = index_of(rng, 4)
    return [normal(rng, 4, 4, 2)], lambda x: x[mine], lambda x: x[yours]


@row("scatter")
def _(rng):
    mine = rng.integers(-4, 4, (2, 3)), rng.integers(-4, 4, 3)
    yours, zeros = tuple(map(torch.from_numpy, mine)), torch.zeros((4, 4, 2), dtype=torch.float64)
    return (
        [normal(rng, 2, 3, 2)],
        lambda x: tg.scatter(x, index=mine, shape=(4, 4, 2)),
        lambda x: zeros.index_put(yours, x, accumulate=True),
    )


def widths_of(rng):
    widths = rng.integers(0, 3, (3, 2))
    return tuple(map(tuple, widths.tolist())), widths[::-1].ravel().tolist()  # PyTorch counts from the last axis


@row("pad")
def _(rng):
    mine, yours = widths_of(rng)
    return [normal(rng, 2, 3, 2)], lambda x: tg.pad(x, widths=mine), lambda x: F.pad(x, yours)


@row("crop")
def _(rng):
    mine, yours = widths_of(rng)
    return [normal(rng, 5, 6, 5)], lambda x: tg.crop(x, widths=mine), lambda x: F.pad(x, [-w for w in yours])


@row("concat")
def _(rng):
    axis, shape = int(rng.integers(-3, 3)), rng.integers(1, 4, 3)
    arrays = [normal(rng, *np.where(np.arange(3) == axis % 3, n, shape)) for n in rng.integers(1, 4, 3)]
    return arrays, lambda *xs: tg.concat(*xs, axis=axis), lambda *xs: torch.cat(xs, axis)


@row("stack")
def _(rng):
    axis = int(rng.integers(-3, 3))
    return (
        [normal(rng, 2, 3) for _ in range(3)],
        lambda *xs: tg.stack(*xs, axis=axis),
        lambda *xs: torch.stack(xs, axis),
    )


@row("astype")
def _(rng):
    return [normal(rng, 3)], lambda x: x.astype(np.float32), lambda x: x.to(torch.float32)


# -- many to one, and products -----------------------------------------------------------------------------------------

REDUCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    "max": torch.amax,
    "logsumexp": torch.logsumexp,
    "var": lambda x, dim, keepdim: torch.var(x, dim, correction=0, keepdim=keepdim),
}


def reduction(name):
    def draw(rng):
        axis = [0, -1, (0, 2), (1,), (-1, 0), None][rng.integers(6)]
        keepdims, dim = bool(rng.integers(2)), (0, 1, 2) if axis is None else axis
        return (
            [normal(rng, *rng.integers(1, 4, 3))],
            lambda x: tg.OPS[name](x, axis=axis, keepdims=keepdims),
            lambda x: REDUCTIONS[name](x, dim, keepdim=keepdims),
        )

    row(name)(draw)


for name in REDUCTIONS:
    reduction(name)


@row("matmul")
def _(rng):
    """Batches of matrices whose leading axes broadcast, or are missing."""
    n, k, m = rng.integers(1, 4, 3)
    batch = rng.integers(1, 4, 2)
    a, b = (np.where(rng.random(2) < 0.3, 1, batch)[rng.integers(0, 3) :] for _ in "ab")
    return [normal(rng, *a, n, k), normal(rng, *b, k, m)], tg.matmul, torch.matmul


for _name, _ours, _theirs in (
    ("scaled_sum", lambda x: tg.ops.fused.scaled_sum(x, scale=0.25), lambda x: x.sum() * 0.25),
    ("softmax_of_rows", tg.ops.fused.softmax_of_rows, lambda x: torch.softmax(x, -1)),
    ("log_softmax_of_rows", tg.ops.fused.log_softmax_of_rows, lambda x: torch.log_softmax(x, -1)),
):
    row(_name)(lambda rng, ours=_ours, theirs=_theirs: ([normal(rng, 3, 4)], ours, theirs))


@row("log_softmax_at")
def _(rng):
    """PyTorch's loss is the negative."""
    labels = rng.integers(0, 4, 3)
    theirs = lambda x: -torch.nn.functional.cross_entropy(x, torch.tensor(labels), reduction="none")
    return [normal(rng, 3, 4)], lambda x: tg.ops.fused.log_softmax_at(x, labels=labels), theirs


@row("linear")
def _(rng):
    """PyTorch's weight lies the other way round."""
    n, k, m = rng.integers(1, 5, 3)
    theirs = lambda x, w, b: torch.nn.functional.linear(x, w.T, b)
    return [normal(rng, n, k), normal(rng, k, m), normal(rng, m)], tg.ops.fused.linear, theirs
