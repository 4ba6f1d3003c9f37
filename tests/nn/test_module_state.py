"""The state of a module is copied out and in, saved and loaded, and changed to the layouts of PyTorch and back."""

import copy

import numpy as np
import pytest
from helpers.branches import Branches, batch
from hypothesis import given
from hypothesis import strategies as st

from tinygen import nn

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, dtype=st.sampled_from([np.float32, np.float64]))
def test_state_goes_round(seed, dtype):
    model, other = Branches(seed, dtype), Branches(seed + 1, dtype)
    model(batch(seed, dtype=dtype))  # moves the running statistics
    other.load_state_dict(model.state_dict())
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values()):
        assert a.dtype == b.dtype == dtype
        np.testing.assert_array_equal(a, b, err_msg=name)
    for a, b in zip(model.eval()(batch(0, dtype=dtype)), other.eval()(batch(0, dtype=dtype))):
        np.testing.assert_array_equal(a.data, b.data)


def test_state_is_a_copy_both_ways():
    model = Branches()
    state = model.state_dict()
    before = copy.deepcopy(state)
    for array in state.values():
        array += 1
    model.load_state_dict(state)
    for array in state.values():
        array += 1
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name] + 1)
    assert not any(p.data.flags.writeable for p in model.parameters())


def test_a_state_that_does_not_fit_lists_everything_and_changes_nothing():
    model = Branches()
    before, state = model.state_dict(), Branches(1).state_dict()
    del state["scale"], state["norm.running_var"]
    state["blocks.0.weight"] = state["blocks.0.weight"][:2]
    state["heads.mu.bias"] = state["heads.mu.bias"].astype(np.float64)
    state["head.mu.bias"] = np.zeros(7)
    with pytest.raises(ValueError, match="nothing was changed") as caught:
        model.load_state_dict(state)
    lines = [line.split(maxsplit=1) for line in str(caught.value).splitlines()[1:]]
    assert lines == [
        ["missing", "scale (3,) float32"],
        ["missing", "norm.running_var (3,) float32"],
        ["unexpected", "head.mu.bias (7,)"],
        ["different", "blocks.0.weight: expected (3, 3) float32, got (2, 3) float32"],
        ["different", "heads.mu.bias: expected (2,) float32, got (2,) float64"],
    ]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_partial_state_may_be_loaded_on_request():
    model, other = Branches(), Branches(1)
    model.load_state_dict({"scale": other.scale.data, "elsewhere": np.zeros(2)}, strict=False)
    np.testing.assert_array_equal(model.scale.data, other.scale.data)
    np.testing.assert_array_equal(model.blocks[0].weight.data, Branches().blocks[0].weight.data)
    with pytest.raises(ValueError, match="different"):
        model.load_state_dict({"scale": np.zeros(4, np.float32)}, strict=False)


def test_save_and_load(tmp_path):
    model, other = Branches(), Branches(1)
    model.save(tmp_path / "model.npz")
    other.load(tmp_path / "model.npz")
    for a, b in zip(model.state_dict().values(), other.state_dict().values()):
        np.testing.assert_array_equal(a, b)


def test_torch_layouts():
    """Each axis is moved to its place in PyTorch, and back."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, (3, 4), rng=rng),
        nn.ConvTranspose2d(2, 5, (6, 7), rng=rng),
        nn.Dense(5, 8, rng=rng),
        nn.BatchNorm(8),
    )
    state = model.to_torch()
    assert {name: array.shape for name, array in state.items()} == {
        **{"0.weight": (2, 1, 3, 4), "0.bias": (2,), "1.weight": (2, 5, 6, 7), "1.bias": (5,)},
        **{"2.weight": (8, 5), "2.bias": (8,), "3.weight": (8,), "3.bias": (8,)},
        **{"3.running_mean": (8,), "3.running_var": (8,)},
    }
    assert all(array.flags.c_contiguous and array.flags.writeable for array in state.values())
    assert state["0.weight"][1, 0, 2, 3] == model[0].weight.data[2, 3, 0, 1]
    assert state["1.weight"][1, 4, 5, 6] == model[1].weight.data[5, 6, 4, 1]
    before = model.state_dict()
    model.load_state_dict({name: np.zeros_like(array) for name, array in before.items()})
    model.from_torch(state | {"3.num_batches_tracked": np.array(7)})
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match=r"0.weight: expected \(3, 4, 1, 2\)"):
        model.from_torch(state | {"0.weight": np.zeros((2, 1, 3, 3), np.float32)})
