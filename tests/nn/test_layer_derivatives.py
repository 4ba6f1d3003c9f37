"""The derivatives of every layer agree with differences, in first and second order, and float32 stays float32."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

seeds = st.integers(0, 2**32 - 1)

LAYERS = {  # name: (make(rng), shape of x)
    "Dense": (lambda o: nn.Dense(3, 4, **o), (5, 3)),
    "Dense of a sequence": (lambda o: nn.Dense(3, 4, bias=False, **o), (2, 5, 3)),
    "Conv2d": (lambda o: nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), **o), (2, 5, 6, 2)),
    "ConvTranspose2d": (
        lambda o: nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1, output_padding=(1, 2), **o),
        (2, 3, 2, 2),
    ),
    "Conv1d": (lambda o: nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2, **o), (2, 7, 2)),
    "ConvTranspose1d": (lambda o: nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1, **o), (2, 4, 2)),
    "InstanceNorm": (lambda o: nn.InstanceNorm(3, affine=True, dtype=o["dtype"]), (2, 2, 3, 3)),
    "PixelShuffle": (lambda o: nn.PixelShuffle(2), (2, 2, 3, 8)),
    "Upsample nearest": (lambda o: nn.Upsample((2, 3)), (2, 3, 2, 2)),
    "Upsample bilinear": (lambda o: nn.Upsample(2, mode="bilinear"), (2, 3, 4, 2)),
    "Upsample bicubic": (lambda o: nn.Upsample(size=(5, 3), mode="bicubic"), (2, 3, 4, 2)),
    "Upsample linear": (lambda o: nn.Upsample(1.5, mode="linear"), (2, 5, 2)),
    "Upsample trilinear": (lambda o: nn.Upsample(size=3, mode="trilinear", align_corners=True), (2, 2, 4, 3, 2)),
    "MaxPool2d": (lambda o: nn.MaxPool2d(3, stride=2, padding=1), (2, 5, 6, 2)),
    "AvgPool2d": (lambda o: nn.AvgPool2d((2, 3), padding=1), (2, 5, 6, 2)),
    "AvgPool2d of real pixels": (
        lambda o: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        (2, 4, 6, 2),
    ),
    "MaxPool2d to the end": (lambda o: nn.MaxPool2d(2, ceil_mode=True), (2, 5, 3, 2)),
    "BatchNorm": (lambda o: nn.BatchNorm(3, dtype=o["dtype"]), (4, 2, 2, 3)),
    "BatchNorm, eval": (lambda o: nn.BatchNorm(3, dtype=o["dtype"]).eval(), (4, 3)),
    "GroupNorm": (lambda o: nn.GroupNorm(2, 6, dtype=o["dtype"]), (2, 2, 3, 6)),
    "LayerNorm": (lambda o: nn.LayerNorm(5, dtype=o["dtype"]), (4, 5)),
    "Dropout": (lambda o: nn.Dropout(0.4, rng=o["rng"]), (4, 5)),
    "Flatten": (lambda o: nn.Flatten(), (2, 3, 2, 2)),
    "Reshape": (lambda o: nn.Reshape((2, 6)), (2, 3, 4)),
    "ReLU": (lambda o: nn.ReLU(), (4, 5)),
    "LeakyReLU": (lambda o: nn.LeakyReLU(0.2), (4, 5)),
    "ELU": (lambda o: nn.ELU(0.7), (4, 5)),
    "Sigmoid": (lambda o: nn.Sigmoid(), (4, 5)),
    "Tanh": (lambda o: nn.Tanh(), (4, 5)),
    "SiLU": (lambda o: nn.SiLU(), (4, 5)),
    "GELU": (lambda o: nn.GELU(), (4, 5)),
    "Softplus": (lambda o: nn.Softplus(), (4, 5)),
    "Identity": (lambda o: nn.Identity(), (4, 5)),
}


def test_every_layer_has_a_case():
    public = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    recurrent = {"RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"}  # test_recurrent.py
    others = {"Module", "Sequential", "Embedding"} | recurrent
    assert public - {name.split()[0].strip(",") for name in LAYERS} == others


def off_kinks(rng, shape):
    """Numbers at least 0.05 from each other and from 0, in random order: far from every kink of relu and max."""
    n = math.prod(shape)
    return (rng.permutation(n) - n // 2 + 0.5).reshape(shape) / 10


def directional_error(f, variables, rng):
    """The largest scaled difference of ⟨g, J t⟩, by a five-point formula, and ⟨Jᵀg, t⟩, by `grad`, per variable."""
    y = f()
    g = rng.normal(size=y.shape)
    gradients = tg.grad(y, variables, g)
    errors = []
    for variable, gradient in zip(variables, gradients):
        x, t = variable.data, rng.normal(size=variable.shape)
        t /= np.linalg.norm(t)
        h = np.finfo(np.float64).eps ** 0.2
        slope = np.zeros(y.shape)
        for steps, weight in [(1, 8), (-1, -8), (2, -1), (-2, 1)]:
            variable.data = x + steps * h * t
            slope += weight * f().data / (12 * h)
        variable.data = x
        scale = np.linalg.norm(g) * np.linalg.norm(slope) + np.linalg.norm(gradient.data)
        errors.append(abs((g * slope).sum() - (gradient.data * t).sum()) / max(scale, 1e-300))
    return max(errors)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("order", [1, 2])
@given(seed=seeds)
def test_derivatives(name, order, seed):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(seed)
    layer = make(dict(rng=rng, dtype=np.float64))
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)
    variables = [tg.Parameter(off_kinks(rng, shape)), *layer.parameters()]

    def output():
        if name == "Dropout":
            layer.rng = np.random.default_rng(seed)  # the same entries each time
        return layer(variables[0])

    cotangent = rng.normal(size=output().shape)

    def slopes():
        found = tg.grad(output(), variables, cotangent, create_graph=True)
        return tg.concat(*[g.reshape(-1) for g in found]) + sum([0.0 * (v * v).sum() for v in variables])

    assert directional_error(output if order == 1 else slopes, variables, rng) <= (1e-10 if order == 1 else 1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer = make(dict(rng=rng, dtype=np.float32))
    x = tg.Parameter(off_kinks(rng, shape).astype(np.float32))
    y = layer(x)
    assert y.dtype == np.float32
    assert all(g.dtype == np.float32 for g in tg.grad(y.sum(), [x, *layer.parameters()]))
    assert all(array.dtype == np.float32 for array in layer.state_dict().values())
