"""KL divergences in closed form, against quadrature, Monte Carlo and 60 digits."""

import mpmath
import numpy as np
import pytest
from helpers.draws import PAIRS, assert_near, expectation, normal, rng
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal, kl_divergence

seeds, numbers = st.integers(0, 2**32 - 1), st.floats(-4, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(q=st.floats(-20, 20), apart=st.integers(-12, 1), sign=st.sampled_from([-1, 1]))
def test_kl_of_near_neighbours_keeps_its_digits(q, apart, sign, dtype):
    """With 60 digits: of two Bernoullis, and of two normals that differ in their log_var."""
    q, p = dtype(q), dtype(q + sign * 10.0**apart)
    with mpmath.workdps(60):
        a, b = (mpmath.mpf(float(x)) for x in (q, p))
        yes = 1 / (1 + mpmath.exp(-a))
        of_bernoullis = mpmath.log1p(yes * mpmath.expm1(b - a)) - yes * (b - a)
        of_normals = (mpmath.expm1(a - b) - (a - b)) / 2
    close = {"rel": 40 * float(np.finfo(dtype).eps), "abs": float(np.finfo(dtype).tiny)}
    found = kl_divergence(Bernoulli(np.array([q])), Bernoulli(np.array([p]))).item()
    assert found >= 0 and found == pytest.approx(float(of_bernoullis), **close)
    found = kl_divergence(*(Normal(np.zeros(1, dtype), log_var=np.array([x])) for x in (q, p))).item()
    assert found >= 0 and found == pytest.approx(float(of_normals), **close)


# -- KL divergence: in closed form, by quadrature, by Monte Carlo ------------------------------------------------------


@pytest.mark.parametrize("p", PAIRS)
@pytest.mark.parametrize("q", PAIRS)
def test_kl_of_normals_is_the_integral_and_the_mean_of_draws(q, p):
    q, p = normal(*q), normal(*p)
    exact = kl_divergence(q, p).item()
    log_ratio = lambda z: q.log_prob(z).numpy() - p.log_prob(z).numpy()
    assert exact == pytest.approx(expectation(log_ratio, q), rel=1e-10, abs=1e-12)
    z = q.rsample(rng(5), (20_000,)).numpy()
    assert_near(log_ratio(z), exact)


@given(seed=seeds)
def test_kl_to_the_standard_normal_is_the_loss_of_functional(seed):
    mu, log_var = rng(seed).normal(size=(2, 3, 4))
    found = kl_divergence(Normal(mu, log_var=log_var), Normal(0.0, log_var=0.0))
    expected = tg.functional.gaussian_kl(mu, log_var, reduction="none")
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-13)


@given(a=st.floats(-12, 12), b=st.floats(-12, 12))
def test_kl_of_bernoullis_is_the_sum_over_both_outcomes(a, b):
    q, p = Bernoulli(np.array([a])), Bernoulli(np.array([b]))
    outcomes = (1 / (1 + np.exp(-a)), np.ones(1)), (1 / (1 + np.exp(a)), np.zeros(1))  # probability, x
    terms = [weight * (q.log_prob(x).item() - p.log_prob(x).item()) for weight, x in outcomes]
    assert kl_divergence(q, p).item() == pytest.approx(sum(terms), abs=1e-11)


@pytest.mark.parametrize("kind", ["normal", "bernoulli"])
def test_the_gradients_of_densities_entropy_and_kl(kind):
    def all_of(a, b, x):
        q, p = (Normal(a, log_var=b), Normal(b, log_var=a)) if kind == "normal" else (Bernoulli(a), Bernoulli(b))
        return q.log_prob(x if kind == "normal" else tg.sigmoid(x)), q.entropy(), kl_divergence(q, p)

    assert tg.check(lambda *arrays: sum(y.sum() for y in all_of(*arrays)), *rng(6).normal(size=(3, 2, 3)), order=2).ok
