"""Losses, softmax and norms of extreme numbers: near zero, up to ±10⁴, and where squares overflow or underflow."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F

mpmath.mp.dps = 40
EXTREMES = [s * x for x in (0.0, 1.0, 10.0, 88.0, 89.0, 700.0, 1e4) for s in (1, -1)]
LABELS = [0.0, 1.0, 0.3]


def exact(f, *args):
    return float(f(*(mpmath.mpf(float(a)) for a in args)))


# -- near zero ---------------------------------------------------------------------------------------------------------

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


# -- far from zero -----------------------------------------------------------------------------------------------------


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


# -- norms -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, most", [(np.float32, 120), (np.float64, 1000)])
@given(
    data=st.data(), axis=st.sampled_from([None, 0, -1, (0, 1)]), keepdims=st.booleans(), seed=st.integers(0, 2**32 - 1)
)
def test_norm_in_another_unit(dtype, most, data, axis, keepdims, seed):
    unit = 2.0 ** data.draw(st.integers(-most, most))
    x = np.random.default_rng(seed).normal(size=(4, 5)).astype(dtype)
    a, b = (tg.Tensor(z, requires_grad=True) for z in (x, x * dtype(unit)))
    short, long = F.norm(a, axis=axis, keepdims=keepdims), F.norm(b, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(long.numpy(), short.numpy() * dtype(unit))
    np.testing.assert_allclose(short.numpy(), np.sqrt((x.astype(float) ** 2).sum(axis=axis, keepdims=keepdims)), 1e-6)
    np.testing.assert_allclose(tg.grad(long.sum(), b).numpy(), tg.grad(short.sum(), a).numpy(), 1e-6)
