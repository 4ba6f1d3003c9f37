"""Losses and softmax against closed forms: values, gradients and second derivatives; and wrong arguments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def close(found, expected, rtol=1e-13, unit=1.0):
    """Equal up to `rtol` times the size of the intermediate results, which is at least `unit`."""
    scale = np.maximum(np.abs(expected).max(initial=0), unit)
    np.testing.assert_allclose(getattr(found, "data", found), expected, rtol=0, atol=rtol * scale)


# -- values and gradients in closed form, entry by entry ---------------------------------------------------------------


def huber_value(e, delta=1.5):
    return np.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))


LOSSES = {  # name: loss(x, t), value(x, t), slope(x, t), draws of x and t
    "mse": (F.mse, lambda x, t: (x - t) ** 2, lambda x, t: 2 * (x - t)),
    "l1": (F.l1, lambda x, t: abs(x - t), lambda x, t: np.sign(x - t)),
    "huber": (
        lambda x, t, **o: F.huber(x, t, delta=1.5, **o),
        lambda x, t: huber_value(x - t),
        lambda x, t: np.clip(x - t, -1.5, 1.5),
    ),
    "bce_with_logits": (
        F.bce_with_logits,
        lambda x, t: np.log1p(np.exp(x)) - x * t,
        lambda x, t: sigmoid(x) - t,
    ),
    "bce": (
        lambda x, t, **o: F.bce(tg.sigmoid(x), t, **o),
        lambda x, t: -t * np.log(sigmoid(x)) - (1 - t) * np.log(1 - sigmoid(x)),
        lambda x, t: sigmoid(x) - t,
    ),
    "gaussian_kl in mu": (
        F.gaussian_kl,
        lambda x, t: (x**2 + np.exp(t) - 1 - t) / 2,
        lambda x, t: x,
    ),
    "gaussian_kl in log_var": (
        lambda x, t, **o: F.gaussian_kl(tg.Tensor(t), x, **o),
        lambda x, t: (t**2 + np.exp(x) - 1 - x) / 2,
        lambda x, t: (np.exp(x) - 1) / 2,
    ),
}


def draw(seed, shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) * 2, rng.uniform(size=shape)


@pytest.mark.parametrize("name", LOSSES)
@given(seed=seeds, shape=st.lists(sizes, min_size=1, max_size=4).map(tuple))
def test_value_and_gradient_under_every_reduction(name, seed, shape):
    loss, value, slope = LOSSES[name]
    x, t = draw(seed, shape)
    weights = {"batchmean": 1 / shape[0], "mean": 1 / x.size, "sum": 1.0}
    for reduction, weight in weights.items():
        variable = tg.Parameter(x)
        found = loss(variable, t, reduction=reduction)
        assert found.shape == ()
        close(found, value(x, t).sum() * weight, unit=weight * x.size)
        close(tg.grad(found, variable), slope(x, t) * weight, unit=weight)
    close(loss(tg.Parameter(x), t, reduction="none"), value(x, t))
    close(loss(tg.Parameter(x), t), value(x, t).sum() / shape[0])  # batchmean is the default


@given(seed=seeds, n=sizes, k=sizes)
def test_cross_entropy(seed, n, k):
    rng = np.random.default_rng(seed)
    logits, labels = tg.Parameter(rng.normal(size=(n, k)) * 4), rng.integers(k, size=n)
    p = np.exp(logits.data) / np.exp(logits.data).sum(1, keepdims=True)
    entries = -np.log(p[np.arange(n), labels])
    close(F.cross_entropy(logits, labels, reduction="none"), entries, rtol=1e-12)
    close(F.cross_entropy(logits, labels, reduction="sum"), entries.sum(), rtol=1e-12)
    for reduction in ("batchmean", "mean"):
        loss = F.cross_entropy(logits, labels, reduction=reduction)
        close(loss, entries.mean(), rtol=1e-12)
        close(tg.grad(loss, logits), (p - np.eye(k)[labels]) / n, unit=1 / n)


@given(seed=seeds, n=sizes, k=sizes, axis=st.sampled_from([0, 1, -1]))
def test_softmax(seed, n, k, axis):
    rng = np.random.default_rng(seed)
    x, g = tg.Parameter(rng.normal(size=(n, k)) * 4), rng.normal(size=(n, k))
    p = np.exp(x.data) / np.exp(x.data).sum(axis, keepdims=True)
    close(F.softmax(x, axis=axis), p)
    close(F.log_softmax(x, axis=axis), np.log(p))
    close(tg.grad(F.softmax(x, axis=axis), x, g), p * (g - (g * p).sum(axis, keepdims=True)))
    close(tg.grad(F.log_softmax(x, axis=axis), x, g), g - p * g.sum(axis, keepdims=True))


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [
        (lambda x: F.mse(x, 0.3, reduction="sum"), lambda x: np.full_like(x, 2)),
        (lambda x: F.huber(x, 0.0, reduction="sum"), lambda x: (abs(x) <= 1).astype(float)),
        (lambda x: F.bce_with_logits(x, 0.3, reduction="sum"), lambda x: sigmoid(x) * sigmoid(-x)),
        (lambda x: F.gaussian_kl(0 * x, x, reduction="sum"), lambda x: np.exp(x) / 2),
    ],
)
def test_second_derivatives(loss, curvature):
    x = tg.Parameter(np.array([-2.0, -0.7, 0.0, 0.2, 3.0]))
    (slope,) = tg.grad(loss(x), [x], create_graph=True)
    direction = np.random.default_rng(0).normal(size=5)
    close(tg.grad(slope, x, direction), curvature(x.data) * direction)


@given(seed=seeds, n=sizes, d=sizes)
def test_gaussian_kl_is_the_expected_log_ratio(seed, n, d):
    """E_q[log q(z) - log p(z)] by Gauss-Hermite quadrature, exact for the squares in it: ties log_var to a density."""
    rng = np.random.default_rng(seed)
    mu, log_var = rng.normal(size=(2, n, d, 1))
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    std = np.sqrt(np.exp(log_var))
    z = mu + std * nodes
    log_q = -0.5 * ((z - mu) / std) ** 2 - np.log(std)
    log_p = -0.5 * z**2
    kl = ((log_q - log_p) * weights / weights.sum()).sum(axis=2)
    close(F.gaussian_kl(mu[..., 0], log_var[..., 0], reduction="none"), kl, rtol=1e-12)


@given(seed=seeds, n=sizes, d=sizes)
def test_norm_and_min(seed, n, d):
    x = tg.Parameter(np.random.default_rng(seed).normal(size=(n, d)))
    length = np.linalg.norm(x.data, axis=1)
    close(F.norm(x, axis=1), length)
    close(F.norm(x), np.linalg.norm(x.data))
    close(tg.grad(F.norm(x, axis=1).sum(), x), x.data / length[:, None])
    close(F.min(x, axis=1, keepdims=True), x.data.min(1, keepdims=True))
    close(tg.grad(F.min(x), x), (x.data == x.data.min()).astype(float))


def test_kinks_as_documented():
    zero = tg.Parameter(np.zeros(3))
    np.testing.assert_array_equal(tg.grad(F.norm(zero), zero).data, 0)
    np.testing.assert_array_equal(tg.grad(F.l1(zero, np.zeros(3)), zero).data, 0)
    np.testing.assert_array_equal(tg.grad(F.min(zero), zero).data, [1, 0, 0])


# -- wrong arguments ---------------------------------------------------------------------------------------------------

x31, x3 = np.ones((3, 1)), np.ones(3)


@pytest.mark.parametrize("loss", [F.mse, F.l1, F.huber, F.bce, F.bce_with_logits, F.gaussian_kl])
def test_shapes_that_would_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match=r"\(3, 1\).*\(3,\)"):
        loss(x31, x3)


@pytest.mark.parametrize("loss", [F.mse, F.l1, F.huber, F.bce, F.bce_with_logits])
def test_one_number_as_target_applies_to_all_entries(loss):
    np.testing.assert_array_equal(loss(x31 / 2, 0.25).data, loss(x31 / 2, np.full((3, 1), 0.25)).data)


@pytest.mark.parametrize(
    "loss", [lambda **o: F.mse(x3, x3, **o), lambda **o: F.cross_entropy(x31, np.zeros(3, int), **o)]
)
def test_the_error_for_a_wrong_reduction_lists_the_right_ones(loss):
    with pytest.raises(ValueError, match="'batchmean', 'mean', 'sum', 'none', got 'avg'"):
        loss(reduction="avg")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), ()])
def test_an_average_over_nothing_is_refused(shape):
    with pytest.raises(ValueError, match=r"mse: expected entries to average over, got shape .*: write reduction="):
        F.mse(np.ones(shape), np.ones(shape))
    assert F.mse(np.ones(shape), np.ones(shape), reduction="sum").item() == 0


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: F.bce(2 * x3, x3),
            ValueError,
            r"bce: expected p to be in \[0, 1\], got 2..2: .* call bce_with_logits",
        ),
        (
            lambda: F.bce(x3, 255 * x3),
            ValueError,
            r"bce: expected target to be in \[0, 1\], got 255..255: .* pixels / 255",
        ),
        (
            lambda: F.bce_with_logits(x3, -x3),
            ValueError,
            r"bce_with_logits: expected target to be in \[0, 1\], got -1..-1",
        ),
        (lambda: F.huber(x3, x3, delta=0), ValueError, "expected delta to be a number above 0, got 0"),
        (
            lambda: F.cross_entropy(x3, np.zeros(3, int)),
            ValueError,
            r"expected logits \(N, K\) and class numbers \(N,\), got \(3,\) and \(3,\)$",
        ),
        (lambda: F.cross_entropy(x31, np.zeros((3, 1), int)), ValueError, r"of one-hot rows take .argmax\(axis=1\)"),
        (
            lambda: F.cross_entropy(x31, np.zeros(3)),
            TypeError,
            r"expected labels to be integers in 0\.\.0, got float64",
        ),
        (
            lambda: F.cross_entropy(x31, np.array([0, 0, 1])),
            ValueError,
            r"expected labels to be integers in 0\.\.0, got 0\.\.1",
        ),
        (lambda: F.cross_entropy(x31, np.array([0, 0, -1])), ValueError, r"got -1\.\.0"),
    ],
)
def test_wrong_arguments_are_refused(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
