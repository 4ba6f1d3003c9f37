"""Every layer and a small network against PyTorch's: the same weights by `to_torch`, outputs and gradients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch.set_num_threads(1)  # its pool costs more than it gives on arrays this small

seeds = st.integers(0, 2**32 - 1)


def to_first(x, kind=""):
    """(N, H, W, C) to PyTorch's (N, C, H, W), also series and volumes of some kinds; anything else as it is."""
    return np.moveaxis(x, -1, 1) if x.ndim == 4 or kind in SERIES else x


def to_last(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


SERIES = {"Conv1d", "ConvTranspose1d", "InstanceNorm", "Upsample"}  # layers for which (N, L, C) are series


def tensor(x, kind=""):
    return torch.from_numpy(np.ascontiguousarray(to_first(x, kind)))


def torch_layout(layer, grads):
    """The gradients of a tinygen layer by name, in PyTorch's layout: `to_torch` of a layer whose weights they are."""
    for p, g in zip(layer.parameters(), grads):
        p.data = g.data
    return layer.to_torch()


OURS_AND_THEIRS = {  # name: (tinygen's, PyTorch's, shape of x)
    "Dense": (lambda o: nn.Dense(3, 4, **o), lambda: torch.nn.Linear(3, 4), (5, 3)),
    "Dense, no bias": (lambda o: nn.Dense(3, 4, bias=False, **o), lambda: torch.nn.Linear(3, 4, bias=False), (2, 5, 3)),
    "Conv2d": (lambda o: nn.Conv2d(2, 3, 3, **o), lambda: torch.nn.Conv2d(2, 3, 3), (2, 5, 6, 2)),
    "Conv2d, strided": (
        lambda o: nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), **o),
        lambda: torch.nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        (2, 5, 6, 2),
    ),
    "ConvTranspose2d": (
        lambda o: nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1, **o),
        lambda: torch.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1),
        (2, 3, 4, 2),
    ),
    "ConvTranspose2d, uneven": (
        lambda o: nn.ConvTranspose2d(
            3, 2, (2, 3), stride=(3, 2), padding=(0, 1), output_padding=(2, 0), dilation=2, **o
        ),
        lambda: torch.nn.ConvTranspose2d(
            3, 2, (2, 3), stride=(3, 2), padding=(0, 1), output_padding=(2, 0), dilation=2
        ),
        (2, 3, 4, 3),
    ),
    "Conv1d": (
        lambda o: nn.Conv1d(2, 3, 3, stride=2, padding=2, dilation=2, **o),
        lambda: torch.nn.Conv1d(2, 3, 3, stride=2, padding=2, dilation=2),
        (2, 7, 2),
    ),
    "ConvTranspose1d": (
        lambda o: nn.ConvTranspose1d(2, 3, 4, stride=3, padding=1, output_padding=2, **o),
        lambda: torch.nn.ConvTranspose1d(2, 3, 4, stride=3, padding=1, output_padding=2),
        (2, 5, 2),
    ),
    "InstanceNorm": (lambda o: nn.InstanceNorm(3, dtype=np.float64), lambda: torch.nn.InstanceNorm2d(3), (2, 3, 4, 3)),
    "InstanceNorm, affine": (
        lambda o: nn.InstanceNorm(3, eps=0.1, affine=True, dtype=np.float64),
        lambda: torch.nn.InstanceNorm1d(3, eps=0.1, affine=True),
        (2, 5, 3),
    ),
    "PixelShuffle": (lambda o: nn.PixelShuffle(3), lambda: torch.nn.PixelShuffle(3), (2, 2, 3, 18)),
    "Upsample, bicubic": (
        lambda o: nn.Upsample(size=(5, 2), mode="bicubic"),
        lambda: torch.nn.Upsample(size=(5, 2), mode="bicubic"),
        (2, 3, 4, 2),
    ),
    "Upsample, trilinear": (
        lambda o: nn.Upsample(1.5, mode="trilinear", align_corners=True),
        lambda: torch.nn.Upsample(scale_factor=1.5, mode="trilinear", align_corners=True),
        (2, 3, 4, 2, 2),
    ),
    "Upsample, nearest": (lambda o: nn.Upsample(2), lambda: torch.nn.Upsample(scale_factor=2), (2, 3, 4, 2)),
    "Upsample, bilinear": (
        lambda o: nn.Upsample(3, mode="bilinear"),
        lambda: torch.nn.Upsample(scale_factor=3, mode="bilinear"),
        (2, 3, 4, 2),
    ),
    "Upsample, corners": (
        lambda o: nn.Upsample(2, mode="bilinear", align_corners=True),
        lambda: torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        (2, 3, 4, 2),
    ),
    "MaxPool2d": (
        lambda o: nn.MaxPool2d(3, stride=2, padding=1),
        lambda: torch.nn.MaxPool2d(3, stride=2, padding=1),
        (2, 6, 5, 2),
    ),
    "AvgPool2d of real pixels": (
        lambda o: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda: torch.nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        (2, 6, 4, 2),
    ),
    "AvgPool2d": (lambda o: nn.AvgPool2d(3, padding=1), lambda: torch.nn.AvgPool2d(3, padding=1), (2, 6, 5, 2)),
    "BatchNorm": (lambda o: nn.BatchNorm(3, dtype=np.float64), lambda: torch.nn.BatchNorm2d(3), (4, 2, 3, 3)),
    "BatchNorm of rows": (lambda o: nn.BatchNorm(3, dtype=np.float64), lambda: torch.nn.BatchNorm1d(3), (6, 3)),
    "BatchNorm, momentum": (
        lambda o: nn.BatchNorm(3, momentum=0.3, eps=0.1, dtype=np.float64),
        lambda: torch.nn.BatchNorm1d(3, momentum=0.3, eps=0.1),
        (6, 3),
    ),
    "GroupNorm": (lambda o: nn.GroupNorm(2, 6, dtype=np.float64), lambda: torch.nn.GroupNorm(2, 6), (2, 2, 3, 6)),
    "LayerNorm": (lambda o: nn.LayerNorm(5, dtype=np.float64), lambda: torch.nn.LayerNorm(5), (4, 5)),
    "ReLU": (lambda o: nn.ReLU(), lambda: torch.nn.ReLU(), (4, 5)),
    "LeakyReLU": (lambda o: nn.LeakyReLU(0.2), lambda: torch.nn.LeakyReLU(0.2), (4, 5)),
    "ELU": (lambda o: nn.ELU(0.7), lambda: torch.nn.ELU(0.7), (4, 5)),
    "Sigmoid": (lambda o: nn.Sigmoid(), lambda: torch.nn.Sigmoid(), (4, 5)),
    "Tanh": (lambda o: nn.Tanh(), lambda: torch.nn.Tanh(), (4, 5)),
    "SiLU": (lambda o: nn.SiLU(), lambda: torch.nn.SiLU(), (4, 5)),
    "GELU": (lambda o: nn.GELU(), lambda: torch.nn.GELU(), (4, 5)),
    "Softplus": (lambda o: nn.Softplus(), lambda: torch.nn.Softplus(threshold=100), (4, 5)),
    "Identity": (lambda o: nn.Identity(), lambda: torch.nn.Identity(), (4, 5)),
    "Flatten": (lambda o: nn.Flatten(), lambda: torch.nn.Flatten(), (4, 3, 2)),
    "Reshape": (lambda o: nn.Reshape((3, 4)), lambda: torch.nn.Unflatten(1, (3, 4)), (2, 12)),
    "Dropout, eval": (
        lambda o: nn.Dropout(0.5, rng=o["rng"]).eval(),
        lambda: torch.nn.Dropout(0.5).eval(),
        (4, 5),
    ),
}


@given(seed=seeds)
def test_embedding(seed):
    """The input has no gradient; rows that are looked up twice get the sum of both."""
    rng = np.random.default_rng(seed)
    ours, theirs = nn.Embedding(5, 3, rng=rng, dtype=np.float64), torch.nn.Embedding(5, 3).double()
    theirs.load_state_dict({key: torch.from_numpy(array) for key, array in ours.to_torch().items()})
    indices, g = rng.integers(5, size=(4, 2)), rng.normal(size=(4, 2, 3))
    y, z = ours(indices), theirs(torch.from_numpy(indices))
    np.testing.assert_array_equal(y.data, z.detach().numpy())
    z.backward(torch.from_numpy(g))
    np.testing.assert_allclose(tg.grad(y, ours.weight, g).data, theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_every_layer_is_compared():
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    layers -= {"Module", "Sequential", "Embedding"}  # of the last, above: its inputs are integers
    layers -= {"RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"}  # test_recurrent_parity.py
    assert {name.split()[0].strip(",") for name in OURS_AND_THEIRS} == layers


@pytest.mark.parametrize("name", OURS_AND_THEIRS)
@given(seed=seeds)
def test_layer(name, seed):
    make, make_theirs, shape = OURS_AND_THEIRS[name]
    rng = np.random.default_rng(seed)
    ours, theirs = make(dict(rng=rng, dtype=np.float64)), make_theirs().double()
    for p in ours.parameters():
        p.data = rng.normal(size=p.shape)
    theirs.load_state_dict({key: torch.from_numpy(array) for key, array in ours.to_torch().items()})
    for mode in (ours.training, False):
        ours.train(mode), theirs.train(mode)
        compare(ours, theirs, rng.normal(size=shape), rng)
    for key, array in theirs.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            np.testing.assert_allclose(ours.to_torch()[key], array.numpy(), rtol=1e-12, atol=1e-13)


def compare(ours, theirs, x, rng):
    """Outputs, and the gradients of the input and of every parameter, for one random cotangent."""
    kind = type(ours).__name__
    a, b = tg.Parameter(x), tensor(x, kind).requires_grad_()
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(to_first(y.data, kind), z.detach().numpy(), rtol=1e-11, atol=1e-12)
    g = rng.normal(size=y.shape)
    gx, *grads = tg.grad(y, [a, *ours.parameters()], g)
    hx, *expected = torch.autograd.grad(z, [b, *theirs.parameters()], tensor(g, kind))
    np.testing.assert_allclose(to_first(gx.data, kind), hx.numpy(), rtol=1e-11, atol=1e-11)
    state = ours.state_dict()
    by_name = torch_layout(ours, grads)
    ours.load_state_dict(state)
    for (key, _), h in zip(theirs.named_parameters(), expected, strict=True):
        np.testing.assert_allclose(by_name[key], h.numpy(), rtol=1e-11, atol=1e-11, err_msg=key)


class ChannelsLast(torch.nn.Module):
    """PyTorch's images flattened in the order (H, W, C), as tinygen has them."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class ChannelsFirst(torch.nn.Module):
    def forward(self, x):
        return x.unflatten(1, (3, 3, 4)).permute(0, 3, 1, 2)


@given(seed=seeds)
def test_weights_of_a_whole_network_go_both_ways(seed):
    rng = np.random.default_rng(seed)
    o = dict(rng=rng, dtype=np.float64)
    ours = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1, **o), nn.BatchNorm(4, dtype=np.float64), nn.ReLU()),
        nn.Flatten(),
        nn.Dense(36, 36, **o),
        nn.Reshape((3, 3, 4)),
        nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1, **o),
        nn.Sigmoid(),
    )
    theirs = torch.nn.Sequential(
        torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, stride=2, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()),
        ChannelsLast(),
        torch.nn.Linear(36, 36),
        ChannelsFirst(),
        torch.nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
        torch.nn.Sigmoid(),
    ).double()
    x = rng.normal(size=(2, 6, 6, 1))
    ours.from_torch(theirs.state_dict())
    np.testing.assert_allclose(to_first(ours(x).data), theirs(tensor(x)).detach().numpy(), rtol=1e-12)
    for p in ours.parameters():
        p.data = rng.normal(size=p.shape)
    theirs.load_state_dict({key: torch.from_numpy(array) for key, array in ours.to_torch().items()})
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(to_first(ours(x).data), theirs(tensor(x)).detach().numpy(), rtol=1e-11)
