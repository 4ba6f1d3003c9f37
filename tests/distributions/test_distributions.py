"""Distributions: draws against densities, densities against SciPy, KL by three routes, two estimators of one gradient.

Whatever is random is held to its expectation within `SPREAD` standard errors, which are measured beside it.
"""

import mpmath
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.distributions import Bernoulli, Normal, kl_divergence, pathwise, score_function

SPREAD = 4.5  # standard errors: by chance beyond it once in 150,000 tries
PAIRS = [(0.0, 0.0), (1.5, 1.0), (-2.0, -1.2), (0.3, 2.0)]  # of μ and log σ²
seeds, numbers = st.integers(0, 2**32 - 1), st.floats(-4, 4)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(mu: float, log_var: float, shape=(1,), dtype=np.float64) -> Normal:
    return Normal(np.full(shape, mu, dtype), log_var=np.full(shape, log_var, dtype))


def expectation(f, q: Normal) -> float:
    """∫ f(z) q(z) dz with the density that `log_prob` gives, by the trapezium rule: exact here to 14 digits."""
    z = np.linspace(-60, 60, 24_001)[:, None]  # (24001, 1)
    return float(np.sum(f(z) * np.exp(q.log_prob(z).numpy())) * (z[1, 0] - z[0, 0]))


def assert_near(draws: np.ndarray, expected: np.ndarray | float) -> None:
    """The mean over the first axis is the expected one, within SPREAD of its standard errors."""
    mean, error = draws.mean(axis=0), draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(mean - expected) <= SPREAD * error).all(), f"{mean} ± {error}, expected {expected}"


# -- draws and densities -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mu, log_var", PAIRS)
def test_draws_have_the_moments_of_the_density(mu, log_var):
    """What ties the sampler to `log_prob`: a draw with σ² in place of σ passes every test of gradients."""
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
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\]"):
        Bernoulli(np.zeros(1)).log_prob(np.array(x))


# -- far out and near 0 ------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match=r"Normal.log_prob: x should be \(4, 1\).*got \(4,\)"):
        normal(0, 0, (4, 1)).log_prob(np.zeros(4))
    with pytest.raises(ValueError, match=r"kl_divergence: expected one shape, got \(4,\) and \(4, 1\)"):
        kl_divergence(normal(0, 0, (4,)), normal(0, 0, (4, 1)))
    with pytest.raises(TypeError, match="of two of a kind only, got Normal and Bernoulli"):
        kl_divergence(normal(0, 0), Bernoulli(np.zeros(1)))
    with pytest.raises(TypeError, match="positional"):  # which of σ, σ² and log σ² would it be?
        Normal(0.0, 1.0)
    with pytest.raises(TypeError, match="rng to be a numpy"):
        Normal(0.0, log_var=0.0).rsample(0)
