"""Very large and very small inputs, where careless formulas overflow or lose digits, compared with 400 digits."""

from decimal import Context, Decimal, localcontext
from itertools import product

import numpy as np
import pytest

import tinygen as tg
from tinygen import Tensor, grad
from tinygen.functional import log_softmax

POINTS = [sign * x for x in (1.0, 10.0, 88.0, 89.0, 700.0, 1e4, 1e30) for sign in (1, -1)]
WIDE = Context(prec=400, traps=[])  # e⁻⁷⁰⁰ beside 1 needs 305 digits; without traps e^(10³⁰) is infinite


# -- the same functions, to 400 digits ---------------------------------------------------------------------------------


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def softplus(x: Decimal) -> Decimal:
    return max(x, Decimal(0)) + (1 + (-abs(x)).exp()).ln()


def curvature(x: Decimal) -> Decimal:
    return sigmoid(x) * sigmoid(-x)


def silu(x: Decimal) -> Decimal:
    return x * sigmoid(x)


def silu_slope(x: Decimal) -> Decimal:
    return sigmoid(x) + x * curvature(x)


def true(f, *numbers) -> float:
    """The float nearest to f at exactly these numbers."""
    with localcontext(WIDE):
        return float(f(*(Decimal(float(x)) for x in numbers)))


def hold(got, expected, dtype):
    """1e-14 relative in float64; in float32 1e-6, and 1e-38 below its smallest normal number."""
    relative, absolute = (1e-14, 0) if dtype == np.float64 else (1e-6, 1e-38)
    np.testing.assert_allclose(got, np.asarray(expected, np.float64), rtol=relative, atol=absolute, equal_nan=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "value", "slope"),
    [(tg.sigmoid, sigmoid, curvature), (tg.softplus, softplus, sigmoid), (tg.silu, silu, silu_slope)],
    ids=["sigmoid", "softplus", "silu"],
)
def test_functions_of_one_number(f, value, slope, dtype):
    x = Tensor(np.array(POINTS, dtype), requires_grad=True)
    y = f(x)
    hold(y.numpy(), [true(value, p) for p in x.numpy()], dtype)
    hold(grad(y.sum(), x).numpy(), [true(slope, p) for p in x.numpy()], dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_of_two_numbers(dtype):
    """log(eᵃ + eᵇ) = a + softplus(b - a), with weights σ(a - b) and σ(b - a)."""
    x = Tensor(np.array(list(product(POINTS, POINTS)), dtype), requires_grad=True)
    y = tg.logsumexp(x, axis=1)
    hold(y.numpy(), [true(lambda a, b: a + softplus(b - a), *row) for row in x.numpy()], dtype)
    weights = [[true(lambda a, b: sigmoid(a - b), *r), true(lambda a, b: sigmoid(b - a), *r)] for r in x.numpy()]
    hold(grad(y.sum(), x).numpy(), weights, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax_of_two_numbers(dtype):
    """log σ(a - b) = -softplus(b - a), which moves by ±σ(b - a)."""
    x = Tensor(np.array(list(product(POINTS, POINTS)), dtype), requires_grad=True)
    y = log_softmax(x, axis=1)
    hold(y.numpy()[:, 0], [true(lambda a, b: -softplus(b - a), *row) for row in x.numpy()], dtype)
    slope = np.array([true(lambda a, b: sigmoid(b - a), *row) for row in x.numpy()])
    gradient = grad(y[:, 0].sum(), x).numpy()
    hold(gradient[:, 1], -slope, dtype)
    hold(gradient.sum(axis=1) + 1, np.ones(len(slope)), dtype)  # a common shift changes nothing


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("f", [tg.relu, tg.leaky_relu, tg.tanh, tg.erf, tg.normal_cdf, tg.gelu, tg.silu, tg.softplus])
def test_activations_are_finite_for_every_finite_number(f, dtype):
    largest = np.finfo(dtype).max
    x = Tensor(np.array([*POINTS, largest, -largest, 0, 1e-30, -1e-30], dtype), requires_grad=True)
    y, gy = f(x), Tensor(np.ones(x.shape, dtype), requires_grad=True)
    with np.errstate(over="ignore"):  # x² of exp(-x²)
        first = grad(y, x, gy, create_graph=True)
        second = grad(first.sum(), x)
    assert np.isfinite([y.numpy(), first.numpy(), second.numpy()]).all()


# -- `where` protects the branch that it did not take ------------------------------------------------------------------

POLES = {  # name: (the branch, its first and second derivative, the condition under which it is taken)
    "sqrt": (tg.sqrt, lambda x: 0.5 / np.sqrt(x), lambda x: -0.25 * x**-1.5, (0, np.inf)),
    "log": (tg.log, lambda x: 1 / x, lambda x: -1 / x**2, (0, np.inf)),
    "exp": (tg.exp, np.exp, np.exp, (-np.inf, 10)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3, (0, np.inf)),
    "sin x / x": (
        lambda x: tg.sin(x) / x,
        lambda x: np.cos(x) / x - np.sin(x) / x**2,
        lambda x: -np.sin(x) / x - 2 * np.cos(x) / x**2 + 2 * np.sin(x) / x**3,
        (0, np.inf),
    ),
    "pow": (lambda x: x**-1.5, lambda x: -1.5 * x**-2.5, lambda x: 3.75 * x**-3.5, (0, np.inf)),
    "exponent": (
        lambda x: tg.pow(x, x),
        lambda x: x**x * (np.log(x) + 1),
        lambda x: x**x * ((np.log(x) + 1) ** 2 + 1 / x),
        (0, np.inf),
    ),
    "norm": (
        lambda x: tg.sqrt((x[:, None] * np.array([[3.0, 4.0]])) ** 2).sum(axis=1),
        lambda x: 7 * np.sign(x),
        lambda x: 0 * x,
        (0, np.inf),
    ),
}


@pytest.mark.parametrize("name", POLES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the branch that is not taken does divide by zero
def test_where_protects_the_branch_not_taken(name):
    f, first, second, (low, high) = POLES[name]
    at = np.array([0.0, -0.0, 0.25, -1.0, 2.0, 1e4, -1e4, 3.0])
    taken = (low < at) & (at < high) & (abs(at) < 100)
    safe = np.where(taken, at, 1.0)
    x = Tensor(at, requires_grad=True)
    y = tg.where(taken, f(x), 0.0)
    gradient = grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(gradient.numpy(), np.where(taken, first(safe), 0), rtol=1e-14, equal_nan=False)
    again = grad(gradient.sum(), x)
    np.testing.assert_allclose(again.numpy(), np.where(taken, second(safe), 0), rtol=1e-12, equal_nan=False)


# -- NaN stays NaN -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f", [tg.relu, tg.leaky_relu, tg.abs, tg.sigmoid, tg.softplus, tg.silu, tg.gelu, tg.tanh, tg.clip]
)
def test_nan_and_infinity_are_not_swallowed(f):
    x = np.array([np.nan, 1.0, np.inf, -np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        y = f(Tensor(x)).numpy()
    np.testing.assert_array_equal(np.isnan(y[[0, 4]]), True)
    assert y[1] == f(Tensor(x[1:2])).numpy()[0]


@pytest.mark.parametrize("f", [tg.maximum, tg.minimum])
def test_nan_wins_any_comparison(f):
    a, b = np.array([np.nan, 1.0, np.nan, 2.0]), np.array([1.0, np.nan, np.nan, 3.0])
    np.testing.assert_array_equal(np.isnan(f(Tensor(a), Tensor(b)).numpy()), [True, True, True, False])


@pytest.mark.parametrize("f", [lambda x: tg.max(x, axis=(1, 2)), lambda x: tg.max_pool2d(x, kernel_size=2, stride=1)])
def test_nan_is_the_largest(f):
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    x[0, 1, 1, 0] = np.nan  # in every window
    assert np.isnan(f(Tensor(x)).numpy()).all()


def test_conv2d_spreads_nan_only_over_the_windows_that_contain_it():
    x = np.ones((1, 4, 4, 1))
    x[0, 0, 0, 0] = np.nan
    y = tg.conv2d(Tensor(x), Tensor(np.zeros((2, 2, 1, 1)))).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(np.isnan(y), [[True, False, False], [False, False, False], [False, False, False]])
