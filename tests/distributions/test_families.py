"""Every family of distributions: draws, densities and moments, compared with those of SciPy and with each other.

Statistical tests have fixed seeds. A correct family would fail one of them with a probability of 1e-5 for each p-value,
and of 7e-6 for each mean that is compared within `SPREAD` standard errors.
"""

import numpy as np
import pytest
import scipy.stats
from helpers.draws import assert_near, rng
from helpers.families import DISCRETE, ROWS, log_density, made, moments, values, variables

import tinygen as tg
from tinygen import distributions
from tinygen.distributions import FAMILIES, Distribution
from tinygen.distributions.location_scale import LocationScale

CONTINUOUS = sorted(set(FAMILIES) - DISCRETE)
LEVEL, DRAWS = 1e-5, 4000


@pytest.fixture
def seeds(profile):
    """Seeds of random parameters."""
    return range(100, 102 if profile == "quick" else 160)


def subclasses(cls: type) -> set[type]:
    return {c for child in cls.__subclasses__() for c in {child, *subclasses(child)}}


def test_every_family_is_registered_and_has_a_row():
    written = {c for c in subclasses(Distribution) if c.__module__.startswith("tinygen.")} - {LocationScale}
    assert set(FAMILIES.values()) == written
    assert set(ROWS) == set(FAMILIES) <= set(distributions.__all__)
    for name, row in ROWS.items():
        assert row.extremes and row.far, name
        assert (FAMILIES[name].event == 1) == (row.marginals is not None), name


# -- draws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAMILIES)
def test_draws_are_distributed_as_scipys(name, dtype):
    """By Kolmogorov and Smirnov, or by chi-square for discrete families; of vectors, each entry by itself."""
    for seed in (1, 2):
        parameters = ROWS[name].random(rng(seed))
        q = made(name, parameters, dtype)
        x = q.sample(rng(seed + 10), (DRAWS,))
        assert x.shape == (DRAWS, *q.shape) and x.dtype == q.dtype == dtype and not x.requires_grad
        row, columns = ROWS[name], x.numpy().reshape(DRAWS, -1).T.astype(np.float64)
        each = row.marginals(**parameters) if row.marginals else [row.exact(**parameters)]
        if name in DISCRETE:
            ones = columns.sum(axis=1)
            assert set(np.unique(columns)) == {0.0, 1.0} and (name == "Bernoulli" or ones.sum() == DRAWS)
            p = np.array([d.mean() for d in each])
            counts, p = (ones, p) if len(p) > 1 else (np.array([DRAWS - ones[0], ones[0]]), np.array([1 - p[0], p[0]]))
            assert scipy.stats.chisquare(counts, DRAWS * p).pvalue > LEVEL
        else:
            for column, exact in zip(columns, each):
                assert scipy.stats.kstest(column, exact.cdf).pvalue > LEVEL


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_have_the_moments_of_scipy_and_their_mean_score_is_zero(name):
    """E ∇ log q(x) = 0 holds for draws from q only: it ties the sampler to the density in every parameter."""
    parameters = ROWS[name].random(rng(3))
    given = variables(parameters, DRAWS)
    q = made(name, given)
    x = q.sample(rng(4)).numpy()  # (DRAWS, ...): each draw has parameters of its own
    mean, variance = moments(name, parameters)
    np.testing.assert_allclose(q.mean.numpy()[0], mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(q.variance.numpy()[0], variance, rtol=1e-10, atol=1e-12)
    assert_near(x, mean)
    assert_near((x - mean) ** 2, variance)
    assert_near(-q.log_prob(x).numpy(), q.entropy().numpy()[0])
    wanted = [v for k, v in given.items() if k != "k"]
    for score in tg.grad(q.log_prob(x).sum(), wanted):
        assert_near(score.numpy(), 0)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_pathwise_gradients_are_those_of_the_expectations(name):
    """The mean of ∇ f(x) for f = x and for f = x², against numerical derivatives of SciPy's moments."""
    parameters = ROWS[name].random(rng(5))
    given = variables(parameters, DRAWS)
    x = made(name, given).rsample(rng(6))
    weights = np.arange(1.0, 1 + x[0].size).reshape(x.shape[1:])

    def expected(**changed):
        mean, variance = moments(name, parameters | changed)
        return np.array([(weights * mean).sum(), (weights * (variance + mean**2)).sum()])

    for key in set(given) - {"k"}:
        value = np.asarray(parameters[key])
        found = [tg.grad((y * weights).sum(), given[key], retain_graph=True).numpy() for y in (x, x * x)]
        for i in np.ndindex(value.shape):
            if key == "cholesky" and i[1] > i[0]:
                continue
            h = np.zeros(value.shape)
            h[i] = 1e-5
            slope = (expected(**{key: value + h}) - expected(**{key: value - h})) / 2e-5
            for gradient, right in zip(found, slope):
                one = gradient[(slice(None), *i)]
                assert abs(one.mean() - right) <= 4.5 * one.std() / np.sqrt(DRAWS) + 1e-7 * (1 + abs(right)), (key, i)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_each_draw_is_a_smooth_function_of_the_parameters(name, profile):
    """With the same random numbers, gradients of first and second order are those of differences."""
    order = 2 if name == "Gamma" or profile == "full" else 1
    parameters = ROWS[name].random(rng(7))
    keys = sorted(set(parameters) - {"k"})
    fixed = {k: v for k, v in parameters.items() if k == "k"}

    def draws(*arrays):
        return FAMILIES[name](**fixed, **dict(zip(keys, arrays))).rsample(rng(8), (2,))

    assert tg.check(draws, *(np.asarray(parameters[k], np.float64) for k in keys), order=order, float32=False).ok


# -- densities ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_densities_and_entropies_are_scipys(name, seeds):
    for seed in seeds:
        parameters = ROWS[name].random(rng(seed))
        q, x = made(name, parameters), values(name, parameters, rng(seed), 5)
        found = q.log_prob(x).numpy()
        assert found.shape == (5,)
        np.testing.assert_allclose(found, log_density(name, parameters, x), rtol=1e-9, atol=1e-9)
        entropy = np.sum(ROWS[name].exact(**parameters).entropy())
        np.testing.assert_allclose(q.entropy().item(), entropy, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in CONTINUOUS if hasattr(FAMILIES[n], "icdf")])
def test_the_distribution_function_and_its_inverse_are_scipys(name, seeds):
    for seed in seeds:
        parameters = ROWS[name].random(rng(seed))
        q, exact = made(name, parameters), ROWS[name].exact(**parameters)
        u = np.array([0.0, 1e-300, 1e-9, 0.2, 0.5, 0.9, 1 - 1e-9, 1.0])
        np.testing.assert_allclose(q.icdf(u).numpy(), exact.ppf(u), rtol=1e-9, atol=1e-9)
        x = exact.ppf([1e-200, 1e-9, 0.3, 0.5, 0.9])
        np.testing.assert_allclose(q.cdf(x).numpy(), exact.cdf(x), rtol=1e-6, atol=0)
        np.testing.assert_allclose(q.cdf(x).numpy(), exact.cdf(x), rtol=1e-9, atol=1e-12)
        slope = tg.Parameter(x)
        np.testing.assert_allclose(
            tg.grad(q.cdf(slope).sum(), slope).numpy(), np.exp(q.log_prob(x).numpy()), rtol=1e-6, atol=1e-200
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_is_as_close_to_float64_as_its_inputs_allow(name, seeds):
    """Up to rounding of the inputs and of the result: 16 units in the last place of each, times its derivative."""
    for seed in seeds:
        parameters = {k: v if k == "k" else np.float32(v) for k, v in ROWS[name].random(rng(seed)).items()}
        x = np.float32(values(name, parameters, rng(seed), 4))
        if name == "Dirichlet":
            x = np.float32(x / x.sum(axis=-1, keepdims=True))
        elif name not in DISCRETE:
            x = np.clip(x, np.finfo(np.float32).tiny, 1 - 6e-8) if name == "Beta" else x
        given, at = variables(parameters, 4), tg.Parameter(np.float64(x))
        wanted = [v for k, v in given.items() if k != "k"]
        q = made(name, given)
        for value, low in (
            (q.log_prob(at), made(name, parameters, np.float32).log_prob(x)),
            (q.entropy(), made(name, parameters, np.float32).entropy()),
        ):
            inputs = [*wanted, at] if low.shape == (4,) else wanted
            gradients = tg.grad(value.sum(), inputs)
            size = 1 + np.abs(value.numpy())
            for v, g in zip(inputs, gradients):
                size = size + np.abs(v.numpy() * g.numpy()).reshape(4, -1).sum(axis=1)
            assert low.dtype == np.float32
            assert (np.abs(low.numpy() - value.numpy()) <= 16 * np.finfo(np.float32).eps * size).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_nan_at_the_extremes(name, dtype):
    row = ROWS[name]
    for parameters in row.extremes:
        given = variables(parameters, dtype=dtype)
        q = made(name, given)
        wanted = [v for k, v in given.items() if k != "k"]
        found = [q.log_prob(np.array(x, dtype)) for x in row.far] + [q.entropy(), q.sample(rng(9), (20,))]
        if hasattr(q, "cdf"):
            found += [q.cdf(np.array(x, dtype)) for x in row.far]
        for y in found:
            assert not np.isnan(y.numpy()).any(), (parameters, y)
            if y.requires_grad:
                with np.errstate(all="ignore"):
                    assert not any(np.isnan(g.numpy()).any() for g in tg.grad(y.sum(), wanted)), (parameters, y)
        for p in row.extremes:
            with np.errstate(all="ignore"):
                if name in row.to:
                    assert not np.isnan(distributions.kl_divergence(q, made(name, p, dtype)).numpy()).any(), (
                        parameters,
                        p,
                    )


# -- what goes in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DISCRETE))
def test_discrete_families_refuse_rsample_and_name_what_works(name):
    q = made(name, ROWS[name].random(rng(0)))
    with pytest.raises(
        TypeError, match=rf"{name}\.rsample: expected a continuous family.*score_function.*Gumbel-softmax"
    ):
        q.rsample(rng(0))
    for temperature in (0, -1.0):
        with pytest.raises(ValueError, match="temperature to be a number above 0"):
            q.relaxed_sample(rng(0), temperature=temperature)


@pytest.mark.parametrize("name", sorted(DISCRETE))
def test_relaxed_draws_round_to_draws_and_have_the_gradients_of_differences(name):
    parameters = ROWS[name].random(rng(1))
    q = made(name, parameters)
    cold, warm = (q.relaxed_sample(rng(2), (DRAWS,), temperature=t).numpy() for t in (1e-6, 1.0))
    assert ((warm > 0) & (warm < 1)).all() and (np.minimum(cold, 1 - cold) < 1e-3).mean() > 0.99
    rounded = warm > 0.5 if name == "Bernoulli" else warm == warm.max(axis=-1, keepdims=True)
    np.testing.assert_array_equal(rounded, cold > 0.5)  # the temperature doesn't change the order
    assert_near(rounded.astype(float), q.mean.numpy())
    logits = np.asarray(parameters["logits"])
    assert tg.check(lambda a: FAMILIES[name](a).relaxed_sample(rng(3), (2,), temperature=0.7), logits).ok


@pytest.mark.parametrize("name", FAMILIES)
def test_wrong_arguments_are_refused(name):
    q = made(name, ROWS[name].random(rng(0)))
    with pytest.raises(TypeError, match=r"expected rng to be a numpy"):
        q.sample(0)
    low, high = q.support
    for outside in (low - 1, high + 1):
        if np.isfinite(outside):
            with pytest.raises(ValueError, match=rf"{name}.log_prob: expected x"):
                q.log_prob(np.full(q.shape, outside))
    if q.event:
        with pytest.raises(ValueError, match=rf"{name}.log_prob: expected x \(..., "):
            q.log_prob(np.zeros(q.shape[0] + 1))
    for key in {"concentration", "a", "b"} & set(ROWS[name].random(rng(0))):
        for wrong in (0.0, -1.0, np.nan, np.inf):
            parameters = ROWS[name].random(rng(0))
            parameters[key] = np.where(np.arange(np.size(parameters[key])) == 0, wrong, parameters[key])
            if not q.event:
                parameters[key] = parameters[key][0]
            with pytest.raises(ValueError, match=rf"expected {key} to be positive and finite"):
                made(name, parameters)
    if hasattr(q, "icdf"):
        with pytest.raises(ValueError, match=r"icdf: expected u in \[0, 1\], got 1.5"):
            q.icdf(1.5)
