"""Names of parts: each has its own, a shared Parameter has several, and states of PyTorch with all of them load."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn

torch = pytest.importorskip("torch")


def rng(seed=0):
    return np.random.default_rng(seed)


class Holder(nn.Module):
    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


def P(value):
    return tg.Parameter([float(value)])


COLLISIONS = {
    "a dot in a key": (lambda part: Holder(parts={"a.b": part(1), "a": {"b": part(2)}}), "['a.b']", "['a']['b']"),
    "1 and '1'": (lambda part: Holder(parts={1: part(1), "1": part(2)}), "[1]", "['1']"),
    "a list and a key": (lambda part: Holder(parts=[{"x": part(1)}], **{"parts.0.x": part(2)}), "[0]['x']", ".0.x"),
    "across modules": (
        lambda part: nn.Sequential(**{"a.b": Holder(w=part(1)), "a": Holder(b=Holder(w=part(2)))}),
        "a.b",
        "a",
    ),
}


@pytest.mark.parametrize("make, one, other", COLLISIONS.values(), ids=COLLISIONS)
@pytest.mark.parametrize("part", [P, lambda seed: nn.Dropout(0.5, rng=rng(seed)), lambda _: nn.ReLU()])
def test_two_parts_of_one_name_are_refused_and_both_are_named(make, one, other, part):
    model = make(part)
    calls = [model.named_modules, model.train, model.generators, model.state_dict, model.parameters]
    if part is P:
        calls = [model.parameters, model.named_parameters, model.state_dict, model.entries, model.to_torch]
        calls += [lambda: model.load_state_dict({})]
    for call in calls:
        with pytest.raises(ValueError, match="expected each part to have a name of its own, got two called") as error:
            call()
        assert one in str(error.value) and other in str(error.value) and str(error.value).count("model.") >= 2


# -- tied weights ------------------------------------------------------------------------------------------------------


def tied():
    """A Parameter of two layers, a module used twice, and a batch norm used twice."""
    model = nn.Sequential(
        first=nn.Dense(4, 3, rng=rng(1)),
        norm=nn.BatchNorm(3),
        second=nn.Dense(3, 4, rng=rng(2)),
        third=nn.Dense(4, 3, rng=rng(3)),
    )
    model.third.weight = model.first.weight
    return nn.Sequential(model, inner=Holder(again=model.norm))


def tied_torch():
    layers = torch.nn.Sequential()
    for name, layer in [
        ("first", torch.nn.Linear(4, 3)),
        ("norm", torch.nn.BatchNorm1d(3)),
        ("second", torch.nn.Linear(3, 4)),
        ("third", torch.nn.Linear(4, 3)),
    ]:
        layers.add_module(name, layer)
    layers.third.weight = layers.first.weight
    inner, outer = torch.nn.Module(), torch.nn.Sequential()
    inner.add_module("again", layers.norm)
    outer.add_module("0", layers)
    outer.add_module("inner", inner)
    return outer


def test_tied_weights_go_to_pytorch_and_back():
    ours, theirs = tied(), tied_torch()
    state = ours.to_torch()
    tracked = {name for name in theirs.state_dict() if name.endswith("num_batches_tracked")}
    assert state.keys() == theirs.state_dict().keys() - tracked
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
    x = rng().normal(size=(5, 4)).astype(np.float32)
    expected = theirs[0].eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours.eval()[0](x).data, expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        for p in theirs.parameters():
            p.mul_(1.5)
    ours.from_torch(theirs.state_dict())
    expected = theirs[0](torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours[0](x).data, expected, rtol=1e-5, atol=1e-6)
    assert ours[0].third.weight is ours[0].first.weight


def test_a_state_may_have_either_name_or_both():
    model, state = tied(), tied().state_dict()
    assert "0.third.weight" not in state  # each array once in our own files
    state["0.first.weight"] += 1
    for names in (["0.third.weight"], ["0.first.weight", "0.third.weight"]):
        given = {k: v for k, v in state.items() if k != "0.first.weight"} | dict.fromkeys(
            names, state["0.first.weight"]
        )
        model.load_state_dict(tied().state_dict())
        model.load_state_dict(given)
        np.testing.assert_array_equal(model[0].first.weight.data, state["0.first.weight"])


def test_two_values_for_one_parameter_are_refused_and_change_nothing():
    model = tied()
    before, state = model.state_dict(), model.to_torch()
    state["0.third.weight"] = state["0.third.weight"] + 1
    with pytest.raises(ValueError, match=r"expected 0\.first.weight and 0\.third\.weight to be equal"):
        model.from_torch(state)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


def test_a_module_that_knows_its_parent_has_names_too():
    child = Holder(parent=None, weight=P(1))
    child.parent = parent = Holder(child=child)
    assert list(parent.to_torch()) == ["child.weight"]
