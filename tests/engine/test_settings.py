"""A NumPy number as a setting gives the same bits and the same dtype as the Python number, so float32 stays float32."""

import inspect

import numpy as np
import pytest

import tinygen as tg
from tinygen import functional as F
from tinygen import optim
from tinygen.testing import CASES

KINDS = (np.float64, np.float32, np.array)


def as_numpy(kind, value):
    """`value`, if it is a number that `kind` holds exactly, as one of NumPy's numbers or an array of no axes."""
    if isinstance(value, bool) or not isinstance(value, int | float) or float(kind(value)) != value:
        return value
    return np.array(value) if kind is np.array else np.int64(value) if isinstance(value, int) else kind(value)


def in_numpy(kind, settings):
    return {name: as_numpy(kind, value) for name, value in settings.items()}


def with_numbers(kind):
    """The ops that have a setting which this kind of number can replace."""
    samples = {name: CASES[name].sample(np.random.default_rng(0))[1] for name in sorted(set(CASES) - {"astype"})}
    return [name for name, static in samples.items() if any(as_numpy(kind, v) is not v for v in static.values())]


def same(a, b):
    assert a.dtype == b.dtype == np.float32
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name, kind", [(name, kind) for kind in KINDS for name in with_numbers(kind)])
def test_every_setting_of_every_op(name, kind):
    case = CASES[name]
    arrays, static = case.sample(np.random.default_rng(0))
    results = []
    for given in (static, in_numpy(kind, static)):
        xs = [tg.Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
        y = case.op(*xs, **given)
        results.append([y, *tg.grad(y, xs, np.ones(y.shape, np.float32))])
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_with_a_width(kind):
    x = np.array([[0.25, -3.0]], np.float32)
    same(F.huber(x, 0 * x, delta=1.5), F.huber(x, 0 * x, delta=as_numpy(kind, 1.5)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_every_setting_of_every_optimizer(name, kind):
    make = getattr(optim, name)
    numbers = {
        p.name: p.default if isinstance(p.default, float) else 0.25
        for p in inspect.signature(make).parameters.values()
        if p.name not in ("params", "betas", "nesterov")
    }
    weights = []
    for settings in (numbers, in_numpy(kind, numbers)):
        w = tg.Parameter(np.ones(3, np.float32))
        opt = make([w], **settings)
        for _ in range(3):
            opt.step([np.array([0.5, -1, 2], np.float32)])
        weights.append(tg.Tensor(w.data))
    same(*weights)
