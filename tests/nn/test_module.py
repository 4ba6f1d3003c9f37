"""A module finds its parts in order and each once, and refuses mistyped names and parts of the wrong kind."""

import copy

import numpy as np
import pytest
from helpers.branches import BUFFERS, PARAMETERS, Branches, batch

import tinygen as tg
from tinygen import nn

# -- what is found -----------------------------------------------------------------------------------------------------


def test_parameters_in_order_and_each_once():
    model = Branches()
    assert [name for name, _ in model.named_parameters()] == PARAMETERS
    assert all(a is b for (_, a), b in zip(model.named_parameters(), model.parameters(), strict=True))
    assert list(model.state_dict()) == PARAMETERS + BUFFERS
    assert len({id(p) for p in model.parameters()}) == len(PARAMETERS)


def test_modules_by_dotted_name():
    names = [name for name, _ in Branches().named_modules()]
    assert names == [
        *["", "blocks.0", "blocks.1", "heads.mu", "heads.log_var", "norm"],
        *["dropout", "dropout.0", "dropout.inner"],
    ]


def test_a_module_that_knows_its_parent_is_walked_once():
    class Child(nn.Module):
        def __init__(self, parent):
            self.parent, self.weight = parent, tg.Parameter(1.0)

    class Parent(nn.Module):
        def __init__(self):
            self.child = Child(self)

    assert [name for name, _ in Parent().named_parameters()] == ["child.weight"]


def test_a_parameter_of_two_modules_is_one():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Dense(3, 3, bias=False, rng=rng), nn.Dense(3, 3, bias=False, rng=rng))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == list(model.state_dict()) == ["0.weight"]
    x = batch(0)
    (g,) = tg.grad(model(x).sum(), model.parameters())
    W = model[0].weight.data
    np.testing.assert_allclose(g.data, x.T @ np.ones_like(x) @ W.T + (x @ W).T @ np.ones_like(x), rtol=1e-5)


def test_train_and_eval_reach_every_module():
    model = Branches()
    assert all(module.training for _, module in model.named_modules())
    assert model.eval() is model
    assert not any(module.training for _, module in model.named_modules())
    assert model.train().norm.training


def test_a_copy_is_independent():
    model = Branches().eval()
    copied = copy.deepcopy(model)
    assert [a is b for a, b in zip(model.parameters(), copied.parameters())] == [False] * len(PARAMETERS)
    assert copied.again is copied.blocks[0]
    mu, _ = copied(batch(0))
    assert all(g.shape == p.shape for g, p in zip(tg.grad(mu.sum(), copied.parameters()), copied.parameters()))
    copied.load_state_dict(Branches(1).state_dict())
    assert not np.array_equal(model.scale.data, copied.scale.data)


def test_sequential():
    rng = np.random.default_rng(0)
    first, second, third = nn.Dense(3, 4, rng=rng), nn.ReLU(), nn.Dense(4, 2, rng=rng)
    model = nn.Sequential(first, second, head=third)
    assert list(model) == [first, second, third] and len(model) == 3
    assert model[0] is first and model[-1] is third and model.head is third
    assert list(model[1:]) == [second, third]
    x = batch(0)
    np.testing.assert_array_equal(model(x).data, third(second(first(x))).data)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "head.weight", "head.bias"]
    assert nn.Sequential()(x) is x


# -- mistakes ----------------------------------------------------------------------------------------------------------


def test_a_mistyped_attribute_is_an_error():
    layer = nn.Dense(3, 2, rng=np.random.default_rng(0))
    with pytest.raises(
        AttributeError, match=r"that __init__ made \(in_features, out_features, .*weight, bias\), got 'wieght'"
    ):
        layer.wieght = 3
    with pytest.raises(AttributeError, match="wieght"):
        layer.wieght  # noqa: B018
    layer.in_features = 3  # what is there may be set


def test_a_parameter_is_not_replaced_by_an_array():
    model = nn.Sequential(nn.Dense(3, 2, rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=r"Dense\.weight: expected a Parameter, got a ndarray, .* load_state_dict"):
        model[0].weight = np.zeros((3, 2))
    with pytest.raises(TypeError, match="expected a Module, got a NoneType"):
        setattr(model, "0", None)
    model[0].weight = tg.Parameter(np.zeros((3, 2), np.float32))
    assert model(batch(0)).data.any() == False  # noqa: E712


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: nn.Module()(), NotImplementedError, r"no forward\(\)"),
        (lambda: nn.Sequential(tg.relu), TypeError, r"expected layer 0 to be a Module, .* nn.ReLU\(\)"),
        (lambda: nn.Sequential(forward=nn.ReLU()), ValueError, "expected a free layer name, got 'forward'"),
    ],
)
def test_errors_say_what_to_do(make, kind, words):
    with pytest.raises(kind, match=words):
        make()


def test_an_error_names_the_layer():
    model = nn.Sequential(nn.ReLU(), nn.Dense(4, 2, rng=np.random.default_rng(0)))
    with pytest.raises(
        ValueError, match=r"Dense: expected x \(\.\.\., 4\), got \(4, 3\): was the model made"
    ) as caught:
        model(batch(0))
    assert caught.value.__notes__ == ["in layer 1 of a Sequential: Dense(4, 2)"]
