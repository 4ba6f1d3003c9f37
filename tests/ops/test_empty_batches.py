"""Nothing in, nothing out: size 0 on every axis through every float32 kernel, layer, loss and model."""

import re
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
from helpers.small_models import SMALL

import tinygen as tg
from tinygen import functional as F
from tinygen import models, nn
from tinygen.ops import fused

rng = np.random.default_rng(0)

FORMS = [(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (4, 2, 1, 1), (2, 2, 0, 1), (5, 1, 2, 1), (3, 1, 1, 2)]
CHANNELS = [(16, 16), (3, 16), (16, 3), (32, 1), (20, 20)]  # between them, a way of each convolution


def convolutions(k, stride, padding, dilation, c, o):
    form = dict(stride=stride, padding=padding, dilation=dilation)
    size = 7 * stride - 2 * padding + dilation * (k - 1) + 1
    made = (8 + 2 * padding - dilation * (k - 1) - 1) // stride + 1
    yield partial(tg.conv2d, **form), [("N", 8, 8, c), (k, k, c, o)]
    yield partial(fused.conv2d_bias, **form, activation="relu"), [("N", 8, 8, c), (k, k, c, o), (o,)]
    yield partial(tg.conv_transpose2d, size=size, **form), [("N", 8, 8, o), (k, k, c, o)]
    yield partial(fused.conv_transpose2d_bias, size=size, **form), [("N", 8, 8, o), (k, k, c, o), (c,)]
    yield partial(tg.conv2d_weight, kernel_size=k, **form), [("N", 8, 8, c), ("N", made, made, o)]


def assert_as_in_float64(f, shapes):
    """The same value and gradients, up to rounding, or the same error, which names the function."""
    found = []
    for dtype in (np.float32, np.float64):
        xs = [tg.Parameter(np.full(shape, 0.5, dtype)) for shape in shapes]
        try:
            y = f(*xs)
            found.append([y, *tg.grad(y, xs, np.ones(y.shape, dtype))])
        except ValueError as error:
            found.append(str(error))
    if isinstance(found[0], str) or isinstance(found[1], str):
        assert found[0] == found[1] and re.match(r"\w+: ", found[0]), found  # an error of ours, not of NumPy's
        return
    for single, double in zip(*found):
        assert (single.dtype, double.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=1e-5, strict=False)
        assert single.shape == double.shape


@pytest.mark.parametrize("form", FORMS)
def test_convolutions(form):
    for c, o in [*CHANNELS, (0, 16), (16, 0), (0, 0)]:
        for f, shapes in convolutions(*form, c, o):
            for n in (0, 2) if 0 in (c, o) else (0,):
                assert_as_in_float64(f, [tuple(n if size == "N" else size for size in shape) for shape in shapes])


def test_matrix_products():
    for n, k, m in product((0, 300), (0, 400), (0, 500)):
        if n * k * m == 0:
            assert_as_in_float64(tg.matmul, [(n, k), (k, m)])
            assert_as_in_float64(tg.ops.fused.linear, [(n, k), (k, m), (m,)])
            assert_as_in_float64(tg.matmul, [(2, n, k), (2, k, m)])
    assert_as_in_float64(tg.matmul, [(0, 300, 400), (0, 400, 500)])


IMAGES = {
    **{
        name: getattr(tg, name) for name in ("exp", "tanh", "sigmoid", "softplus", "silu", "gelu", "relu", "leaky_relu")
    },
    **{name: getattr(tg, name) for name in ("normal_cdf", "abs", "sqrt", "log", "erf", "transpose")},
    "add": lambda x: x + x,
    "a bias": lambda x: x + tg.Tensor(np.ones(x.shape[-1:], x.dtype)),
    "an index": lambda x: x[..., 3:9],
    "pad": partial(tg.pad, widths=((1, 1),) * 4),
    "flatten": tg.flatten,
    "nearest": partial(tg.upsample, scale_factor=2),
    "bilinear": partial(tg.upsample, scale_factor=2, mode="bilinear"),
    "sum_blocks": partial(tg.sum_blocks, scale=2),
    "max_pool2d": partial(tg.max_pool2d, kernel_size=2),
    "avg_pool2d": partial(tg.avg_pool2d, kernel_size=2),
    **{f"concat {axis}": lambda x, axis=axis: tg.concat(x, x, axis=axis) for axis in range(4)},
    "softmax": F.softmax,
    "norm": partial(F.norm, axis=-1),
    **{
        f"{f.__name__} {axes}": partial(f, axis=axes)
        for f in (tg.sum, tg.mean, tg.var, tg.max, tg.logsumexp)
        for n in (1, 2, 4)
        for axes in combinations(range(4), n)
    },
}


LOSSES = ("mse", "l1", "huber", "bce", "bce_with_logits", "gaussian_kl")


def loss(x, *, name, reduction):
    return getattr(F, name)(x, np.ones(x.shape, x.dtype), reduction=reduction)


@pytest.mark.parametrize("empty", [axes for n in (1, 2, 4) for axes in combinations(range(4), n)])
def test_images_without_entries(empty):
    shape = tuple(0 if axis in empty else n for axis, n in enumerate((20, 30, 40, 16)))
    for f in IMAGES.values():
        assert_as_in_float64(f, [shape])
    for name, reduction in product(LOSSES, ("batchmean", "mean", "sum", "none")):
        assert_as_in_float64(partial(loss, name=name, reduction=reduction), [shape])
    for groups in (1, 4):
        norm = partial(tg.group_norm, num_groups=groups, activation="silu")
        assert_as_in_float64(norm, [shape, shape[-1:], shape[-1:]])


def recurrent(name):
    """A recurrent layer that returns its outputs alone."""
    layer = getattr(nn, name)(4, 3, rng=rng)

    class Outputs(nn.Module):
        def __init__(self):
            self.layer = layer

        def forward(self, x):
            result = self.layer(x)
            return result[0] if isinstance(result, tuple) else result

    return Outputs()


ACTIVATIONS = [nn.ELU, nn.GELU, nn.Identity, nn.LeakyReLU, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh]
LAYERS = {
    "Dense": (lambda: nn.Dense(6, 4, rng=rng), (6,)),
    "Conv2d": (lambda: nn.Conv2d(4, 16, 3, padding=1, rng=rng), (8, 8, 4)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 16, 4, stride=2, padding=1, rng=rng), (8, 8, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (8, 8, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (8, 8, 4)),
    "BatchNorm": (lambda: nn.BatchNorm(4).eval(), (8, 8, 4)),  # in training it needs two values per channel
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, rng=rng), (8, 4)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, rng=rng), (8, 4)),
    "InstanceNorm": (lambda: nn.InstanceNorm(4, affine=True), (8, 8, 4)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (8, 8, 4)),
    "Dropout": (lambda: nn.Dropout(0.5, rng=rng), (8, 8, 4)),
    "Flatten": (nn.Flatten, (8, 8, 4)),
    "Reshape": (lambda: nn.Reshape((8, 32)), (8, 8, 4)),
    "Upsample": (lambda: nn.Upsample(2), (8, 8, 4)),
    **{name: (partial(recurrent, name), (5, 4)) for name in ("RNN", "GRU", "LSTM")},
    **{name: (partial(recurrent, name), (4,)) for name in ("RNNCell", "GRUCell", "LSTMCell")},
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (8, 8, 4)),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), (8, 8, 4)),
    **{kind.__name__: (kind, (5,)) for kind in ACTIVATIONS},
    "Sequential": (lambda: nn.Sequential(nn.Flatten(), nn.Dense(256, 3, rng=rng), nn.SiLU()), (8, 8, 4)),
}


def test_no_layer_is_left_out():
    kinds = {name for name in nn.__all__ if isinstance(getattr(nn, name), type) and name != "Module"}
    assert kinds == LAYERS.keys() | {"Embedding"}  # takes indices, which have no gradient


def test_no_indices_are_looked_up():
    table = nn.Embedding(5, 3, rng=rng)
    y = table(np.zeros((0, 2), int))
    assert y.shape == (0, 2, 3) and y.dtype == np.float32
    assert not tg.grad(y.sum(), table.weight).numpy().any()


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    make, shape = LAYERS[name]
    layer, x = make(), tg.Parameter(np.zeros((0, *shape), np.float32))
    full = layer(tg.Tensor(np.ones((2, *shape), np.float32)))
    y = layer(x)
    assert y.shape == (0, *full.shape[1:]) and y.dtype == np.float32
    for g, p in zip(tg.grad(y.sum(), [x, *layer.parameters()]), [x, *layer.parameters()]):
        assert g.shape == p.shape and not g.numpy().any()


@pytest.mark.parametrize("name", SMALL)
def test_models(name):
    """`sample(0)`, and codes and reconstructions of no images; a loss of no example has nothing to average over."""
    model = models.build({name: SMALL[name]}, np.random.default_rng(0))
    shape = SMALL[name]["shape"]
    none = np.zeros((0, *shape), np.float32)

    def labels(n: int) -> list[np.ndarray]:
        return [np.zeros(n, int)] if "classes" in SMALL[name] else []

    if hasattr(model, "sample"):
        some, nothing = (model.sample(*(labels(n) or [n]), np.random.default_rng(0)) for n in (2, 0))
        assert nothing.shape == (0, *some.shape[1:]) and nothing.dtype == some.dtype
    if hasattr(model, "encode"):
        for f in (model.encode, model.reconstruct):
            some, nothing = f(np.zeros((2, *shape), np.float32), *labels(2)), f(none, *labels(0))
            for a, b in zip(some, nothing) if isinstance(some, tuple) else [(some, nothing)]:
                assert b.shape == (0, *a.shape[1:]) and b.dtype == a.dtype
    if hasattr(model, "loss"):
        with pytest.raises(ValueError, match=r"entries to average|no example|empty"):
            model.loss(none, *labels(0), np.random.default_rng(0))
