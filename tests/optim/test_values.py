"""No array that is held elsewhere changes by an optimizer step, whatever else is done to the same parameters."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

SHAPES = [(3, 2), (4,), (), (300, 500)]  # the last is split between threads
MAKERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, 0.1),
    "AdamW": lambda p: optim.AdamW(p, 0.1),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1),
}
every_rule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameters(seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [tg.Parameter(np.asarray(rng.normal(size=shape), dtype)) for shape in SHAPES]


class Watch:
    """Keeps arrays with copies of them, to check later that they are still equal."""

    def __init__(self):
        self.held = []

    def see(self, arrays):
        self.held += [(x, x.copy()) for x in arrays]

    def check(self):
        for array, copy in self.held:
            np.testing.assert_array_equal(array, copy)


@every_rule
@given(seed=st.integers(0, 2**32 - 1), acts=st.lists(st.sampled_from("sosegalvh"), min_size=4, max_size=12))
def test_nothing_that_is_held_ever_changes(make, seed, acts):
    """Two optimizers on the same parameters, an average, saved states, live graphs, arrays set by hand: any order."""
    rng = np.random.default_rng(seed)
    params, watch, graphs = parameters(seed), Watch(), []
    first, second, ema = make(params), optim.Adam(params[::-1], 0.05), optim.EMA(params, 0.5)
    state = first.state_dict()
    for act in acts:
        grads = [np.asarray(rng.normal(size=p.shape), np.float32) for p in params]
        watch.see([p.data for p in params] if act != "h" else [p.data[..., :1] if p.ndim else p.data for p in params])
        watch.see(grads)
        if act == "s":
            first.step(grads)
        elif act == "o":
            second.step(grads[::-1])
        elif act == "e":
            ema.update()
            watch.see(ema.state_dict().values())
        elif act == "a":
            with ema.applied():
                watch.see([p.data for p in params])
                first.step(grads)
        elif act == "g":
            graphs.append(((params[0] * params[0]).sum() + (params[3] ** 2.0).sum(), params[0].data, params[3].data))
        elif act == "l":
            first.load_state_dict(state)
        elif act == "v":
            for p in params:
                p.data = np.asarray(rng.normal(size=p.shape), np.float32)
        state = first.state_dict()
        watch.see(state.values())
    watch.check()
    for y, a, b in graphs:
        for g, array in zip(tg.grad(y, [params[0], params[3]]), (a, b)):
            np.testing.assert_array_equal(g.data, 2 * array)


@every_rule
def test_arrays_given_by_hand_in_any_layout_are_stepped_from(make):
    for layout in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=0)[::2]):
        one, two = parameters(), parameters()
        a, b = make(one), make(two)
        for p in one:
            if p.ndim:
                array = layout(p.data)
                array.setflags(write=False)
                p.data = array
        for k in range(3):
            grads = [np.full(p.shape, 0.5 + k, np.float32) for p in one]
            a.step([layout(g) if g.ndim else g for g in grads])
            b.step(grads)
        for p, q in zip(one, two):
            np.testing.assert_array_equal(p.data, q.data)


@every_rule
def test_resume_from_a_state_in_any_layout(make):
    """np.array keeps the order, and a kernel would write to a copy of memory that isn't contiguous."""
    one, two = parameters(), parameters()
    a, b = make(one), make(two)
    b.load_state_dict({name: np.array(x, order="F") for name, x in a.state_dict().items()})
    for k in range(3):
        for opt in (a, b):
            opt.step([np.full(p.shape, 0.5 + k, np.float32) for p in one])
    for p, q in zip(one, two):
        np.testing.assert_array_equal(p.data, q.data)


def test_resume_from_an_average_in_any_layout():
    p = tg.Parameter(np.zeros((3, 2)))
    ema = optim.EMA([p], 0.5)
    ema.load_state_dict({"average.0": np.asfortranarray(np.ones((3, 2)))})
    ema.update()
    np.testing.assert_array_equal(ema.state_dict()["average.0"], 0.5)


def test_optimizers_in_several_threads_do_not_meet():
    def train(seed):
        params = parameters(seed)
        opt, ema = optim.Adam(params), optim.EMA(params)
        for k in range(20):
            opt.step([np.full(p.shape, k - 3.0, np.float32) for p in params])
            ema.update()
        return [p.data for p in params] + list(ema.state_dict().values())

    expected = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(train, range(4)), expected):
            for x, e in zip(found, right):
                np.testing.assert_array_equal(x, e)


# -- rules of a user ---------------------------------------------------------------------------------------------------


class Signs(optim.Optimizer):
    """θ ← θ - lr · sign m, m ← ½ m + g: a user's rule."""

    def __init__(self, params, lr, output):
        super().__init__(params, lr, remembers=("m",))
        self.output = output

    def update(self, θ, g, m):
        m *= 0.5
        m += g
        return self.output(θ, g, m, θ - self.lr * np.sign(m))


@pytest.mark.parametrize(
    "output",
    [
        lambda θ, g, m, new: new,
        lambda θ, g, m, new: θ,
        lambda θ, g, m, new: g,
        lambda θ, g, m, new: m,
        lambda θ, g, m, new: m[...],
        lambda θ, g, m, new: np.broadcast_to(np.float32(1), θ.shape),
        lambda θ, g, m, new: new.tolist() and np.array(new)[...],
    ],
)
def test_a_rule_may_return_any_array(output):
    """Even one of its arguments: an array that may be written to elsewhere is copied."""
    p, g = tg.Parameter(np.ones((2, 3), np.float32)), np.full((2, 3), 2, np.float32)
    opt = Signs([p], 0.5, output)
    opt.step([g])
    held, copy = p.data, p.data.copy()
    assert not held.flags.writeable
    g[...] = -7
    opt.step([g])
    np.testing.assert_array_equal(held, copy)
    np.testing.assert_array_equal(opt.state_dict()["m.0"], -6)


def test_a_rule_that_keeps_its_output_cannot_write_to_it_unnoticed():
    kept = []
    p = tg.Parameter(np.ones(3))
    opt = Signs([p], 0.5, lambda θ, g, m, new: kept.append(new) or new)
    opt.step([np.ones(3)])
    kept[0][...] = 9
    np.testing.assert_array_equal(p.data, 0.5)


class Halved(optim.Adam):
    """Adam's step, then half of the parameter: refined from a rule for lists."""

    __slots__ = ("seen",)

    def update(self, θ, g, m, v):
        self.seen.append(θ.shape)
        return super().update(θ, g, m=m, v=v) / 2 + super().update(θ, g * 0, m, v) * 0


def test_a_rule_of_the_library_can_be_refined():
    params, plain = [tg.Parameter(np.full(n, 4.0)) for n in (2, 3)], tg.Parameter(np.full(2, 4.0))
    opt = Halved(params, 0.5)
    opt.seen = []
    optim.Adam([plain], 0.5).step([np.ones(2)])
    opt.step([np.ones(2), np.ones(3)])
    assert opt.seen == [(2,), (3,)]
    np.testing.assert_array_equal(params[0].data, plain.data / 2)


def test_a_rule_that_fails_moves_no_parameter():
    def fail(θ, g, m, new):
        if θ.size == 3:
            raise ZeroDivisionError
        return new

    params = [tg.Parameter(np.ones(2)), tg.Parameter(np.ones(3))]
    with pytest.raises(ZeroDivisionError):
        Signs(params, 0.5, fail).step([np.ones(2), np.ones(3)])
    np.testing.assert_array_equal(params[0].data, 1)
