"""`grad` and `backward`: values against closed forms, shapes and types, retained graphs, and wrong arguments."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 4)


def close(found, expected):
    np.testing.assert_allclose(found.data, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max(initial=1))


# -- closed forms ------------------------------------------------------------------------------------------------------


@given(seed=seeds, n=sizes)
def test_quadratic_form(seed, n):
    """∇ xᵀAx = (A + Aᵀ) x, ∇_A = x xᵀ, and the Hessian is A + Aᵀ."""
    rng = np.random.default_rng(seed)
    A, x = tg.Parameter(rng.normal(size=(n, n))), tg.Parameter(rng.normal(size=(n, 1)))
    gx, gA = tg.grad((x.T @ A @ x).sum(), [x, A], create_graph=True)
    close(gx, (A.data + A.data.T) @ x.data)
    close(gA, x.data @ x.data.T)
    close(tg.concat(*[tg.grad(gx[i], x, gy=[1.0], retain_graph=True) for i in range(n)], axis=1), A.data + A.data.T)


@given(seed=seeds, n=sizes, k=sizes, m=sizes)
def test_least_squares(seed, n, k, m):
    """∇_X ½|AXB - C|² = Aᵀ (AXB - C) Bᵀ."""
    rng = np.random.default_rng(seed)
    A, X, B, C = (rng.normal(size=s) for s in [(n, k), (k, m), (m, n), (n, n)])
    x = tg.Parameter(X)
    close(tg.grad((((tg.Tensor(A) @ x @ B) - C) ** 2).sum() * 0.5, x), A.T @ (A @ X @ B - C) @ B.T)


@given(seed=seeds, n=sizes, c=sizes)
def test_cross_entropy(seed, n, c):
    """The gradient of the mean of -log softmax(x)[t] is (softmax(x) - onehot(t)) / N."""
    rng = np.random.default_rng(seed)
    x, t = tg.Parameter(rng.normal(size=(n, c)) * 4), rng.integers(c, size=n)
    loss = (tg.logsumexp(x, axis=1) - x[np.arange(n), t]).mean()
    softmax = np.exp(x.data) / np.exp(x.data).sum(1, keepdims=True)
    close(tg.grad(loss, x), (softmax - np.eye(c)[t]) / n)


@given(seed=seeds, uses=st.integers(1, 6))
def test_a_variable_used_often(seed, uses):
    """x + x² + ... + xᵏ, each power computed from the previous one: every use contributes to the gradient."""
    x = tg.Parameter(np.random.default_rng(seed).normal(size=3))
    power, total = x, x
    for _ in range(uses - 1):
        power = power * x
        total = total + power
    close(tg.grad(total.sum(), x), np.polynomial.Polynomial([0, *[1] * uses]).deriv()(x.data))


# -- arguments and results ---------------------------------------------------------------------------------------------


def test_one_x_or_several():
    x, y = tg.Parameter([2.0]), tg.Parameter([3.0])
    assert tg.grad(x * y, x).item() == 3
    assert [g.item() for g in tg.grad(x * y, [y])] == [2]
    assert [g.item() for g in tg.grad(x * y, (y, x, y))] == [2, 3, 2]
    assert [g.item() for g in tg.grad(x * y, (p for p in (x, y)))] == [3, 2]
    assert tg.grad(x * y, []) == []


def test_gradients_with_respect_to_y_itself_and_intermediate_values():
    x = tg.Parameter([2.0])
    y = x * x
    z = y * 3.0
    gz, gy, gx = tg.grad(z, [z, y, x])
    assert (gz.item(), gy.item(), gx.item()) == (1, 3, 12)
    assert tg.grad(x, x, gy=[5.0]).item() == 5


def test_a_walk_stops_at_the_targets():
    """Only the part between y and xs is walked, so only that part is dropped."""
    x = tg.Parameter([2.0])
    y = x * x
    z = y * 3.0
    assert tg.grad(z, y).item() == 3
    assert tg.grad(y, x).item() == 4
    with pytest.raises(RuntimeError, match="dropped"):
        tg.grad(z, y)


@given(seed=seeds, wide=st.booleans())
def test_gy_weighs_the_entries_of_y(seed, wide):
    """grad(y, x, gy) is the gradient of Σ gy · y, whatever float type or container gy has."""
    rng = np.random.default_rng(seed)
    x, gy = tg.Parameter(rng.normal(size=(2, 3)).astype(np.float32)), rng.normal(size=(2, 3))
    gy = gy if wide else gy.astype(np.float32)
    expected = tg.grad((tg.sin(x) * gy.astype(np.float32)).sum(), x)
    for weights in (gy, tg.Tensor(gy), gy.tolist(), np.asfortranarray(gy)):
        found = tg.grad(tg.sin(x), x, weights)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.data, expected.data)


def test_an_unused_variable_gets_zeros():
    x = tg.Parameter([2.0])
    for dtype in (np.float32, np.float64):
        other = tg.Parameter(np.ones((2, 3), dtype))
        gx, go = tg.grad(x * x, [x, other])
        assert gx.item() == 4
        assert go.shape == (2, 3)
        assert go.dtype == dtype
        assert not go.data.any()
    (g,) = tg.grad((x * other.detach()).sum(), [other])
    assert g.shape == (2, 3)
    assert not g.data.any()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2,), (2, 1)])
def test_shapes_of_gradients(shape):
    """A gradient has the shape and type of its x in spite of broadcasting; a y of one entry needs no gy."""
    for dtype in (np.float32, np.float64):
        x = tg.Parameter(np.full(shape, 2, dtype))
        g = tg.grad((x * tg.Tensor(np.ones((3, 2, 2)))).sum(), x)
        assert g.shape == shape
        assert g.dtype == dtype
        assert g.data.sum() == 12
        if x.size == 1:
            assert tg.grad(x * 3.0, x).data.item() == 3


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x, c: tg.grad(c * 2.0, x), TypeError, "grad: y is a constant; make the inputs Parameters"),
        (lambda x, c: tg.grad(3.0, x), TypeError, "grad: y is a constant"),
        (lambda x, c: tg.grad(x.sum(), c), TypeError, r"grad: xs\[0\] is a constant; make it a Parameter"),
        (lambda x, c: tg.grad(x.sum(), [x, c]), TypeError, r"grad: xs\[1\] is a constant"),
        (lambda x, c: tg.grad(x.sum(), [x, x.data]), TypeError, r"grad: xs\[1\] is a constant"),
        (lambda x, c: tg.grad(x.sum(), 3), TypeError, r"grad: xs\[0\] is a constant"),
        (lambda x, c: tg.grad(x, x), ValueError, r"grad: y has shape \(2,\), not one entry; sum it, or pass gy"),
        (lambda x, c: tg.grad(x, x, [1.0, 2.0, 3.0]), ValueError, r"grad: gy has shape \(3,\) but y has \(2,\)"),
        (lambda x, c: tg.grad(x, x, 1.0), ValueError, r"grad: gy has shape \(\) but y has \(2,\)"),
        (lambda x, c: tg.grad(x, x, np.array([1, 2])), TypeError, "float32 or float64, got int64"),
        (lambda x, c: c.backward(), TypeError, "backward: this tensor is a constant; make the inputs Parameters"),
        (lambda x, c: x.backward(), ValueError, r"backward: expected a gradient of shape \(2,\), got nothing: sum"),
        (lambda x, c: setattr(c, "grad", None), TypeError, "only a variable .* holds a gradient"),
        (lambda x, c: setattr(x * 2.0, "grad", None), TypeError, "only a variable .* holds a gradient"),
    ],
)
def test_wrong_arguments_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(tg.Parameter([1.0, 2.0]), tg.Tensor([1.0, 2.0]))


# -- dropped, retained, differentiable ---------------------------------------------------------------------------------


def test_a_second_walk_over_a_dropped_graph_is_refused():
    x = tg.Parameter([2.0])
    y = tg.exp(x) * x
    tg.grad(y, x)
    assert y.item() == pytest.approx(2 * np.exp(2), rel=1e-6)  # its value is still there
    for again in (lambda: tg.grad(y, x), lambda: y.backward(), lambda: tg.grad(y * 2.0, x)):
        with pytest.raises(RuntimeError, match="retain_graph=True to the first call, or compute the value again"):
            again()


def test_a_refused_walk_drops_nothing():
    x = tg.Parameter([2.0])
    shared = x * x
    dropped, alive = shared * 3.0, shared * 5.0
    tg.grad(dropped, shared)
    with pytest.raises(RuntimeError, match="dropped"):
        tg.grad(dropped + alive, x)
    assert tg.grad(alive, x).item() == 20


@pytest.mark.parametrize("how", [{"retain_graph": True}, {"create_graph": True}])
def test_a_retained_graph_can_be_walked_again(how):
    x = tg.Parameter([2.0])
    y = x * x * x
    assert [tg.grad(y, x, **how).item() for _ in range(3)] == [12, 12, 12]
    assert tg.grad(y, x).item() == 12
    with pytest.raises(RuntimeError, match="dropped"):
        tg.grad(y, x)


def test_gradients_are_constants_unless_create_graph():
    x = tg.Parameter([2.0])
    assert not tg.grad(x * x, x).requires_grad
    assert tg.grad(x * x, x, create_graph=True).requires_grad
    assert not tg.grad(x * 3.0, x, create_graph=True).requires_grad  # 3 doesn't depend on x


def test_gy_is_an_input_like_any_other():
    """The gradient is linear in gy, and with create_graph that is differentiable: forward mode by two walks."""
    x, v, t = tg.Parameter([0.5, 2.0]), tg.Parameter([1.0, 1.0]), np.array([3.0, -1.0], np.float32)
    backward = tg.grad(tg.sin(x), x, v, create_graph=True)
    np.testing.assert_array_equal(tg.grad(backward, v, t).data, np.cos(x.data) * t)


# -- backward ----------------------------------------------------------------------------------------------------------


@given(seed=seeds, times=st.integers(1, 4))
def test_backward_adds_up_what_grad_returns(seed, times):
    rng = np.random.default_rng(seed)
    leaves = [tg.Parameter(rng.normal(size=3)), tg.Tensor(rng.normal(size=(2, 1)), requires_grad=True)]
    unused, expected = tg.Parameter([1.0]), [0, 0]
    assert [x.grad for x in leaves] == [None, None]
    for _ in range(times):
        a, b = rng.normal(size=2)
        loss = (tg.sin(leaves[0] * a) * tg.exp(leaves[1] * b)).sum()
        expected = [e + g.data for e, g in zip(expected, tg.grad(loss, leaves, retain_graph=True))]
        assert loss.backward() is None
    for x, e in zip(leaves, expected):
        np.testing.assert_array_equal(x.grad.data, e)
        assert not x.grad.requires_grad
    assert unused.grad is None
    assert loss.grad is None
    with pytest.raises(RuntimeError, match=r"backward: .* dropped"):
        loss.backward()
    leaves[0].grad = None
    assert leaves[0].grad is None


def test_backward_takes_a_gradient_and_can_retain():
    x = tg.Parameter([1.0, 2.0])
    y = x * x
    y.backward([1.0, 10.0], retain_graph=True)
    y.backward(np.array([1.0, 10.0], np.float32))
    np.testing.assert_array_equal(x.grad.data, [4, 80])


def test_the_gradient_of_a_variable_with_respect_to_itself_is_one():
    x = tg.Parameter([2.0])
    x.backward()
    assert x.grad.item() == 1


# -- recording or not --------------------------------------------------------------------------------------------------


def test_detach_leaves_the_graph_and_shares_the_array():
    x = tg.Parameter([3.0])
    y = x * x
    cut = y.detach()
    assert not cut.requires_grad
    assert cut.data is y.data
    assert tg.grad(y * cut, x).item() == 54


def test_no_grad_records_nothing_can_be_nested_and_ends():
    x = tg.Parameter([3.0])
    with tg.no_grad():
        with tg.no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad
    with pytest.raises(ZeroDivisionError), tg.no_grad():
        _ = 1 / 0
    assert (x * x).requires_grad

    @tg.no_grad()
    def value():
        return x * x

    assert not value().requires_grad
    assert (x * x).requires_grad


def test_a_failing_rule_leaves_the_mode_as_it_was():
    @tg.op
    def test_only_broken(x):
        return x.data, lambda g: 1 / 0

    try:
        x = tg.Parameter([3.0])
        with pytest.raises(ZeroDivisionError):
            tg.grad(test_only_broken(x), x)
        assert (x * x).requires_grad
    finally:
        del tg.OPS["test_only_broken"]


def test_no_grad_and_trace_belong_to_their_thread():
    x, seen = tg.Parameter([3.0]), []
    with tg.no_grad(), tg.trace() as calls:
        worker = threading.Thread(target=lambda: seen.append((x * x).requires_grad))
        worker.start()
        worker.join()
    assert seen == [True]
    assert calls == []


def test_trace_lists_the_calls_in_order():
    x = tg.Parameter([3.0])
    with tg.trace() as outer:
        y = tg.exp(x)
        with tg.trace() as inner:
            z = y.sum(axis=0)
        with pytest.raises(ValueError, match="reshape"):
            z.reshape(7)
    assert [call[0].__name__ for call in outer] == ["exp"]
    assert [call[0].__name__ for call in inner] == ["sum"]
    op, inputs, static, output = inner[0]
    assert op is tg.OPS["sum"]
    assert inputs[0] is y
    assert static == {"axis": 0, "keepdims": False}
    assert output is z
    _ = x * x
    assert len(outer) == len(inner) == 1
