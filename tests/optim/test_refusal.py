"""A step whose result is not finite is refused, and parameters, memory and step count stay the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels, optim
from tinygen.kernels import reference

SHAPES = [(3, 2), (4,), (), (30, 50)]


class Signs(optim.Optimizer):
    """A user's rule: sign descent with a count, which it writes in place."""

    def __init__(self, params):
        super().__init__(params, 0.1, remembers=("m",))

    def update(self, θ, g, m):
        m += 1
        return θ - np.float32(self.lr) * g * np.float32(self.steps)


MAKERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "SGD with momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, 0.1, weight_decay=0.1),
    "AdamW": lambda p: optim.AdamW(p, 0.1),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1),
    "a user's": Signs,
}
every_rule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
bad = st.sampled_from([np.nan, np.inf, -np.inf])


def parameters(seed=0):
    rng = np.random.default_rng(seed)
    return [tg.Parameter(np.asarray(rng.normal(size=shape), np.float32)) for shape in SHAPES]


def gradients(seed=1):
    return [p.data.copy() for p in parameters(seed)]


def assert_refused(opt, grads, words):
    before = opt.state_dict() | {f"p{i}": p.data for i, p in enumerate(opt.params)}
    with pytest.raises(FloatingPointError, match=words):
        opt.step(grads)
    after = opt.state_dict() | {f"p{i}": p.data for i, p in enumerate(opt.params)}
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


@every_rule
@given(value=bad, which=st.integers(0, 3), entry=st.integers(0, 2**16), steps=st.integers(0, 2), data=st.booleans())
def test_a_gradient_or_a_weight_that_is_not_finite(make, value, which, entry, steps, data):
    """In any entry, after any number of steps; the next step is the same as without the refused one."""
    params, others = parameters(), parameters()
    opt, other = make(params), make(others)
    for step in range(steps):
        opt.step(gradients(step))
        other.step(gradients(step))
    held, grads = params[which].data, gradients(9)
    corrupted = held.copy() if data else grads[which]
    corrupted.reshape(-1)[entry % corrupted.size] = value
    if data:
        params[which].data = corrupted
    kind = "nan" if value != value else "infinite"
    assert_refused(opt, grads, rf"the {'value' if data else 'gradient'} of parameter {which} .* {kind}, and nothing")
    params[which].data = held
    opt.step(gradients(9))
    other.step(gradients(9))
    for a, b in zip(opt.state_dict().values(), other.state_dict().values()):
        np.testing.assert_array_equal(a, b)
    for p, q in zip(params, others):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, 1e30),
        lambda p: optim.SGD(p, 1e30, momentum=0.5),
        lambda p: optim.Adam(p, 1e39),
        lambda p: optim.RMSprop(p, 1e39),
    ],
    ids=["SGD", "momentum", "Adam", "RMSprop"],
)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_step_that_overflows_by_itself(make, steps):
    opt = make(parameters())
    for _ in range(steps):  # of ordinary size
        opt.lr, large = 0.1, opt.lr
        opt.step(gradients())
        opt.lr = large
    assert_refused(opt, [g * 1e9 for g in gradients()], "all gradients are finite, but lr=")


@pytest.mark.parametrize("steps", [0, 1])
def test_adam_without_eps_and_without_a_gradient(steps):
    """0 / 0: the formula has no value there."""
    opt = optim.Adam(parameters(), 0.1, eps=0)
    for _ in range(steps):
        opt.step(gradients())
        opt.load_state_dict(optim.Adam(parameters(), 0.1).state_dict())
    assert_refused(opt, [np.zeros(shape, np.float32) for shape in SHAPES], "all gradients are finite")


@every_rule
def test_weights_near_the_largest_number(make):
    params = parameters()
    params[1].data = np.full(4, 3e38, np.float32)
    opt = make(params)
    grads = gradients()
    grads[1] = np.full(4, -3e38, np.float32)
    try:
        opt.step(grads)
    except FloatingPointError:
        np.testing.assert_array_equal(params[1].data, np.float32(3e38))
        assert opt.steps == 0 and not any(m.any() for arrays in opt.memory.values() for m in arrays)
    assert all(np.isfinite(p.data).all() for p in params)


# -- means -------------------------------------------------------------------------------------------------------------

decays = st.floats(0, 1, exclude_max=True)


@given(value=st.floats(-1e6, 1e6, width=32), decay=decays, n=st.integers(1, 30), dtype=st.sampled_from("fd"))
def test_the_mean_of_a_constant_stays_that_constant(value, decay, n, dtype):
    """Means of weights and running statistics, for every decay."""
    x = np.full(5, value, dtype)
    p = tg.Parameter(x)
    ema, norm = optim.EMA([p], decay), tg.nn.BatchNorm(5, momentum=1 - decay, dtype=x.dtype)
    plain, squares, rest = [x.copy()], [x * x], tg.nn.BatchNorm(5, momentum=decay, dtype=x.dtype)
    norm.running_mean = rest.running_mean = x
    for t in range(1, n + 1):
        ema.update()
        reference.moving_average(plain, [x], decay)
        for layer in (norm, rest):
            layer(np.broadcast_to(x, (4, 5)))
        for kernel in (kernels, reference):
            m, v = [x.copy()], [x * x]
            kernel.adam([x], [x], m, v, 0.1, decay, decay, 1e-8, 0.0, False, t)
            kernel.rmsprop([x], [x], squares, 0.1, decay, 1e-8, 0.0)
            np.testing.assert_array_equal([m[0], v[0], squares[0]], [x, x * x, x * x])
    np.testing.assert_array_equal([ema.averages[0], plain[0], norm.running_mean, rest.running_mean], [x] * 4)


@pytest.mark.parametrize("kernel", [kernels, reference])
@given(keep=decays, sizes=st.tuples(st.integers(-6, 6), st.integers(-6, 6)))
def test_a_mean_keeps_the_digits_of_its_smaller_term(kernel, keep, sizes):
    """Against float64, however different old and new are."""
    old, new = (np.array([1.3 * 10.0**e], np.float32) for e in sizes)
    average = [old.copy()]
    kernel.moving_average(average, [new], keep)
    share = np.float32(1 - keep) if keep > 0.5 else np.float64(1) - np.float32(keep)  # as float32 has it
    expected = (1 - np.float64(share)) * np.float64(old) + np.float64(share) * np.float64(new)
    np.testing.assert_allclose(average[0], expected, rtol=4e-7)


@pytest.mark.parametrize("decay", [0.9, 0.999, 0.9999])
def test_an_average_ends_at_a_constant_and_stays(decay):
    p = tg.Parameter(np.zeros(3, np.float32))
    ema = optim.EMA([p], decay)
    p.data = np.full(3, 0.7, np.float32)
    for _ in range(20_000):
        ema.update()
    missing = 0.7 * decay**20_000 + 0.7 * 2**-24 / (1 - decay)  # the initial zeros; rounding
    np.testing.assert_allclose(ema.averages[0], 0.7, rtol=0, atol=1.1 * missing)
