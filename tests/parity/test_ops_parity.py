"""Every op beside PyTorch's: value, gradients, and the gradients of those, in float64, at random geometries."""

import helpers.image_pairs  # noqa: F401  (enters its rows)
import numpy as np
import pytest
from helpers.pairs import ROWS, enter_by_name, torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen.testing import CASES

enter_by_name()


def test_every_op_has_a_counterpart_or_a_reason():
    compared = {name.split()[0] for name in ROWS}
    reasons = {name for name, case in CASES.items() if case.without_torch}
    missing = set(tg.OPS) - compared - reasons
    assert not missing, "\n".join(
        f"{op}: PyTorch has no function of this name: add a row to tests/helpers/pairs.py, or without_torch='...' with "
        "the reason to its Case in tinygen/testing/cases/"
        for op in sorted(missing)
    )
    assert not compared & reasons


def agree(what, ours, theirs):
    a, b = ours.numpy(), theirs.numpy(force=True)
    assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch {b.shape}"
    assert a.dtype == b.dtype, f"{what}: {a.dtype}, PyTorch {b.dtype}"
    error, scale = np.abs(a - b).max(initial=0), np.abs(b).max(initial=1)
    assert error <= 1e-12 * scale, f"{what}: {error:.1e} beside {scale:.1e}"


def sum_of_products(weights, values):
    total = 0
    for w, v in zip(weights, values):
        total = total + (v * w).sum()
    return total


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Arrays this small gain nothing from PyTorch's threads, and lose to them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ROWS)
@settings(max_examples=settings().max_examples // 4)
@given(seed=st.integers(0, 2**32 - 1))
def test_ops_agree(name, seed):
    rng = np.random.default_rng(seed)
    arrays, ours, theirs = ROWS[name](rng)
    xs = [tg.Tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, u = ours(*xs), theirs(*ts)
    agree("value", y, u)

    cotangent = np.asarray(rng.normal(size=y.shape)).astype(y.dtype)
    xs.append(tg.Tensor(cotangent, requires_grad=True))  # the gradient is linear in it: one more input of order two
    ts.append(torch.tensor(cotangent, requires_grad=True))
    first_order = tg.grad(y, xs[:-1], xs[-1], create_graph=True)
    torch_first = torch.autograd.grad(u, ts[:-1], ts[-1], create_graph=True)
    for i, (a, b) in enumerate(zip(first_order, torch_first)):
        agree(f"gradient of input {i}", a, b)

    weights = [rng.normal(size=a.shape) for a in arrays]
    second_order = tg.grad(sum_of_products(weights, first_order), xs)
    torch_sum = sum_of_products(map(torch.from_numpy, weights), torch_first)
    torch_second = torch.autograd.grad(torch_sum, ts, materialize_grads=True)
    for i, (a, b) in enumerate(zip(second_order, torch_second)):
        agree(f"second order, input {i}", a, b)
