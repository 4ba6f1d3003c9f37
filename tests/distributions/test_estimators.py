"""The gradient of an expectation by two estimators: unbiased, with the variances that theory predicts."""

import numpy as np
import pytest
from helpers.draws import assert_near, rng
from hypothesis import strategies as st

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal, pathwise, score_function

seeds, numbers = st.integers(0, 2**32 - 1), st.floats(-4, 4)


# -- the gradient of an expectation, by two estimators -----------------------------------------------------------------
# f(z) = Σ zᵢ² under N(μ, σ²): E f = Σ μᵢ² + σᵢ², so its gradient is 2μ in μ and σ² in log σ².

MU, LOG_VAR, DRAWS = 0.8, -0.4, 40_000


def square(z):
    return (z * z).sum(axis=-1)


def estimates(estimator, dims: int = 1, seed: int = 7, **options) -> np.ndarray:
    """Many independent one-draw estimates (DRAWS, 2, dims) of the gradient in μ and in log σ²."""
    mu, log_var = (tg.Parameter(np.full((DRAWS, dims), value)) for value in (MU, LOG_VAR))
    value = estimator(square, Normal(mu, log_var=log_var), rng(seed), **options)  # (DRAWS,): each has its own μ
    assert_near(value.numpy(), dims * (MU**2 + np.exp(LOG_VAR)))
    return np.stack([g.numpy() for g in tg.grad(value.sum(), [mu, log_var])], axis=1)


@pytest.mark.parametrize("dims", [1, 5])
@pytest.mark.parametrize(
    "estimator, options",
    [(pathwise, {}), (pathwise, {"draws": 3}), (score_function, {}), (score_function, {"draws": 3, "baseline": 1.1})],
)
def test_both_estimators_of_a_gradient_are_unbiased(estimator, options, dims):
    gradients = estimates(estimator, dims, **options)
    assert_near(gradients, np.array([2 * MU, np.exp(LOG_VAR)])[:, None])


def test_the_score_function_has_the_higher_variance_and_by_how_much():
    """The lecture's "high variance": for f = z², in μ, it is 4σ² by the path, μ⁴/σ² + 14 μ² + 15 σ² by the score."""
    σ2 = np.exp(LOG_VAR)
    path, score = (estimates(estimator)[:, 0, 0] for estimator in (pathwise, score_function))
    expected = (MU**4 / σ2 + 14 * MU**2 + 15 * σ2) / (4 * σ2)
    assert expected > 6
    assert score.var() / path.var() == pytest.approx(expected, rel=0.1)


def test_the_ratio_grows_with_the_dimension_and_a_baseline_takes_most_of_it_back():
    ratios = {}
    for dims in (1, 10):
        baseline = dims * (MU**2 + np.exp(LOG_VAR))  # E f
        path = estimates(pathwise, dims)[:, 0, 0].var()
        ratios[dims, "plain"] = estimates(score_function, dims)[:, 0, 0].var() / path
        ratios[dims, "baseline"] = estimates(score_function, dims, baseline=baseline)[:, 0, 0].var() / path
    assert ratios[10, "plain"] > 5 * ratios[1, "plain"]
    assert ratios[10, "baseline"] < ratios[10, "plain"] / 3


def test_the_expected_score_is_zero():
    mu, log_var = (tg.Parameter(np.full(DRAWS, value)) for value in (MU, LOG_VAR))
    q = Normal(mu, log_var=log_var)
    for score in tg.grad(q.log_prob(q.sample(rng(8))).sum(), [mu, log_var]):
        assert_near(score.numpy(), 0)


def test_the_score_function_serves_draws_that_have_no_gradient():
    """E Σ x = σ(a) + σ(b) for Bernoulli x: its gradient is σ'(a), σ'(b)."""
    logits = tg.Parameter(np.tile([0.4, -1.0], (DRAWS, 1)))
    value = score_function(lambda x: x.sum(axis=-1), Bernoulli(logits), rng(9))
    p = 1 / (1 + np.exp(-np.array([0.4, -1.0])))
    assert_near(tg.grad(value.sum(), logits).numpy(), p * (1 - p))
