"""Every loss against PyTorch's: values and gradients, for each reduction that both have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch.set_num_threads(1)  # its pool costs more than it gives on arrays this small
theirs = torch.nn.functional

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 5)
REDUCTIONS = ["mean", "sum", "none"]


def kl(mu, log_var, reduction):
    """PyTorch's own KL of two normals."""
    q = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    entries = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    return entries if reduction == "none" else getattr(entries, reduction)()


def uniform(rng, shape):
    return rng.uniform(0.01, 0.99, size=shape)


def normal(rng, shape):
    return 3 * rng.normal(size=shape)


PAIRS = {  # name: (tinygen's, PyTorch's, draw of x, draw of the target)
    "mse": (F.mse, theirs.mse_loss, normal, normal),
    "l1": (F.l1, theirs.l1_loss, normal, normal),
    "huber": (
        lambda x, t, **o: F.huber(x, t, delta=1.5, **o),
        lambda x, t, **o: theirs.huber_loss(x, t, delta=1.5, **o),
        normal,
        normal,
    ),
    "bce": (F.bce, theirs.binary_cross_entropy, uniform, uniform),
    "bce_with_logits": (F.bce_with_logits, theirs.binary_cross_entropy_with_logits, normal, uniform),
    "gaussian_kl": (F.gaussian_kl, kl, normal, normal),
}


def test_every_loss_is_compared():
    losses = {
        name for name, f in vars(F).items() if "reduction" in getattr(f, "__annotations__", {}) and name[0] != "_"
    }
    assert losses == {*PAIRS, "cross_entropy"}


def compare(ours, expected, x, target, their_target):
    variables = [tg.Parameter(a) for a in (x, target)] if target.dtype == np.float64 else [tg.Parameter(x)]
    a = ours(*variables, *([] if len(variables) == 2 else [target]))
    tensors = [torch.from_numpy(v.data.copy()).requires_grad_() for v in variables]
    b = expected(*tensors, *([] if len(variables) == 2 else [their_target]))
    np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-11, atol=1e-12)
    for g, h in zip(tg.grad(a.sum(), variables), torch.autograd.grad(b.sum(), tensors)):
        np.testing.assert_allclose(g.data, h.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", PAIRS)
@given(seed=seeds, shape=st.lists(sizes, min_size=1, max_size=4).map(tuple))
def test_loss(name, reduction, seed, shape):
    """In both arguments: the second of gaussian_kl is the log of the variance, and a target may be learnt too."""
    ours, expected, draw, draw_target = PAIRS[name]
    rng = np.random.default_rng(seed)
    x, target = draw(rng, shape), draw_target(rng, shape)
    compare(
        lambda *args: ours(*args, reduction=reduction),
        lambda *args: expected(*args, reduction=reduction),
        x,
        target,
        None,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(seed=seeds, n=sizes, k=sizes)
def test_cross_entropy(reduction, seed, n, k):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    compare(
        lambda x, t: F.cross_entropy(x, t, reduction=reduction),
        lambda x, t: theirs.cross_entropy(x, t, reduction=reduction),
        normal(rng, (n, k)),
        labels,
        torch.from_numpy(labels),
    )


@given(seed=seeds, n=sizes, k=sizes)
def test_softmax(seed, n, k):
    rng = np.random.default_rng(seed)
    x, g = normal(rng, (n, k)), rng.normal(size=(n, k))
    for ours, expected in [(F.softmax, theirs.softmax), (F.log_softmax, theirs.log_softmax)]:
        a, b = tg.Parameter(x), torch.from_numpy(x).requires_grad_()
        y, z = ours(a), expected(b, dim=-1)
        np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-12, atol=1e-14)
        (h,) = torch.autograd.grad(z, b, torch.from_numpy(g))
        np.testing.assert_allclose(tg.grad(y, a, g).data, h.numpy(), rtol=1e-11, atol=1e-13)
