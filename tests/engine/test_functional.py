"""Losses and softmax against closed forms: values and gradients at ordinary numbers, at ±10⁴, and wrong arguments."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F

mpmath.mp.dps = 40
seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 5)
EXTREMES = [s * x for x in (0.0, 1.0, 10.0, 88.0, 89.0, 700.0, 1e4) for s in (1, -1)]
LABELS = [0.0, 1.0, 0.3]


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


NEAR_ZERO = {  # name: (a loss of small numbers, the same to 60 digits)
    "gaussian_kl in log_var": (lambda x: F.gaussian_kl(0 * x, x), lambda x: (mpmath.expm1(x) - x) / 2),
    "gaussian_kl in mu": (lambda x: F.gaussian_kl(x, 0 * x), lambda x: x**2 / 2),
    "bce of a class that is improbable and absent": (lambda x: F.bce(abs(x), 0.0), lambda x: -mpmath.log1p(-abs(x))),
    "bce_with_logits of a certain class": (
        lambda x: F.bce_with_logits(-4 / abs(x) ** 0.1, 0.0),
        lambda x: mpmath.log1p(mpmath.exp(-4 / abs(x) ** mpmath.mpf("0.1"))),
    ),
    "cross_entropy of a certain class": (
        lambda x: F.cross_entropy(
            x * np.array([[0, 0.0]], x.dtype) + np.array([[0, -60.0]], x.dtype), np.zeros(1, int)
        ),
        lambda x: mpmath.log1p(mpmath.exp(-60)),
    ),
    "huber": (lambda x: F.huber(x, 0.0), lambda x: x**2 / 2),
    "mse": (lambda x: F.mse(x, 0.0), lambda x: x**2),
    "l1": (lambda x: F.l1(x, 0.0), abs),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NEAR_ZERO)
@given(power=st.integers(-15, -1), sign=st.sampled_from([-1, 1]))
def test_losses_near_zero_keep_their_digits(name, power, sign, dtype):
    loss, exact = NEAR_ZERO[name]
    x = tg.Tensor(np.full((1, 1), sign * 10.0**power, dtype))
    with mpmath.workdps(60):
        expected = float(exact(mpmath.mpf(x.item())))
    found = loss(x).item()
    assert found >= 0
    assert found == pytest.approx(expected, rel=200 * float(np.finfo(dtype).eps), abs=float(np.finfo(dtype).tiny))


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


@pytest.mark.parametrize("dtype, most", [(np.float32, 120), (np.float64, 1000)])
@given(data=st.data(), axis=st.sampled_from([None, 0, -1, (0, 1)]), keepdims=st.booleans(), seed=seeds)
def test_norm_in_another_unit(dtype, most, data, axis, keepdims, seed):
    unit = 2.0 ** data.draw(st.integers(-most, most))
    x = np.random.default_rng(seed).normal(size=(4, 5)).astype(dtype)
    a, b = (tg.Tensor(z, requires_grad=True) for z in (x, x * dtype(unit)))
    short, long = F.norm(a, axis=axis, keepdims=keepdims), F.norm(b, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(long.numpy(), short.numpy() * dtype(unit))
    np.testing.assert_allclose(short.numpy(), np.sqrt((x.astype(float) ** 2).sum(axis=axis, keepdims=keepdims)), 1e-6)
    np.testing.assert_allclose(tg.grad(long.sum(), b).numpy(), tg.grad(short.sum(), a).numpy(), 1e-6)


def test_kinks_as_documented():
    zero = tg.Parameter(np.zeros(3))
    np.testing.assert_array_equal(tg.grad(F.norm(zero), zero).data, 0)
    np.testing.assert_array_equal(tg.grad(F.l1(zero, np.zeros(3)), zero).data, 0)
    np.testing.assert_array_equal(tg.grad(F.min(zero), zero).data, [1, 0, 0])


# -- extremes ----------------------------------------------------------------------------------------------------------


def exact(f, *args):
    return float(f(*(mpmath.mpf(float(a)) for a in args)))


def assert_relative(found, expected, rtol=1e-14):
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)


@pytest.mark.parametrize("t", LABELS)
def test_bce_with_logits_at_extremes(t):
    def value(x, t):
        return t * mpmath.log(1 + mpmath.exp(-x)) + (1 - t) * mpmath.log(1 + mpmath.exp(x))

    def slope(x, t):
        return 1 / (1 + mpmath.exp(-x)) - t

    x = tg.Parameter(np.array(EXTREMES))
    targets = np.full(x.shape, t)
    mpmath.mp.dps = 5000  # so that 1 + exp(-10⁴) keeps both terms
    try:
        values, slopes = ([exact(f, a, t) for a in EXTREMES] for f in (value, slope))
    finally:
        mpmath.mp.dps = 40
    assert_relative(F.bce_with_logits(x, targets, reduction="none").data, values)
    assert_relative(tg.grad(F.bce_with_logits(x, targets, reduction="sum"), x).data, slopes)


def test_bce_is_finite_where_it_is_right():
    p = tg.Parameter(np.array([0.0, 1.0, 0.0, 1.0, 1e-300, 0.25]))
    t = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.5])
    expected = [0, 0, 0, 0, 300 * np.log(10), -0.5 * np.log(0.25) - 0.5 * np.log(0.75)]
    assert_relative(F.bce(p, t, reduction="none").data, expected)
    slopes = [1, -1, 1, -1, -1e300, -0.5 / 0.25 + 0.5 / 0.75]
    assert_relative(tg.grad(F.bce(p, t, reduction="sum"), p).data, slopes)


def test_bce_is_infinite_where_it_is_wrong():
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(F.bce(np.array([0.0, 1.0]), np.array([1.0, 0.0]), reduction="none").data, np.inf)


def test_log_softmax_and_cross_entropy_at_extremes():
    x = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [1e4, 1e4 - 1, 1e4 - 700], [5.0, 5.0, 5.0]])
    mpmath.mp.dps = 50
    total = [mpmath.log(sum(mpmath.exp(mpmath.mpf(a)) for a in row)) for row in x.tolist()]
    expected = np.array([[float(mpmath.mpf(a) - s) for a in row] for row, s in zip(x.tolist(), total)])
    np.testing.assert_allclose(F.log_softmax(x).data, expected, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(F.softmax(x).data, np.exp(expected), rtol=1e-14, atol=1e-300)
    for label in range(3):
        labels = np.full(5, label)
        losses = F.cross_entropy(x, labels, reduction="none").data
        np.testing.assert_allclose(losses, -expected[:, label], rtol=1e-14, atol=1e-15)
        variable = tg.Parameter(x)
        slopes = tg.grad(F.cross_entropy(variable, labels, reduction="sum"), variable).data
        np.testing.assert_allclose(slopes, np.exp(expected) - np.eye(3)[label], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("log_var", [0.0, 1.0, -1.0, 88.0, -88.0, 700.0, -700.0, -1e4])
def test_gaussian_kl_at_extremes(log_var):
    def kl(mu, log_var):
        return (mu**2 + mpmath.exp(log_var) - 1 - log_var) / 2

    for mu in (0.0, 1.0, -1e4):
        variable = tg.Parameter(np.array([[log_var]]))
        found = F.gaussian_kl(np.array([[mu]]), variable)
        assert_relative(found.item(), exact(kl, mu, log_var))
        assert_relative(tg.grad(found, variable).item(), exact(mpmath.expm1, log_var) / 2)


finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(x=finite32, other=finite32, t=st.floats(0, 1, width=32))
def test_float32_is_never_nan(x, other, t):
    """From finite numbers a loss and its gradient may overflow to infinity, but never become NaN."""
    a, b, t = (np.array([[v, -v]], np.float32) for v in (x, other, t))
    t = np.abs(t)
    losses = [F.mse, F.l1, F.huber, F.gaussian_kl]
    with np.errstate(all="ignore"):
        for loss, second in [*((f, b) for f in losses), (F.bce_with_logits, t), (F.cross_entropy, np.array([1]))]:
            first = tg.Parameter(a)
            y = loss(first, second)
            g = tg.grad(y, first)
            assert y.dtype == g.dtype == np.float32
            assert not np.isnan(y.data) and not np.isnan(g.data).any(), loss.__name__


# -- mistakes ----------------------------------------------------------------------------------------------------------

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
def test_a_wrong_reduction_lists_the_legal_ones(loss):
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
            r"bce: expected the prediction to be in \[0, 1\], got 2..2: .* call bce_with_logits",
        ),
        (
            lambda: F.bce(x3, 255 * x3),
            ValueError,
            r"bce: expected the target to be in \[0, 1\], got 255..255: .* pixels / 255",
        ),
        (
            lambda: F.bce_with_logits(x3, -x3),
            ValueError,
            r"bce_with_logits: expected the target to be in \[0, 1\], got -1..-1",
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
def test_errors_say_what_to_do(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
