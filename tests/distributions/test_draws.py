"""Draws against densities, densities against SciPy, and the arguments of both."""

import numpy as np
import pytest
import scipy.stats
from helpers.draws import PAIRS, SPREAD, assert_near, expectation, normal, rng
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal, kl_divergence

seeds, numbers = st.integers(0, 2**32 - 1), st.floats(-4, 4)


# -- draws and densities -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mu, log_var", PAIRS)
def test_draws_have_the_moments_of_the_density(mu, log_var):
    """Ties the sampler to `log_prob`: a draw with σ² in place of σ would pass every test of gradients."""
    q = normal(mu, log_var)
    z = q.rsample(rng(1), (40_000,)).numpy()
    assert expectation(np.ones_like, q) == pytest.approx(1, abs=1e-12)
    for power in (1, 2, 3, 4):
        assert_near(z**power, expectation(lambda z: z**power, q))  # noqa: B023


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mu, log_var", PAIRS)
def test_draws_are_distributed_as_scipys(mu, log_var, dtype):
    q = normal(mu, log_var, (3,), dtype)
    z = q.rsample(rng(2), (5000,))
    assert z.shape == (5000, 3) and z.dtype == dtype
    assert scipy.stats.kstest(z.numpy().ravel(), scipy.stats.norm(mu, np.exp(log_var / 2)).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(z.numpy().T) - np.eye(3)).max() < SPREAD / np.sqrt(5000)  # entries are independent


@given(mu=numbers, log_var=numbers, x=st.floats(-9, 9))
def test_the_normal_density_and_entropy_are_scipys(mu, log_var, x):
    exact = scipy.stats.norm(mu, np.exp(log_var / 2))
    q = normal(mu, log_var, (2,))
    np.testing.assert_allclose(q.log_prob(np.full((3, 2), x)).numpy(), exact.logpdf(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(q.entropy().numpy(), [exact.entropy()] * 2, rtol=1e-12, atol=1e-12)


@given(logit=st.floats(-30, 30))
def test_bernoulli_is_scipys(logit):
    p = Bernoulli(np.array([logit]))
    exact = scipy.stats.bernoulli(1 / (1 + np.exp(-logit)))
    assert p.log_prob(np.ones(1)).item() == pytest.approx(-np.logaddexp(0, -logit), rel=1e-13)
    assert p.log_prob(np.zeros(1)).item() == pytest.approx(-np.logaddexp(0, logit), rel=1e-13)
    assert p.mean.item() == pytest.approx(exact.mean(), rel=1e-13)
    assert p.entropy().item() == pytest.approx(exact.entropy(), rel=1e-5, abs=1e-12)  # SciPy's loses digits at p = 1


def test_bernoulli_draws_have_the_mean_and_a_grey_value_is_a_mean_over_them():
    p = Bernoulli(np.array([-2.0, 0.2, 0.7, 3.0]))
    x = p.sample(rng(3), (20_000,)).numpy()
    assert set(np.unique(x)) == {0.0, 1.0}
    assert_near(x, p.mean.numpy())
    grey = np.array([0.1, 0.5, 0.9, 0.3])
    assert_near(p.log_prob((rng(4).random((20_000, 4)) < grey).astype(float)).numpy(), p.log_prob(grey).numpy())


@pytest.mark.parametrize("x", [[-0.1], [1.5], [np.nan]])
def test_bernoulli_refuses_what_is_no_probability(x):
    with pytest.raises(ValueError, match=r"expected x in \[0, 1\]"):
        Bernoulli(np.zeros(1)).log_prob(np.array(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("log_var", [-1e4, -700.0, -100.0, 0.0, 100.0, 700.0, 1e4])
def test_a_normal_of_any_width_has_a_density_at_its_mean(log_var, dtype):
    mu, width = tg.Parameter(np.ones(1, dtype)), tg.Parameter(np.full(1, log_var, dtype))
    q = Normal(mu, log_var=width)
    log_p, divergence = q.log_prob(np.ones(1, dtype)), kl_divergence(q, q)
    assert log_p.item() == pytest.approx(-0.5 * (log_var + np.log(2 * np.pi)), rel=1e-6)
    assert divergence.item() == 0
    assert [g.item() for g in tg.grad(log_p.sum(), [mu, width])] == [0, -0.5]
    assert [g.item() for g in tg.grad(divergence.sum(), [mu, width])] == [0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e30, np.inf])
def test_a_certain_bernoulli(size, dtype):
    p = Bernoulli(np.array([size, -size], dtype))
    for values, expected in ((p.log_prob(np.array([1, 0], dtype)), 0), (p.log_prob(np.array([0, 1], dtype)), -size)):
        np.testing.assert_array_equal(values.numpy(), np.full(2, expected, dtype))
    np.testing.assert_array_equal(p.entropy().numpy(), [0, 0])
    np.testing.assert_array_equal(kl_divergence(p, p).numpy(), [0, 0])


# -- what goes in ------------------------------------------------------------------------------------------------------


def test_one_seed_one_draw_and_it_moves_along_with_its_parameters():
    mu = tg.Parameter(np.zeros(3))
    a, b = (Normal(mu, log_var=0.0).rsample(rng(1)).numpy() for _ in range(2))
    assert (a == b).all()
    assert (tg.grad(Normal(mu, log_var=0.0).rsample(rng(1)).sum(), mu).numpy() == 1).all()
    assert not Normal(mu, log_var=0.0).sample(rng(1)).requires_grad


def test_shapes_that_would_broadcast_to_something_else_are_refused():
    with pytest.raises(ValueError, match=r"Normal: expected one shape.*'mu': \(3,\), 'log_var': \(3, 1\)"):
        Normal(np.zeros(3), log_var=np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"Normal.log_prob: expected x \(..., 4, 1\), got \(4,\)"):
        normal(0, 0, (4, 1)).log_prob(np.zeros(4))
    with pytest.raises(ValueError, match=r"kl_divergence: expected one shape, got \(4,\) and \(4, 1\)"):
        kl_divergence(normal(0, 0, (4,)), normal(0, 0, (4, 1)))
    with pytest.raises(TypeError, match="expected two families with a closed form, got Normal and Bernoulli: choose p"):
        kl_divergence(normal(0, 0), Bernoulli(np.zeros(1)))
    with pytest.raises(TypeError, match="positional"):  # which of σ, σ² and log σ² would it be?
        Normal(0.0, 1.0)
    with pytest.raises(TypeError, match="rng to be a numpy"):
        Normal(0.0, log_var=0.0).rsample(0)
