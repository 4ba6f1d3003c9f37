"""Recurrent layers against PyTorch's, with its weights: outputs, last states and gradients in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")


def pair(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@given(seed=st.integers(0, 2**32 - 1), layers=st.integers(1, 3), bias=st.booleans())
def test_layers(kind, seed, layers, bias):
    rng = np.random.default_rng(seed)
    ours = getattr(nn, kind)(3, 4, num_layers=layers, bias=bias, rng=rng, dtype=np.float64)
    theirs = getattr(torch.nn, kind)(3, 4, num_layers=layers, bias=bias, batch_first=True).double()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.to_torch().items()})
    x = rng.normal(size=(2, 5, 3))
    mine, yours = tg.Parameter(x), torch.from_numpy(x).requires_grad_()
    outputs, last = ours(mine)
    right, right_last = theirs(yours)
    for found, expected in zip([outputs, *pair(last)], [right, *pair(right_last)]):
        np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=0, atol=1e-12)
    grads = tg.grad((outputs**2).sum(), [mine, *ours.parameters()])
    expected = torch.autograd.grad((right**2).sum(), [yours, *theirs.parameters()])
    for found, wanted in zip(grads, expected):
        array = found.data.T if found.ndim == 2 else found.data
        np.testing.assert_allclose(array, wanted.numpy(), rtol=0, atol=1e-12 * max(1, float(wanted.abs().max())))


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
@given(seed=st.integers(0, 2**32 - 1))
def test_cells(kind, seed):
    rng = np.random.default_rng(seed)
    ours = getattr(nn, kind)(3, 4, rng=rng, dtype=np.float64)
    theirs = getattr(torch.nn, kind)(3, 4).double()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.to_torch().items()})
    x, parts = rng.normal(size=(2, 3)), rng.normal(size=(2, 2, 4))
    state = tuple(map(tg.Tensor, parts)) if kind == "LSTMCell" else tg.Tensor(parts[0])
    there = tuple(map(torch.from_numpy, parts)) if kind == "LSTMCell" else torch.from_numpy(parts[0])
    for found, expected in zip(pair(ours(tg.Tensor(x), state)), pair(theirs(torch.from_numpy(x), there))):
        np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=0, atol=1e-12)
