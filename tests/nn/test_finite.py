"""A non-finite loss: the error names the op and the layer that caused it, and nothing was changed."""

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import VAE
from tinygen.runs.run import open_run


def rng(seed=0):
    return np.random.default_rng(seed)


class Planted(nn.Module):
    """A layer that returns its input, plus the output of one op that overflows or is undefined."""

    WAYS: ClassVar = {  # the op to be named, and a call of it that is not finite
        "exp": lambda x: tg.exp(x * 0 + 1000),
        "log": lambda x: tg.log(x * 0 - 1),
        "div": lambda x: x / (x * 0),
        "sqrt": lambda x: tg.sqrt(x * 0 - 4),
        "mul": lambda x: (x * 0 + 1e30) * (x * 0 + 1e30),
    }

    def __init__(self, way=None):
        self.way = way

    def forward(self, x):
        masked = tg.where(np.zeros(x.shape, bool), tg.log(x * 0), x)  # an infinity that does not reach the result
        return masked if self.way is None else masked + self.WAYS[self.way](x)


def network(depth, width, place, way):
    """Dense layers, each followed by a Planted one; the one at `place` is broken."""
    layers = []
    for i in range(depth):
        layers += [nn.Dense(width, width, rng=rng(i)), Planted(way if i == place else None)]
    return nn.Sequential(encoder=nn.Sequential(*layers[:depth]), decoder=nn.Sequential(*layers[depth:]))


class Model(nn.Module):
    def __init__(self, net):
        self.net = net

    def loss(self, x, rng):
        return (self.net(x + rng.standard_normal(x.shape, dtype=np.float32)) ** 2).sum()


@given(st.data())
def test_the_op_and_the_layer_are_named_wherever_they_are(data):
    depth, way = data.draw(st.integers(1, 5)), data.draw(st.sampled_from(sorted(Planted.WAYS)))
    place = data.draw(st.integers(0, depth - 1))
    model, x = Model(network(depth, 3, place, way)), rng().normal(size=(2, 3)).astype(np.float32)
    before, draws = model.state_dict(), rng(7)
    with pytest.raises(FloatingPointError) as error:
        nn.finite(model.loss)(x, draws)
    index = 2 * place + 1
    where = f"encoder.{index}" if index < depth else f"decoder.{index - depth}"
    assert f"{way} in net.{where} (Planted) made the first" in str(error.value)
    assert str(error.value).startswith("loss(): expected a finite result, got ")
    assert all((model.state_dict()[name] == array).all() for name, array in before.items())


@given(st.integers(0, 7), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_parameter_that_was_no_number_before_is_named(index, value):
    model = Model(network(4, 3, 0, None))
    name, parameter = model.named_parameters()[index]
    parameter.data = np.full(parameter.shape, value, np.float32)
    with pytest.raises(
        FloatingPointError, match=rf"the parameter {name} was {'nan' if value != value else 'infinite'}"
    ):
        nn.finite(model.loss)(np.ones((2, 3), np.float32), rng())


def test_data_that_are_no_numbers_are_named():
    x = np.array([[1, np.nan, 2]], np.float32)
    with pytest.raises(FloatingPointError, match=r"its argument 0 \(1, 3\) was nan somewhere before; look at the data"):
        nn.finite(Model(network(1, 3, 0, None)).loss)(x, rng())
    output = tg.Parameter(np.ones(3)) * np.array([1.0, np.nan, 1.0])
    with pytest.raises(FloatingPointError, match=r"its argument 0 \(3,\) was nan .* guard the function that made it"):
        nn.finite(tg.sum)(output)


def test_what_is_finite_passes_through_and_draws_as_often():
    model, x = VAE.dense((5,), (4,), 2, rng=rng()), np.ones((3, 5), np.float32)
    draws = [rng(3), rng(3)]
    for _ in range(3):
        terms, plain = nn.finite(model.terms)(x, draws[0]), model.terms(x, draws[1])
        assert [t.item() for t in terms] == [t.item() for t in plain]
    assert nn.finite(model.loss)(x, draws[0], beta=2.0).item() == model.loss(x, draws[1], beta=2.0).item()
    assert draws[0].bit_generator.state == draws[1].bit_generator.state


@given(st.integers(0, 1000))
def test_the_same_draws_are_looked_at_again(seed):
    """A loss that overflows for some draws only: the second computation repeats the draw that did."""

    class Lucky(nn.Module):
        def loss(self, x, rng):
            return tg.log(x * (1.0 if rng.random() < 0.5 else 0.0)).sum()

    draws = rng(seed)
    if rng(seed).random() < 0.5:
        assert np.isfinite(nn.finite(Lucky().loss)(tg.Tensor([1.0]), draws).item())
    else:
        with pytest.raises(FloatingPointError, match="log outside of all layers made the first, of inputs up to 0"):
            nn.finite(Lucky().loss)(tg.Tensor([1.0]), draws)


def test_the_loss_may_be_any_function_and_its_model_an_argument():
    net, x = nn.Sequential(nn.Dense(2, 2, rng=rng()), Planted("log")), np.ones((1, 2), np.float32)
    with pytest.raises(
        FloatingPointError,
        match=r"the loss: expected a finite result, got nan in call 1, .* log in 1 \(Planted\) made the first",
    ):
        nn.finite(lambda net, x: net(x).sum())(net, x)
    with pytest.raises(FloatingPointError, match=r"log in critic.1 \(Planted\) made the first"):
        nn.finite(lambda x, *, critic: critic(x).sum())(x, critic=net)
    with pytest.raises(FloatingPointError, match=r"log in net.1 \(Planted\) made the first"):
        nn.finite(lambda x: net(x).sum())(x)
    with pytest.raises(FloatingPointError, match="log in a Planted made the first"):
        nn.finite([lambda x, net=net: net(x).sum()][0])(x)


@pytest.mark.parametrize(
    "after, words", [("3 steps", "nan after 3 steps, and"), ("", "nan in call 1, and the weights")]
)
def test_the_error_reports_the_progress_of_the_run(after, words):
    with pytest.raises(FloatingPointError, match=f"the loss: expected a finite result, got {words}"):
        nn.finite(lambda x: tg.log(x).sum(), after=after)(tg.Tensor([-1.0]))


def test_a_loop_is_such_a_text(tmp_path):
    loop = open_run(tmp_path, {}).loop()
    log = nn.finite(lambda x: tg.log(x).sum(), after=loop)
    with pytest.raises(
        FloatingPointError, match="expected a finite result, got infinite after 1 epoch and 2 steps, and"
    ):
        for epoch in loop.epochs(3):
            for step in loop.steps(range(3)):
                log(tg.Tensor([0.0 if (epoch, step) == (2, 2) else 1.0]))


def test_what_changes_from_call_to_call_is_not_blamed_on_an_op():
    outputs = iter([np.inf, 1.0])
    with pytest.raises(FloatingPointError, match="computed again it is finite"):
        nn.finite(lambda: tg.Tensor(next(outputs)))()


def test_a_run_stops_within_the_step_and_the_weights_have_not_moved():
    """A learning rate that makes the run diverge: the step that notices changes nothing."""
    model, x = VAE.dense((6,), (5,), 2, rng=rng()), (rng().random((8, 6)) < 0.5).astype(np.float32)
    params = model.parameters()
    opt, steps = optim.SGD(params, lr=100.0), 0
    with pytest.raises(FloatingPointError) as error:
        for _ in range(100):
            before = model.state_dict()
            loss = nn.finite(model.loss)(x, rng(steps))
            opt.step(tg.grad(loss, params))
            steps += 1
    assert 0 < steps < 100 and opt.steps == steps
    assert all(np.array_equal(model.state_dict()[name], array, equal_nan=True) for name, array in before.items())
    assert "outside of all layers made the first" in str(error.value) or "the parameter" in str(error.value)
