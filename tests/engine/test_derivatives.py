"""jvp, vjp, jacobian, hvp and hessian against derivatives by hand, written in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.derivatives import hessian, hvp, jacobian, jvp, vjp

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 4)


def close(a, b):
    a, b = np.asarray(a.numpy() if isinstance(a, tg.Tensor) else a), np.asarray(b)
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= 1e-13 * max(np.abs(b).max(initial=0), 1)


def layer(x, w):
    """tanh(x w), whose derivative is (dx w + x dw) (1 - tanh²)."""
    return tg.tanh(x @ w)


def slope_of_layer(x, w):
    return 1 - np.tanh(x @ w) ** 2  # (N, M)


@given(seeds, sizes, sizes, sizes)
def test_vjp_and_jvp_of_a_layer(seed, n, k, m):
    rng = np.random.default_rng(seed)
    x, w, dx, dw, g = (rng.normal(size=s) for s in ((n, k), (k, m), (n, k), (k, m), (n, m)))
    y, pull = vjp(layer, x, w)
    close(y, np.tanh(x @ w))
    gx, gw = pull(g)
    close(gx, (g * slope_of_layer(x, w)) @ w.T)
    close(gw, x.T @ (g * slope_of_layer(x, w)))
    y, moved = jvp(layer, (x, w), (dx, dw))
    close(y, np.tanh(x @ w))
    close(moved, (dx @ w + x @ dw) * slope_of_layer(x, w))


@given(seeds, sizes, sizes)
def test_the_jacobian_of_a_matrix_times_squares(seed, n, m):
    rng = np.random.default_rng(seed)
    a, x = rng.normal(size=(m, n)), rng.normal(size=(n, 2))
    found = jacobian(lambda x: a @ (x * x), x)  # ∂y[i,j]/∂x[k,l] = a[i,k] 2x[k,l] δ[j,l]
    close(found, np.einsum("ik,kl,jl->ijkl", a, 2 * x, np.eye(2)))


@given(seeds, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_the_jacobian_of_each_example(seed, n, k, m):
    """tanh(x w) for a batch (N, K): ∂y[n,j]/∂x[n,i] = w[i,j] (1 - y[n,j]²), without the zeros between examples."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(n, k)), rng.normal(size=(k, m))
    close(tg.batch_jacobian(lambda x: layer(x, w), x), np.einsum("ij,nj->nji", w, slope_of_layer(x, w)))
    images = rng.normal(size=(n, k, 2, 1))  # several axes, of x and of f(x)
    found = tg.batch_jacobian(lambda x: (x * x).sum(axis=3), images)
    close(found, np.einsum("nab,ac,bd->nabcd", 2 * images[..., 0], np.eye(k), np.eye(2))[..., None])
    close(tg.batch_jacobian(lambda x: (x**3).sum(axis=(1,)), x), 3 * x**2)  # one number per example


def test_the_jacobian_of_each_example_can_be_part_of_a_loss():
    x = tg.Parameter(np.array([[0.5], [2.0]]))
    slopes = tg.batch_jacobian(tg.exp, x, create_graph=True)  # (2, 1, 1)
    close(tg.grad((slopes * slopes).sum(), x), 2 * np.exp(2 * x.numpy()))


@pytest.mark.parametrize("mix", [lambda x: x - x.mean(axis=0), lambda x: x[::-1], lambda x: tg.softmax(x, axis=0)])
def test_batch_jacobian_refuses_a_function_that_mixes_examples(mix):
    with pytest.raises(ValueError, match=r"got an f that mixes examples: write jacobian\(f, x\)"):
        tg.batch_jacobian(mix, np.array([[0.1, 0.4], [0.2, -1.0], [3.0, 0.0]]))


def test_a_jacobian_that_does_not_fit_into_memory_is_refused():
    x = np.zeros((1000, 784), np.float32)
    with pytest.raises(ValueError, match=r"got \(1000, 10, 1000, 784\), 29.2 GiB: .* write batch_jacobian\(f, x\)"):
        jacobian(lambda x: x[:, :10], x)
    with pytest.raises(ValueError, match=r"batch_jacobian: expected f to map \(N, ...\) to \(N, ...\), got"):
        tg.batch_jacobian(lambda x: x.sum(), x)


@given(seeds, sizes)
def test_the_hessian_of_a_quadratic_form_and_of_a_quartic(seed, n):
    rng = np.random.default_rng(seed)
    a, x, v = rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=n)

    def f(x):
        return (x * (a @ x.reshape(n, 1)).reshape(n)).sum() + (x**4).sum()

    true = a + a.T + np.diag(12 * x**2)
    close(hessian(f, x), true)
    close(hvp(f, x, v), true @ v)


@given(seeds)
def test_the_hessian_of_logsumexp_is_the_covariance_of_its_softmax(seed):
    x = np.random.default_rng(seed).normal(size=(2, 3))
    p = np.exp(x) / np.exp(x).sum()
    close(
        hessian(lambda x: tg.logsumexp(x), x),
        np.einsum("ij,ik,jl->ijkl", p, np.eye(2), np.eye(3)) - np.multiply.outer(p, p),
    )


def test_the_jacobian_of_a_hessian_is_the_third_derivative():
    x = np.array([0.3, -1.2])
    third = jacobian(lambda x: hessian(lambda x: tg.sin(x).sum(), x, create_graph=True), x)
    true = np.zeros((2, 2, 2))
    true[[0, 1], [0, 1], [0, 1]] = -np.cos(x)
    close(third, true)


def test_a_jvp_with_create_graph_can_be_part_of_a_loss():
    x = tg.Tensor(np.array([0.5, 2.0]), requires_grad=True)
    _, moved = jvp(tg.exp, [x], [np.ones(2)], create_graph=True)
    close(tg.grad((moved * moved).sum(), x), 2 * np.exp(2 * x.numpy()))  # moved is eˣ


def test_a_variable_stays_in_its_graph():
    w = tg.Tensor(np.array(3.0), requires_grad=True)
    slope = jacobian(lambda x: x * x, w * 2, create_graph=True)  # 2x at x = 2w
    close(tg.grad(slope, w), 4.0)


def test_one_variable_as_two_arguments_has_two_derivatives():
    w = tg.Tensor(np.array(3.0), requires_grad=True)
    assert [g.item() for g in vjp(tg.sub, w, w)[1](np.array(1.0))] == [1, -1]
    assert jvp(tg.sub, [w, w], [np.array(1.0), np.array(2.0)])[1].item() == -1


def test_constants_have_derivatives_of_zero():
    x = np.ones((2, 3))
    one = tg.Tensor(np.ones(2))
    close(jacobian(lambda x: one, x), np.zeros((2, 2, 3)))
    close(hvp(lambda x: one.sum(), x, x), np.zeros((2, 3)))
    close(hessian(lambda x: x.sum(), x), np.zeros((2, 3, 2, 3)))
    close(jvp(lambda x: one, [x], [x])[1], np.zeros(2))
    assert vjp(lambda x, z: z * 1, x, np.ones(2))[1](np.ones(2))[0].numpy().tolist() == np.zeros((2, 3)).tolist()


def test_types_follow_the_input():
    x = np.ones(3, np.float32)
    assert jacobian(tg.exp, x).dtype == hessian(lambda x: tg.exp(x).sum(), x).dtype == np.float32
    assert jvp(tg.exp, [x], [x])[1].dtype == np.float32


def test_pull_works_more_than_once():
    _, pull = vjp(tg.exp, np.zeros(2))
    assert pull(np.ones(2))[0].numpy().tolist() == pull(np.ones(2))[0].numpy().tolist() == [1, 1]


def test_wrong_arguments_are_refused():
    with pytest.raises(
        ValueError, match=r"jvp: expected one t for each x and of its shape, got xs \[\(2,\)\] and ts \[\(3,\)\]"
    ):
        jvp(tg.exp, [np.ones(2)], [np.ones(3)])
    with pytest.raises(ValueError, match=r"hessian: expected f to return one number, got shape \(2,\): sum it"):
        hessian(tg.exp, np.ones(2))
