"""The update rules against the algorithm of each paper, their state, and the gradients that they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels, optim
from tinygen.io import checkpoint

seeds = st.integers(0, 2**32 - 1)
rates = st.floats(1e-4, 0.5)
shares = st.floats(0.01, 0.999)  # a beta, a momentum
decays = st.sampled_from([0.0, 0.01, 0.3])
dtypes = st.sampled_from([np.float32, np.float64])
SHAPES = [(3, 2), (4,), (), (0, 2)]


def parameters(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [tg.Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]


def gradients(seed, step, dtype=np.float64):
    rng = np.random.default_rng((seed, step))
    return [tg.Tensor(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]


# -- each rule, one number at a time -----------------------------------------------------------------------------------


def sgd(θ, gs, lr, momentum, nesterov, weight_decay):
    v = 0.0
    for g in gs:
        g = g + weight_decay * θ
        v = momentum * v + g
        θ = θ - lr * ((g + momentum * v) if nesterov else v)
    return θ


def adam(θ, gs, lr, betas, eps, weight_decay, decoupled):
    m = v = 0.0
    for t, g in enumerate(gs, start=1):
        if decoupled:
            θ = θ - lr * weight_decay * θ
        else:
            g = g + weight_decay * θ
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        θ = θ - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
    return θ


def rmsprop(θ, gs, lr, alpha, eps, weight_decay):
    v = 0.0
    for g in gs:
        g = g + weight_decay * θ
        v = alpha * v + (1 - alpha) * g**2
        θ = θ - lr * g / (math.sqrt(v) + eps)
    return θ


def assert_follows(make, rule, seed, steps=20):
    params = parameters(seed)
    before = [p.data for p in params]
    opt = make(params)
    for step in range(steps):
        opt.step(gradients(seed, step))
    for i, p in enumerate(params):
        history = [gradients(seed, step)[i].data.ravel() for step in range(steps)]
        expected = [rule(θ, [g[j] for g in history]) for j, θ in enumerate(before[i].ravel())]
        np.testing.assert_allclose(p.data.ravel(), expected, rtol=1e-12, atol=1e-12)


@given(seed=seeds, lr=rates, momentum=st.just(0.0) | shares, nesterov=st.booleans(), decay=decays)
def test_sgd(seed, lr, momentum, nesterov, decay):
    options = dict(momentum=momentum, nesterov=nesterov and momentum > 0, weight_decay=decay)
    assert_follows(lambda p: optim.SGD(p, lr, **options), lambda θ, gs: sgd(θ, gs, lr, **options), seed)


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
@given(seed=seeds, lr=rates, betas=st.tuples(shares, shares), eps=st.sampled_from([1e-8, 1e-3]), decay=decays)
def test_adam(kind, seed, lr, betas, eps, decay):
    options = dict(betas=betas, eps=eps, weight_decay=decay)
    decoupled = kind is optim.AdamW
    assert_follows(
        lambda p: kind(p, lr, **options), lambda θ, gs: adam(θ, gs, lr, **options, decoupled=decoupled), seed
    )


@given(seed=seeds, lr=rates, alpha=shares, eps=st.sampled_from([1e-8, 1e-3]), decay=decays)
def test_rmsprop(seed, lr, alpha, eps, decay):
    options = dict(alpha=alpha, eps=eps, weight_decay=decay)
    assert_follows(lambda p: optim.RMSprop(p, lr, **options), lambda θ, gs: rmsprop(θ, gs, lr, **options), seed)


# -- all optimizers ----------------------------------------------------------------------------------------------------

MAKERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "SGD with momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.1, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, 0.1),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1),
}
every_rule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_rule
@given(seed=seeds, dtype=dtypes)
def test_arrays_are_replaced_and_never_written_to(make, seed, dtype):
    """A graph may use the parameters' arrays, and a caller the gradients: neither changes."""
    params, grads = parameters(seed, dtype), gradients(seed, 0, dtype)
    old, given_ = [p.data for p in params], [g.data for g in grads]
    copies = [array.copy() for array in old + given_]
    opt = make(params)
    opt.step(grads)
    opt.step(given_)  # plain arrays do as well
    for array, copy in zip(old + given_, copies):
        np.testing.assert_array_equal(array, copy)
    for p, before in zip(params, old):
        assert type(p.data) is np.ndarray and p.data.shape == before.shape and p.dtype == dtype
        assert not p.data.flags.writeable and not np.shares_memory(p.data, before)
        assert p.size == 0 or not np.array_equal(p.data, before)


@pytest.mark.parametrize("shape", [(3, 2), (60, 20), (600, 500)], ids=["small", "middle", "large"])
def test_a_parameter_takes_the_new_array_as_it_is(shape, monkeypatch):
    """The kernel has just made it, and nothing else holds it: a copy would take a third of the step's time."""
    outputs, adam = [], kernels.adam
    monkeypatch.setattr(kernels, "adam", lambda *args: outputs.append(adam(*args)) or outputs[0])
    p = tg.Parameter(np.ones(shape, np.float32))
    optim.Adam([p]).step([tg.Tensor(np.ones(shape, np.float32))])
    assert p.data is outputs[0][0][0] and not p.data.flags.writeable


@every_rule
def test_a_step_does_not_change_a_gradient_of_the_past(make):
    p = tg.Parameter(np.array([1.0, 2.0]))
    y = (p * p).sum()
    make([p]).step([np.ones(2)])
    np.testing.assert_array_equal(tg.grad(y, p).data, [2.0, 4.0])


@every_rule
@given(seed=seeds)
def test_backward_and_grad_give_the_same_step(make, seed):
    """`.grad` of a Parameter that the loss doesn't reach is None, and counts as the zeros that `grad` gives."""
    x = np.random.default_rng(seed).normal(size=(3, 2))
    one, two = parameters(seed), parameters(seed)
    first, second = make(one), make(two)
    for _ in range(3):
        first.step(tg.grad((one[0] * x).sum() ** 2, one))
        second.zero_grad()
        ((two[0] * x).sum() ** 2).backward()
        second.step()
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a.data, b.data)


@every_rule
@given(seed=seeds, at=st.integers(0, 6), dtype=dtypes)
def test_resume_is_exact(make, seed, at, dtype):
    """A run that is stopped after any step and resumed from saved state gives the same bits as one without a stop."""
    straight, stopped = parameters(seed, dtype), parameters(seed, dtype)
    opt = make(straight)
    for step in range(6):
        opt.lr = 0.1 / (step + 1)
        opt.step(gradients(seed, step, dtype))
    first = make(stopped)
    for step in range(at):
        first.lr = 0.1 / (step + 1)
        first.step(gradients(seed, step, dtype))
    state, values = first.state_dict(), [p.data for p in stopped]
    first.step(gradients(seed, 99, dtype))  # the state does not change with the old object
    resumed = [tg.Parameter(value) for value in values]
    second = make(resumed)
    second.load_state_dict(state)
    assert second.lr == (0.1 / at if at else 0.1)
    for step in range(at, 6):
        second.lr = 0.1 / (step + 1)
        second.step(gradients(seed, step, dtype))
    for a, b in zip(straight, resumed):
        np.testing.assert_array_equal(a.data, b.data)
    for name, array in opt.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array)


def test_state_fits_into_a_checkpoint(tmp_path):
    opt = optim.Adam(parameters(0), 0.3)
    opt.step(gradients(0, 0))
    checkpoint.save(tmp_path / "opt.npz", opt.state_dict())
    other = optim.Adam(parameters(1), 0.1)
    other.load_state_dict(checkpoint.load(tmp_path / "opt.npz")[0])
    assert (other.steps, other.lr) == (1, 0.3)
    np.testing.assert_array_equal(other.state_dict()["v.0"], opt.state_dict()["v.0"])


def test_a_state_of_other_parameters_is_refused():
    opt = optim.Adam(parameters(0))
    state = opt.state_dict()
    state["m.0"] = state["m.0"][:1]
    del state["v.1"]
    with pytest.raises(ValueError, match=r"missing     v.1 \(4,\) float64\n  different   m.0: expected \(3, 2\)"):
        opt.load_state_dict(state)
    assert opt.steps == 0


def test_a_rate_of_numpy_does_not_promote():
    p = tg.Parameter(np.ones(3, np.float32))
    opt = optim.SGD([p], np.float64(0.1))
    opt.lr = np.float64(0.2)
    opt.step([np.ones(3, np.float32)])
    assert p.dtype == np.float32 and type(opt.lr) is float


# -- errors ------------------------------------------------------------------------------------------------------------

p, q = tg.Parameter(np.ones(3)), tg.Parameter(np.ones(2))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: optim.SGD([p]), TypeError, "lr"),
        (lambda: optim.SGD([p], -0.1), ValueError, "SGD: expected lr to be a number of at least 0, got -0.1"),
        (lambda: optim.SGD([p], math.nan), ValueError, "expected lr to be a number of at least 0, got nan"),
        (
            lambda: optim.SGD([p], 0.1, momentum=1.0),
            ValueError,
            "expected momentum to be .* and below 1, got 1.0",
        ),
        (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "nesterov needs a momentum"),
        (
            lambda: optim.Adam([p], betas=(0.9, 1.0)),
            ValueError,
            r"expected betas\[1\] to be .* below 1, got 1.0",
        ),
        (lambda: optim.Adam([p], betas=(-0.1, 0.9)), ValueError, r"betas\[0\]"),
        (lambda: optim.Adam([p], eps=-1), ValueError, "expected eps to be a number of at least 0"),
        (lambda: optim.AdamW([p], weight_decay=-1), ValueError, "AdamW: expected weight_decay to be"),
        (lambda: optim.RMSprop([p], alpha=2), ValueError, "expected alpha to be"),
        (lambda: optim.Adam([p], 1e-3, (0.9, 0.99)), TypeError, "settings go by name"),
        (lambda: optim.Adam(p), TypeError, "put it in brackets"),
        (lambda: optim.Adam([]), ValueError, "got none: write model.parameters"),
        (lambda: optim.Adam([p, np.ones(3)]), TypeError, r"got a ndarray as params\[1\]"),
        (
            lambda: optim.Adam([tg.Tensor(np.ones(3), requires_grad=True)]),
            TypeError,
            r"got a Tensor as params\[0\]",
        ),
        (lambda: optim.Adam([p, q, p]), ValueError, "got one of them twice"),
        (lambda: optim.Optimizer([p], 0.1).step([np.ones(3)]), NotImplementedError, "update"),
    ],
)
def test_errors_say_what_to_do(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


@every_rule
@pytest.mark.parametrize(
    ("grads", "words"),
    [
        ([np.ones(3)], "expected 2 gradients, one per parameter, got 1"),
        ([np.ones(2), np.ones(3)], r"gradient 0 is \(2,\) float64 but its parameter \(3,\) float64"),
        ([np.ones(3), np.ones(2, np.float32)], r"gradient 1 is \(2,\) float32 but its parameter \(2,\) float64"),
        (None, r"no parameter has a gradient: pass grad\(loss, params\), or call loss.backward"),
    ],
)
def test_gradients_that_do_not_fit_move_nothing(make, grads, words):
    params = [tg.Parameter(np.ones(3)), tg.Parameter(np.ones(2))]
    opt = make(params)
    before = opt.state_dict()
    with pytest.raises(ValueError, match=words):
        opt.step(grads)
    assert all((p.data == 1).all() for p in params)
    assert all(np.array_equal(array, before[name]) for name, array in opt.state_dict().items())


def test_a_mistyped_setting_is_an_error():
    opt = optim.Adam([p])
    with pytest.raises(AttributeError):
        opt.learning_rate = 0.1
    with pytest.raises(ValueError, match="expected lr to be"):
        opt.lr = -1


def test_repr():
    assert repr(optim.Adam(parameters(0), 0.002)) == "Adam(4 parameters, lr=0.002, 0 steps done)"
