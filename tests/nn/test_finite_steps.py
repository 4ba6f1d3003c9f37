"""NaN and infinity in any place: refused before the weights move, named in the error, and nothing is changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn, optim
from tinygen.nn.watching import watching

bad = st.sampled_from([np.nan, np.inf, -np.inf])


def rng(seed=0):
    return np.random.default_rng(seed)


class Model(nn.Module):
    """Layers that hide NaN and infinity (a bounded activation, a pooling, a ReLU), and layers with a state."""

    def __init__(self):
        self.conv, self.pool = nn.Conv2d(1, 2, 3, rng=rng(1), activation="relu"), nn.MaxPool2d(2)
        self.norm, self.dropout = nn.BatchNorm(2), nn.Dropout(0.3, rng=rng(2))
        self.dense = nn.Dense(8, 3, rng=rng(3))

    def loss(self, x, rng):
        h = self.dropout(self.norm(self.pool(self.conv(x))))
        return tg.sigmoid(self.dense(tg.flatten(h))).mean() + 0 * float(rng.random())


def state_of(model, opt, generator):
    generators = [g.bit_generator.state for g in (*model.generators().values(), generator)]
    arrays = {name: a.tobytes() for part in (model, opt) for name, a in part.state_dict().items()}
    return arrays, generators


@given(value=bad, place=st.sampled_from(["data", "weight", "gradient"]), seed=st.integers(0, 2**16))
def test_wherever_it_is_put_nothing_moves(value, place, seed):
    model, draws = Model(), rng(5)
    params = model.parameters()
    opt = optim.Adam(params, 0.01)
    x = rng(seed).random((4, 6, 6, 1), dtype=np.float32)
    for _ in range(2):
        opt.step(tg.grad(nn.finite(model.loss)(x, draws), params))

    def corrupted(array):
        array = np.array(array)
        array.reshape(-1)[seed % array.size] = value
        return array

    which = seed % len(params)
    if place == "data":
        x = corrupted(x)
    if place == "weight":
        params[which].data = corrupted(params[which].data)
    before = state_of(model, opt, draws)
    names = {"data": "its argument 0", "weight": model.named_parameters()[which][0]}
    with pytest.raises(FloatingPointError, match=names.get(place, f"parameter {which}, {names['weight']},")):
        loss = nn.finite(model.loss)(x, draws)
        before = state_of(model, opt, draws)
        grads = tg.grad(loss, params)
        if place == "gradient":
            grads[which] = corrupted(grads[which].data)
        opt.step(grads)
    assert state_of(model, opt, draws) == before


class Steep(nn.Module):
    """The value is finite, the slope is `slope`."""

    def __init__(self, slope):
        self.slope = slope

    def forward(self, x):
        return tg.OPS["test_only_steep"](x, slope=self.slope)


@pytest.fixture
def steep():
    @tg.op
    def test_only_steep(x, *, slope):
        return x.data + 0, lambda g: g * slope

    yield
    del tg.OPS["test_only_steep"]


@pytest.mark.parametrize("slope", [np.inf, np.nan, 1e38])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_step_names_the_parameter_the_op_and_the_layer(steep, slope, depth):
    layers = [nn.Dense(2, 2, rng=rng(i)) for i in range(depth)]
    model = nn.Sequential(*layers, Steep(slope), Steep(1e3), nn.Tanh(), nn.Dense(2, 1, rng=rng(9)))
    params, x = model.parameters(), np.ones((3, 2), np.float32)
    opt, before = optim.SGD(params, 0.1), model.state_dict()
    loss = nn.finite(lambda x: model(x).sum())(x)
    with np.errstate(all="ignore"):
        grads = tg.grad(loss, params)
    with pytest.raises(FloatingPointError) as error:
        opt.step(grads)
    where = rf"the derivative of test_only_steep in model.{depth} (Steep) made it, of gradients up to"
    assert where in str(error.value)
    assert str(error.value).startswith("SGD, step 1: the gradient of parameter 0, model.0.weight, (2, 2) is")
    assert all(np.array_equal(before[name], a) for name, a in model.state_dict().items())


def test_without_finite_the_step_says_how_to_find_the_op():
    watching.last = None
    p = tg.Parameter(np.zeros(2))
    words = r"parameter 0 \(2,\) is infinite, .* nn\.finite\(model\.loss\)"
    with pytest.raises(FloatingPointError, match=words), np.errstate(all="ignore"):
        optim.SGD([p], 0.1).step(tg.grad(tg.log(p).sum(), [p]))


def test_running_statistics_and_draws_are_what_they_were_after_a_refused_batch():
    model, draws = Model(), rng(5)
    x = rng().random((4, 6, 6, 1), dtype=np.float32)
    nn.finite(model.loss)(x, draws)
    before = state_of(model, model, draws)
    for scale in (np.nan, np.inf, 3e38):
        with pytest.raises(FloatingPointError):
            nn.finite(lambda x, draws: tg.log(model.loss(x, draws) * 0))(x * np.float32(scale), draws)
        assert state_of(model, model, draws) == before


@given(value=bad, name=st.sampled_from(["running_mean", "running_var"]), place=st.integers(0, 1))
def test_a_running_statistic_that_is_not_finite_is_refused_though_no_loss_depends_on_it(value, name, place):
    model, draws, x = Model(), rng(5), rng().random((4, 6, 6, 1), dtype=np.float32)
    array = np.ones(2, np.float32)
    array[place] = value
    setattr(model.norm, name, array)
    before = state_of(model, model, draws)
    kind = "nan" if np.isnan(value) else "infinite"
    with pytest.raises(FloatingPointError, match=rf"the running statistic norm\.{name} was {kind} before"):
        nn.finite(model.loss)(x, draws)
    assert state_of(model, model, draws) == before


def test_a_running_statistic_that_overflows_is_refused_and_a_mask_of_infinities_is_not():
    class Masked(nn.Module):
        buffers = ("mask",)

        def __init__(self):
            self.mask, self.norm = np.full(2, -np.inf, np.float32), nn.BatchNorm(2)

        def loss(self, x):
            return tg.where(np.isfinite(self.mask), 0.0, self.norm(x)).sum()

    model, x = Masked(), rng().standard_normal((8, 2), dtype=np.float32)
    before = model.state_dict()
    with pytest.raises(FloatingPointError, match=r"the running statistic norm\.running_var would be infinite"):
        nn.finite(model.loss)(x * np.float32(1e25))
    assert all(np.array_equal(before[name], a) for name, a in model.state_dict().items())
    assert np.isfinite(nn.finite(model.loss)(x).item())


@given(value=bad, which=st.integers(0, 3))
def test_a_corrupted_memory_is_named(value, which):
    grads = [np.ones(3), np.ones(2)]
    opt = optim.Adam([tg.Parameter(g) for g in grads], 0.1)
    opt.step(grads)
    state, name = opt.state_dict(), ["m.0", "m.1", "v.0", "v.1"][which]
    opt.load_state_dict(state | {name: np.full_like(state[name], value)})
    with pytest.raises(FloatingPointError, match=f"memory {name[0]} of parameter {name[-1]} "):
        opt.step(grads)
