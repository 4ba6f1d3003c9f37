"""Derivatives of order 1 to 4 against closed forms from NumPy's polynomials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from numpy.polynomial.hermite_e import hermeval

import tinygen as tg

points = st.lists(st.floats(-2, 2), min_size=1, max_size=4).map(np.array)
orders = st.integers(1, 4)


def derivative(f, at, order):
    """The derivative of that order of an elementwise function, by repeated calls of `grad`."""
    x = tg.Parameter(at)
    y = f(x)
    for _ in range(order):
        if not y.requires_grad:  # the derivative of a linear function does not depend on x
            return np.zeros(at.shape)
        y = tg.grad(y.sum(), x, create_graph=True)
    return y.data


def close(found, expected, scale):
    assert (np.abs(found - expected) <= 1e-12 * scale).all(), (found, expected)


@given(coefficients=st.lists(st.floats(-3, 3), min_size=1, max_size=7), at=points, order=orders)
def test_polynomials(coefficients, at, order):
    def horner(x):
        y = tg.Tensor(np.full(at.shape, coefficients[-1])) + 0.0 * x
        for c in coefficients[-2::-1]:
            y = y * x + c
        return y

    exact = Polynomial(coefficients).deriv(order)
    terms = Polynomial(np.abs(coefficients)).deriv(order)(np.abs(at))
    close(derivative(horner, at, order), exact(at), terms + 1e-12)


@given(at=points, order=orders)
def test_gaussian(at, order):
    """The n-th derivative of exp(-x²/2) is (-1)ⁿ Heₙ(x) exp(-x²/2)."""
    exact = (-1) ** order * hermeval(at, np.eye(5)[order]) * np.exp(-(at**2) / 2)
    close(derivative(lambda x: tg.exp(x * x * -0.5), at, order), exact, 100)


@pytest.mark.parametrize("f, slope", [(tg.sigmoid, [0, 1, -1]), (tg.tanh, [1, 0, -1])], ids=["sigmoid", "tanh"])
@given(at=points, order=orders)
def test_functions_whose_derivative_is_a_polynomial_of_themselves(f, slope, at, order):
    """σ' = σ - σ² and tanh' = 1 - tanh²: so the n-th derivative of y is a polynomial in y."""
    p = repeated(slope, order)
    y = np.tanh(at) if f is tg.tanh else 1 / (1 + np.exp(-at))
    close(derivative(f, at, order), p(y), np.abs(p.coef).sum())


def repeated(slope, order):
    """The polynomial p with p(y) = the derivative of that order of y(x), if y' is the polynomial `slope` of y."""
    p = Polynomial([0, 1])
    for _ in range(order):
        p = p.deriv() * Polynomial(slope)
    return p


@given(at=points, order=orders)
def test_the_derivative_of_softplus_is_the_sigmoid(at, order):
    close(derivative(tg.softplus, at, order), repeated([0, 1, -1], order - 1)(1 / (1 + np.exp(-at))), 10)


@given(at=points, order=orders)
def test_sine_and_cosine(at, order):
    close(derivative(tg.sin, at, order), np.sin(at + order * np.pi / 2), 1)
    close(derivative(tg.cos, at, order), np.cos(at + order * np.pi / 2), 1)


@pytest.mark.parametrize("power", [-2.0, -1.0, 0.5, 2.5, 3.0])
@given(at=points, order=orders)
def test_powers(power, at, order):
    """The derivatives of a power are falling factorials; sqrt and 1/x are powers too."""
    at = np.abs(at) + 0.5
    exact = np.prod(power - np.arange(order)) * at ** (power - order)
    forms = [lambda x: x**power, lambda x: tg.exp(tg.log(x) * power)]
    forms += {0.5: [tg.sqrt], -1.0: [lambda x: 1 / x]}.get(power, [])
    for f in forms:
        close(derivative(f, at, order), exact, 100 * np.abs(at ** (power - order)) + np.abs(exact))


@given(at=points, order=orders)
def test_logarithm(at, order):
    at = np.abs(at) + 0.5
    exact = (-1) ** (order - 1) * np.prod(np.arange(1, order)) * at**-order
    close(derivative(tg.log, at, order), exact, np.abs(exact) * order)


@given(names=st.permutations("xxyy"), x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_mixed_derivatives_do_not_depend_on_the_order(names, x, y):
    """∂⁴/∂x²∂y² of sin(x) exp(y) + x²y² is -sin(x) exp(y) + 4, in any order."""
    at = {"x": tg.Parameter(np.array(x)), "y": tg.Parameter(np.array(y))}
    z = tg.sin(at["x"]) * tg.exp(at["y"]) + at["x"] * at["x"] * at["y"] ** 2.0
    for name in names:
        z = tg.grad(z, at[name], create_graph=True)
    close(z.data, 4 - np.sin(x) * np.exp(y), 20)


@given(seed=st.integers(0, 2**32 - 1))
def test_gradients_inside_a_loss(seed):
    """The gradient penalty of WGAN-GP, ∇_w (|∇ₓ f| - 1)² for f = ½ w·x², where ∇ₓ f = w x."""
    rng = np.random.default_rng(seed)
    w, x = tg.Parameter(rng.normal(size=3) + 2), tg.Parameter(rng.normal(size=(5, 3)) + 2)
    slope = tg.grad((w * x * x).sum() * 0.5, x, create_graph=True)  # (N, D)
    norm = tg.sqrt((slope * slope).sum(axis=1))
    found = tg.grad(((norm - 1) ** 2).sum(), w).data
    length = np.sqrt((w.data**2 * x.data**2).sum(1, keepdims=True))
    exact = (2 * (length - 1) / length * w.data * x.data**2).sum(0)
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)
