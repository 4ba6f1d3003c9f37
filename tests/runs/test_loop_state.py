"""A checkpoint restores the whole state of a loop, or an error says what does not fit and nothing changes."""

import numpy as np
import pytest
from helpers.training_steps import FAMILIES, IMAGES, autoencoder
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen import nn, optim
from tinygen.data import Batches
from tinygen.io.checkpoint import CheckpointError
from tinygen.runs import loop as module
from tinygen.runs.loop import restore, snapshot
from tinygen.runs.run import open_run

# -- generators and lists ----------------------------------------------------------------------------------------------

GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


@settings(max_examples=12)
@given(st.sampled_from(GENERATORS), st.integers(0, 2**64), st.integers(0, 5))
def test_generators_of_every_kind_continue_where_they_were(tmp_path_factory, kind, seed, draws):
    rng = np.random.Generator(kind(seed))
    rng.random(draws), rng.integers(10, dtype=np.int32)
    loop = open_run(tmp_path_factory.mktemp("run"), {}).loop(rng=rng)
    loop.save()
    ahead = rng.random(3), rng.integers(10, size=3, dtype=np.int32)
    loop.load()
    assert (rng.random(3) == ahead[0]).all() and (rng.integers(10, size=3, dtype=np.int32) == ahead[1]).all()


@settings(max_examples=12)
@given(
    st.lists(st.floats()) | st.lists(st.integers(-(2**62), 2**62)) | st.just([np.ones((2, 1)), np.zeros((2, 1))]),
)
def test_lists_are_restored(tmp_path_factory, values):
    state = dict(values=list(values))
    loop = open_run(tmp_path_factory.mktemp("run"), {}).loop(**state)
    loop.save()
    state["values"][:] = [0.5, 0.25]
    loop.load()
    assert len(state["values"]) == len(values)
    assert all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in zip(state["values"], values))


# -- all or nothing ----------------------------------------------------------------------------------------------------


def some():
    """A state with values of each kind."""
    state, _ = autoencoder(np.random.default_rng(3))
    batches = Batches(IMAGES, 8, np.random.default_rng(4))
    return state | dict(batches=batches, rng=np.random.default_rng(6), losses=[1.0, 2.0])


def same(a, b):
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(np.array_equal(a[0][k], b[0][k]) for k in a[0])


@settings(max_examples=15)
@given(st.data())
def test_a_damaged_checkpoint_changes_nothing(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("run")
    run, state = open_run(out, {}), some()
    loop = run.loop(**state)
    loop.save()
    content = bytearray(loop.path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(len(content) - 3000, len(content) - 1))] ^= 1
    loop.path.write_bytes(content)
    run.log(1, loss=2)
    state["losses"].append(3.0)
    before, log = snapshot(state), run.path("log.jsonl").read_bytes()
    try:
        loop.load()
    except CheckpointError:
        assert same(snapshot(state), before) and run.path("log.jsonl").read_bytes() == log
    else:
        assert state["losses"] == [1.0, 2.0]  # an unused bit of the zip directory


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda state: state.pop("opt"), "unexpected  opt.m.0"),
        (lambda state: state.pop("losses"), "unexpected  losses"),
        (lambda state: state.update(more=[1.0]), "only one of checkpoint and program has more"),
        (lambda state: state.update(rng2=np.random.default_rng(0)), "only one of checkpoint and program has rng2"),
        (lambda state: state.update(opt=optim.SGD(state["model"].parameters(), 0.1)), "missing|unexpected"),
        (lambda state: state.update(batches=Batches(IMAGES, 7, np.random.default_rng(0))), "batch_size 8"),
        (lambda state: state.update(rng=np.random.Generator(np.random.MT19937(0))), "rng was a PCG64, is a MT19937"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, says):
    stored, state = snapshot(some()), some()
    change(state)
    if "model" in state:
        for p in state["model"].parameters():
            p.data = p.numpy() + 1
    before = snapshot(state)
    with pytest.raises(ValueError, match=says):
        restore(state, *stored)
    assert same(snapshot(state), before)


# -- states that no checkpoint can hold --------------------------------------------------------------------------------

ODD = {
    "a list of words": (dict(notes=["a"]), TypeError, "expected booleans, integers or floats in notes, got dtype <U1"),
    "a ragged list": (dict(pairs=[[1], [1, 2]]), ValueError, "expected entries of one shape in the list pairs"),
    "a name": ({"conv-1": [1.0]}, ValueError, "run.loop: expected names of .* got 'conv-1': write 'conv_1'"),
    "a name inside": (dict(a={"b c": [1.0]}), ValueError, "got 'a.b c': write 'a.b_c'"),
    "two of one name": ({"a.b": [1.0], "a": {"b": [2.0]}}, ValueError, r"got 'a.b' twice: rename one"),
    "the log's name": (dict(log={"jsonl": [1.0]}), ValueError, r"got 'log.jsonl' twice"),
    "too many": (dict(many={f"a{i}": [0.0] for i in range(200)}), ValueError, "at most 16,384 bytes"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_state_that_no_checkpoint_can_hold_is_refused_at_once(tmp_path, monkeypatch, what):
    monkeypatch.setattr(module.checkpoint, "_MAX_INDEX", 2**14)
    state, kind, words = ODD[what]
    with pytest.raises(kind, match=words):
        open_run(tmp_path, {}).loop(**state)


class Named(nn.Module):
    """A part whose name is allowed in a dict but not in a file."""

    def __init__(self, name):
        self.parts = {name: nn.Dense(2, 2, rng=np.random.default_rng(0))}


@pytest.mark.parametrize("name, instead", [("conv-1", "conv_1"), ("a b", "a_b"), ("ä", "_"), ("x/y", "x_y")])
def test_a_module_with_such_a_name_is_refused_at_once(tmp_path, name, instead):
    model = Named(name)
    for refuse in (lambda: open_run(tmp_path / "run", {}).loop(model=model), lambda: model.save(tmp_path / "a.npz")):
        with pytest.raises(ValueError, match=rf"parts\.{name}\.weight': write '(model\.)?parts\.{instead}\.weight'"):
            refuse()
    assert not (tmp_path / "a.npz").exists()


def test_other_states_are_refused_at_once(tmp_path):
    run = open_run(tmp_path, {})
    with pytest.raises(TypeError, match=r"expected history.best to have a state_dict, or to be .*; got float"):
        run.loop(history=dict(best=1.0))
    batches = Batches(IMAGES, 8, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"expected Batches in the state of the loop: run.loop\(..., batches="):
        run.loop().steps(batches)
    with pytest.raises(TypeError, match=r"expected Batches, or a sequence such as range\(1000\); got generator"):
        run.loop(batches=batches).steps(batches.forever())
    model = nn.Dense(2, 2, rng=np.random.default_rng(0))
    loop = run.loop(model=model)
    model.save(loop.path)
    with pytest.raises(CheckpointError, match="expected the checkpoint of a loop, got another file of arrays"):
        loop.load()
    other = open_run(tmp_path / "b", {"lr": 1}).loop(model=model)
    other.save()
    loop.path.write_bytes(other.path.read_bytes())
    with pytest.raises(CheckpointError, match="belongs to another run"):
        loop.load()


# -- weights that are not finite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_checkpoint_holds_weights_that_are_not_finite(tmp_path, family, bad):
    """Each array in the state: parameters, running statistics, optimizer states, averages."""
    state, _ = family(np.random.default_rng(0))
    loop = open_run(tmp_path, {}).loop(**state, losses=[np.nan, np.inf])  # losses may be infinite
    loop.save()
    good = loop.path.read_bytes()
    for name, value in state.items():
        good_state = value.state_dict()
        for key, array in good_state.items():
            if array.dtype.kind != "f" or key == "lr":
                continue
            worse = array.copy()
            worse.reshape(-1)[-1] = bad
            value.load_state_dict(good_state | {key: worse})
            with pytest.raises(FloatingPointError, match=f"got NaN or infinity in {name}.{key}.* last good file stays"):
                loop.save()
            if isinstance(value, nn.Module):
                with pytest.raises(FloatingPointError, match=f"NaN or infinity in {key}"):
                    value.save(tmp_path / "model.npz")
        value.load_state_dict(good_state)
    assert loop.path.read_bytes() == good and not (tmp_path / "model.npz").exists()
    loop.save()
