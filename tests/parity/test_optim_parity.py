"""Every optimizer, schedule and average against PyTorch's: the same weights after 20 steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch.set_num_threads(1)  # its pool costs more than it gives on arrays this small

seeds = st.integers(0, 2**32 - 1)
SHAPES = [(3, 2), (4,), ()]
STEPS = 20

PAIRS = {  # name: (tinygen's class, PyTorch's class, their common options)
    "SGD": (optim.SGD, torch.optim.SGD, dict(lr=0.1)),
    "SGD, decay": (optim.SGD, torch.optim.SGD, dict(lr=0.1, weight_decay=0.1)),
    "SGD, momentum": (optim.SGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01)),
    "SGD, Nesterov": (optim.SGD, torch.optim.SGD, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
    "Adam": (optim.Adam, torch.optim.Adam, {}),
    "Adam, all options": (optim.Adam, torch.optim.Adam, dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1)),
    "AdamW": (optim.AdamW, torch.optim.AdamW, {}),
    "AdamW, all options": (optim.AdamW, torch.optim.AdamW, dict(lr=0.05, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1)),
    "RMSprop": (optim.RMSprop, torch.optim.RMSprop, {}),
    "RMSprop, all options": (optim.RMSprop, torch.optim.RMSprop, dict(lr=0.05, alpha=0.9, eps=1e-3, weight_decay=0.1)),
}


def test_every_optimizer_is_compared():
    rules = {getattr(optim, name) for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    assert {ours for ours, _, _ in PAIRS.values()} == {r for r in rules if issubclass(r, optim.Optimizer)} - {
        optim.Optimizer
    }


def both(rng):
    arrays = [rng.normal(size=shape) for shape in SHAPES]
    return [tg.Parameter(a) for a in arrays], [torch.nn.Parameter(torch.from_numpy(np.array(a))) for a in arrays]


@pytest.mark.parametrize("name", PAIRS)
@given(seed=seeds)
def test_twenty_steps(name, seed):
    """Gradients of a loss with curvature, so that an error of one step grows; the learning rate changes."""
    ours, theirs, options = PAIRS[name]
    rng = np.random.default_rng(seed)
    params, tensors = both(rng)
    opt, their_opt = ours(params, **options), theirs(tensors, **options)
    schedule = torch.optim.lr_scheduler.StepLR(their_opt, step_size=7, gamma=0.5)
    rate = optim.step_decay(opt.lr, every=7, factor=0.5)
    for step in range(STEPS):
        noise = [rng.normal(size=shape) for shape in SHAPES]
        loss = sum([((p - a) ** 2).sum() + tg.sin(p).sum() for p, a in zip(params, noise)])
        opt.lr = rate(step)
        opt.step(tg.grad(loss, params))
        their_opt.zero_grad()
        sum(
            ((p - torch.from_numpy(np.array(a))) ** 2).sum() + torch.sin(p).sum() for p, a in zip(tensors, noise)
        ).backward()
        their_opt.step()
        schedule.step()
    for p, t in zip(params, tensors):
        np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=1e-12, atol=1e-12)


@given(lr=st.floats(1e-5, 1.0), total=st.integers(1, 50), share=st.floats(0, 1))
def test_cosine(lr, total, share):
    their_opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(their_opt, T_max=total, eta_min=share * lr)
    ours = optim.cosine(lr, total=total, final=share * lr)
    for step in range(total + 1):
        assert ours(step) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9, abs=1e-12 * lr)
        their_opt.step()
        schedule.step()


@given(seed=seeds, max_norm=st.floats(0.1, 10))
def test_clip(seed, max_norm):
    """PyTorch divides by the norm plus 10⁻⁶, which shows in the sixth digit."""
    rng = np.random.default_rng(seed)
    grads = [rng.normal(size=shape) for shape in SHAPES]
    tensors = [torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in SHAPES]
    for t, g in zip(tensors, grads):
        t.grad = torch.from_numpy(np.array(g))
    length = torch.nn.utils.clip_grad_norm_(tensors, max_norm)
    clipped, norm = optim.clip_by_norm(grads, max_norm)
    assert norm == pytest.approx(length.item(), rel=1e-14)
    for g, t in zip(clipped, tensors):
        np.testing.assert_allclose(g.data, t.grad.numpy(), rtol=2e-6 / norm + 1e-12)


@given(seed=seeds, decay=st.floats(0, 0.999))
def test_ema(seed, decay):
    rng = np.random.default_rng(seed)
    params, tensors = both(rng)
    model = torch.nn.ParameterList(tensors)
    theirs = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(decay))
    ours = optim.EMA(params, decay)
    theirs.update_parameters(model)  # the first update copies
    for _ in range(5):
        for p, t in zip(params, tensors):
            p.data = rng.normal(size=p.shape)
            t.data = torch.from_numpy(np.array(p.data))
        ours.update()
        theirs.update_parameters(model)
    with ours.applied():
        for p, t in zip(params, theirs.module):
            np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=1e-12, atol=1e-13)
