"""The tree of modules: its parts and their order, its state, its text, its errors."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F
from tinygen import nn

seeds = st.integers(0, 2**32 - 1)


class Branches(nn.Module):
    """Everything that a tree may contain: a list, a dict, a tuple, bare Parameters, a nested buffer, a module twice."""

    def __init__(self, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.scale = tg.Parameter(rng.normal(size=3).astype(dtype))
        self.blocks = [nn.Dense(3, 3, rng=rng, dtype=dtype), nn.Dense(3, 3, rng=rng, bias=False, dtype=dtype)]
        self.heads = {"mu": nn.Dense(3, 2, rng=rng, dtype=dtype), "log_var": nn.Dense(3, 2, rng=rng, dtype=dtype)}
        self.norm = nn.BatchNorm(3, dtype=dtype)
        self.shifts = (tg.Parameter(np.zeros(3, dtype)), tg.Parameter(np.ones(3, dtype)))
        self.again = self.blocks[0]
        self.dropout = nn.Sequential(nn.ReLU(), inner=nn.Dropout(0.5, rng=rng))

    def forward(self, x):
        for block in [*self.blocks, self.again]:
            x = block(x * self.scale + self.shifts[0] * self.shifts[1])
        x = self.dropout(self.norm(x))
        return self.heads["mu"](x), self.heads["log_var"](x)


PARAMETERS = [
    "scale",
    "shifts.0",
    "shifts.1",
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.1.weight",
    "heads.mu.weight",
    "heads.mu.bias",
    "heads.log_var.weight",
    "heads.log_var.bias",
    "norm.weight",
    "norm.bias",
]
BUFFERS = ["norm.running_mean", "norm.running_var"]


def batch(seed, n=4, d=3, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


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


# -- state -------------------------------------------------------------------------------------------------------------


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


# -- text --------------------------------------------------------------------------------------------------------------


def test_repr_is_a_tree():
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=(1, 0), rng=rng),
        up=nn.Sequential(nn.ConvTranspose2d(2, 1, 3, stride=2, output_padding=1, bias=False, rng=rng), nn.Sigmoid()),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  0: Conv2d(1, 2, 3, stride=2, padding=(1, 0))\n"
        "  up: Sequential(\n"
        "    0: ConvTranspose2d(2, 1, 3, stride=2, output_padding=1, bias=False)\n"
        "    1: Sigmoid()\n"
        "  )\n"
        ")"
    )


def lecture_autoencoder():
    rng = np.random.default_rng(0)
    double = dict(stride=2, padding=1, output_padding=1, rng=rng)
    return nn.Sequential(
        encoder=nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1, rng=rng),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, rng=rng),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dense(3136, 16, rng=rng),
            nn.ReLU(),
        ),
        latent=nn.Dense(16, 10, rng=rng),
        decoder=nn.Sequential(
            nn.Dense(10, 3136, rng=rng),
            nn.ReLU(),
            nn.Reshape((7, 7, 64)),
            nn.ConvTranspose2d(64, 64, 3, **double),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 3, **double),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 3, padding=1, rng=rng),
            nn.Sigmoid(),
        ),
    )


def test_summary_prints_the_table_of_the_lecture():
    model = lecture_autoencoder()
    model.decoder.train(False)
    assert model.summary((28, 28, 1)) == (
        "Layer                        Output           Parameters\n"
        "---------------------------  ---------------  ----------\n"
        "Input                        (B, 28, 28, 1)\n"
        "encoder\n"
        "  Conv2d + ReLU              (B, 14, 14, 32)         320\n"
        "  Conv2d + ReLU              (B, 7, 7, 64)        18,496\n"
        "  Flatten                    (B, 3136)                 0\n"
        "  Dense + ReLU               (B, 16)              50,192\n"
        "latent: Dense                (B, 10)                 170\n"
        "decoder\n"
        "  Dense + ReLU               (B, 3136)            34,496\n"
        "  Reshape                    (B, 7, 7, 64)             0\n"
        "  ConvTranspose2d + ReLU     (B, 14, 14, 64)      36,928\n"
        "  ConvTranspose2d + ReLU     (B, 28, 28, 32)      18,464\n"
        "  ConvTranspose2d + Sigmoid  (B, 28, 28, 1)          289\n"
        "Total                                            159,355"
    )
    assert model.training and model.encoder[0].training and not model.decoder[0].training  # modes are put back


def test_summary_counts_shared_own_and_idle_parameters_once():
    class Odd(Branches):
        def __init__(self):
            super().__init__()
            self.idle = nn.Dense(100, 1, rng=np.random.default_rng(0))

    rows = [line.split() for line in Odd().summary((3,)).splitlines()]
    assert ["Dense", "(B,", "3)", "12"] in rows and ["Dense", "(B,", "3)", "shared"] in rows  # blocks.0, and again
    assert ["Odd", "(B,", "2),", "(B,", "2)", "9"] in rows  # scale and shifts, and two outputs
    assert ["idle", "(not", "used)", "101"] in rows
    assert rows[-1] == ["Total", str(sum(p.size for p in Odd().parameters()))]


def test_gradient_norms():
    model = nn.Sequential(nn.Dense(3, 2, rng=np.random.default_rng(0)), nn.Tanh())
    grads = tg.grad(F.mse(model(batch(0)), batch(1, d=2)), model.parameters())
    rows = [line.split() for line in model.gradient_norms(grads).splitlines()[2:]]
    weight, slope = (np.linalg.norm(a.data) for a in (model[0].weight, grads[0]))
    assert rows[0] == ["0.weight", "(3,", "2)", f"{weight:.3g}", f"{slope:.3g}", f"{slope / weight:.3g}"]
    assert rows[1] == ["0.bias", "(2,)", "0", f"{np.linalg.norm(grads[1].data):.3g}", "-"]
    with pytest.raises(ValueError, match="gradients of all 2 parameters"):
        model.gradient_norms(grads[:1])


def test_watch_sees_calls_from_inside_out():
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    x = tg.Tensor(batch(0))
    with nn.watch() as calls:
        y = model(x)
    assert [call.module for call in calls] == [model[0], model[1][0], model[1], model]
    assert calls[0].inputs == (x,) and calls[-1].output is y
    model(x)
    assert len(calls) == 4


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
