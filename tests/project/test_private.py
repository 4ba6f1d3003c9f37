"""Arrays are kept as private copies: the owner of a read-only view can still write to the array behind it."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import distributions, models, nn, optim


def parameter():
    return tg.Parameter(np.zeros((2, 3), np.float32))


def set_data(view):
    p = parameter()
    p.data = view
    return p


def loaded(module, view, name):
    module.load_state_dict({name: view}, strict=False)
    return module


def optimizer(view, make, state):
    opt = make([parameter()])
    opt.load_state_dict(opt.state_dict() | {state: view})
    return opt


KEEPS = {  # each takes an array (2, 3) and keeps it; then how to see what it kept
    "Tensor": (tg.Tensor, lambda t: t.data),
    "Parameter": (tg.Parameter, lambda t: t.data),
    "Parameter.data": (set_data, lambda t: t.data),
    "Parameter.data, of a Tensor": (lambda a: set_data(tg.Tensor(a)), lambda t: t.data),
    "an op's constant": (
        lambda a: tg.Parameter(np.ones((2, 3), np.float32)) * a,
        lambda t: tg.grad(t.sum() ** 2, t).data,
    ),
    "where": (lambda a: tg.where(a > 0.5, parameter(), 1.0), lambda t: t.data),
    "load_state_dict": (lambda a: loaded(Matrix(), a, "weight"), lambda m: m.weight.data),
    "load_state_dict, a buffer": (lambda a: loaded(Matrix(), a, "table"), lambda m: m.table),
    "Adam": (lambda a: optimizer(a, optim.Adam, "m.0"), lambda opt: opt.memory["m"][0]),
    "SGD": (lambda a: optimizer(a, lambda p: optim.SGD(p, 0.1, momentum=0.5), "v.0"), lambda opt: opt.memory["v"][0]),
    "EMA": (lambda a: optimizer(a, optim.EMA, "average.0"), lambda ema: ema.averages[0]),
    "EMA of Parameters": (lambda a: optim.EMA([set_data(a)]), lambda ema: ema.averages[0]),
    "Optimizer.step": (lambda a: stepped(a), lambda p: p.data),
    "GaussianMixture": (lambda a: models.GaussianMixture(a, 1.0), lambda m: m.means),
    "GaussianMixture, sd": (lambda a: models.GaussianMixture(np.zeros((2, 1)), a[:, 0]), lambda m: m.sd),
    "NoiseSchedule": (lambda a: models.NoiseSchedule(a[0]), lambda s: s.betas),
    "Normal": (lambda a: distributions.Normal(a, log_var=0.0), lambda d: d.mu.data),
}


class Matrix(nn.Module):
    buffers = ("table",)

    def __init__(self):
        self.weight, self.table = parameter(), np.zeros((2, 3), np.float32)


class Kept(optim.Optimizer):
    """A rule that returns an array which it doesn't own."""

    __slots__ = ("array",)

    def update(self, θ, g):
        return self.array


def stepped(view):
    p = parameter()
    opt = Kept([p], 0.1)
    opt.array = view
    opt.step([np.zeros((2, 3), np.float32)])
    return p


def views(base):
    """Read-only views of a writable array: of all of it, broadcast, of a view, through a memoryview."""
    yield "view", base[:]
    yield "broadcast", np.broadcast_to(base[0], base.shape)
    yield "view of a view", base.T[:].T
    yield "memoryview", np.frombuffer(memoryview(base), base.dtype).reshape(base.shape)


@pytest.mark.parametrize("make, kept", KEEPS.values(), ids=KEEPS)
@pytest.mark.parametrize("kind", ["view", "broadcast", "view of a view", "memoryview"])
def test_the_owner_of_an_array_can_not_change_what_was_kept(make, kept, kind):
    base = np.full((2, 3), 0.25, np.float64 if make in IN_FLOAT64 else np.float32)  # as they hold it
    view = dict(views(base))[kind]
    view.setflags(write=False)
    thing = make(view)
    before = np.array(kept(thing))
    base[...] = 0.75
    np.testing.assert_array_equal(kept(thing), before)


IN_FLOAT64 = {make for name, (make, _) in KEEPS.items() if name.startswith(("Gaussian", "Noise"))}


def test_a_gradient_of_the_past_is_not_changed_by_the_owner_of_the_data():
    a = np.ones(3, np.float32)
    p = tg.Parameter(np.zeros((2, 3), np.float32))
    p.data = np.broadcast_to(a, (2, 3))
    y = (p * p).sum()
    a[...] = 5
    np.testing.assert_array_equal(tg.grad(y, p).data, 2)
