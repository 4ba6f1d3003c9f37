"""KL divergences of every pair of families with a closed form, by quadrature, by exact sums and by draws."""

import numpy as np
import pytest
from helpers.draws import assert_near, rng
from helpers.families import DISCRETE, ROWS, log_density, made, moments, values

import tinygen as tg
from tinygen.distributions import (
    FAMILIES,
    Beta,
    Dirichlet,
    MultivariateNormal,
    Normal,
    kl_divergence,
    kl_rule,
    lower_factor,
)
from tinygen.distributions.kl import KL

PAIRS = [(q, p) for q, row in ROWS.items() for p in row.to]


def quadrature(q: str, of_q: dict, p: str, of_p: dict) -> float:
    """∫ (log q - log p) dF over u = F(x), by the tanh-sinh rule, with densities and quantiles of SciPy.

    Densities with kinks are integrated between them.
    """
    exact = ROWS[q].exact(**of_q)
    if q == "Laplace":
        ends = sorted([exact.ppf(1e-18), of_q["mu"], of_p["mu"], exact.isf(1e-18)])
        nodes, weight = np.polynomial.legendre.leggauss(100)
        middle, half = np.convolve(ends, [0.5, 0.5], "valid")[:, None], np.diff(ends)[:, None] / 2
        x, weight = middle + half * nodes, half * weight * exact.pdf(middle + half * nodes)
        return float((weight * (log_density(q, of_q, x) - log_density(p, of_p, x))).sum())
    t = np.arange(-3.4, 3.4, 0.04)
    half = 1 / (1 + np.exp(np.pi * np.sinh(np.abs(t))))  # u, or 1 - u for t > 0
    weight = 0.04 * np.pi * np.cosh(t) * half * (1 - half)
    x = np.where(t < 0, exact.ppf(half), exact.isf(half))
    inside = (x > 0) & (x < 1) if q == "Beta" else np.isfinite(x)  # beyond, 1 - x is rounded to 0
    x, weight = x[inside], weight[inside]
    return float((weight * (log_density(q, of_q, x) - log_density(p, of_p, x))).sum())


def outcomes(name: str, parameters: dict) -> np.ndarray:
    """All values of a discrete draw."""
    return np.eye(len(parameters["logits"])) if name == "Categorical" else np.array([0.0, 1.0])


def test_the_table_has_each_closed_form_and_no_other():
    found = {
        (q, p)
        for q in FAMILIES
        for p in FAMILIES
        for a, b in KL
        if issubclass(FAMILIES[q], a) and issubclass(FAMILIES[p], b)
    }
    assert set(PAIRS) | {("Gamma", "Erlang"), ("Exponential", "Erlang")} == found  # an Erlang p is a Gamma
    assert {name for name in FAMILIES if (name, name) not in PAIRS} == {"Logistic"}
    with pytest.raises(TypeError, match="got Logistic and Logistic: choose p among Normal, or take the mean of"):
        kl_divergence(*(made("Logistic", ROWS["Logistic"].random(rng(0))) for _ in range(2)))
    with pytest.raises(TypeError, match="got Normal and Gamma: choose p among Normal"):
        kl_divergence(made("Normal", ROWS["Normal"].random(rng(0))), made("Gamma", ROWS["Gamma"].random(rng(0))))


@pytest.mark.parametrize("q, p", PAIRS)
def test_kl_is_the_integral_or_the_sum_or_the_mean_of_draws(q, p, profile):
    for seed in range(2 if profile == "quick" else 30):
        of_q, of_p = ROWS[q].random(rng(seed)), ROWS[p].random(rng(seed + 1000))
        if "log_scale" in of_q and "log_scale" in of_p:  # else densities of SciPy underflow in the tails
            near = of_q["log_scale"] - 1.5, of_q["log_scale"] + 1.5
            of_p["log_scale"] = np.clip(of_p["log_scale"], *near)
        found = kl_divergence(made(q, of_q), made(p, of_p)).item()
        assert found > 0
        if q in DISCRETE:
            x = outcomes(q, of_q)
            log_q, log_p = log_density(q, of_q, x), log_density(p, of_p, x)
            assert found == pytest.approx((np.exp(log_q) * (log_q - log_p)).sum(), rel=1e-10)
        elif FAMILIES[q].event:
            x = values(q, of_q, rng(seed), 4000)
            assert_near(log_density(q, of_q, x) - log_density(p, of_p, x), found)
        else:
            assert found == pytest.approx(quadrature(q, of_q, p, of_p), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("q, p", PAIRS)
def test_the_gradients_of_kl_log_prob_and_entropy_are_those_of_differences(q, p):
    of_q, of_p = ROWS[q].random(rng(3)), ROWS[p].random(rng(4))
    keys = [(0, k) for k in of_q if k != "k"] + [(1, k) for k in of_p if k != "k"]
    x = moments(q, of_q)[0] if q not in DISCRETE else outcomes(q, of_q)[0]

    def everything(*arrays):
        mine, theirs = dict(of_q), dict(of_p)
        for (which, key), array in zip(keys, arrays):
            (theirs if which else mine)[key] = array
        mine, theirs = made(q, mine), made(p, theirs)
        return kl_divergence(mine, theirs) + mine.entropy() + (mine.log_prob(x + 0.1) if q not in DISCRETE else 0.0)

    if q == "Dirichlet":
        x = x - 0.1  # so that the sum of x + 0.1 is checked below
    arrays = [np.asarray((of_p if which else of_q)[key], np.float64) for which, key in keys]
    assert tg.check(everything, *arrays, order=1, float32=False).ok


@pytest.mark.parametrize("name", [n for n in FAMILIES if n in ROWS[n].to])
def test_kl_to_itself_is_zero_and_grows_with_the_square_of_a_step(name):
    for seed in range(3):
        parameters = ROWS[name].random(rng(seed))
        q = made(name, parameters)
        assert abs(kl_divergence(q, q).item()) < 1e-13
        near = [
            kl_divergence(q, made(name, {k: v if k == "k" else v * (1 + h) for k, v in parameters.items()})).item()
            for h in (1e-3, 2e-3)
        ]
        assert near[0] > 0 and near[1] / near[0] == pytest.approx(4, rel=0.02)


# -- one family as a case of another -----------------------------------------------------------------------------------


def test_vectors_of_two_or_of_independent_numbers():
    a, b, c, d = np.exp(rng(1).normal(size=4))
    assert kl_divergence(Dirichlet(np.array([a, b])), Dirichlet(np.array([c, d]))).item() == pytest.approx(
        kl_divergence(Beta(*(np.array([v]) for v in (a, b))), Beta(*(np.array([v]) for v in (c, d)))).item(), rel=1e-10
    )
    mu, log_var, x = rng(2).normal(size=(3, 5, 4))
    plain = Normal(mu, log_var=log_var)
    full = MultivariateNormal(mu, cholesky=np.exp(log_var / 2)[..., None] * np.eye(4))
    np.testing.assert_allclose(full.log_prob(x).numpy(), plain.log_prob(x).numpy().sum(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(full.entropy().numpy(), plain.entropy().numpy().sum(axis=-1), rtol=1e-12)
    standard = MultivariateNormal(np.zeros(4), cholesky=np.eye(4))
    np.testing.assert_allclose(
        kl_divergence(full, standard).numpy(),
        kl_divergence(plain, Normal(0.0, log_var=0.0)).numpy().sum(axis=-1),
        rtol=1e-12,
    )


def test_kl_of_full_normals_by_inverses_and_determinants():
    """½ (tr P⁻¹ Q - D + dᵀ P⁻¹ d + log det P - log det Q)"""
    for seed in range(5):
        q, p = (ROWS["MultivariateNormal"].random(rng(seed + i)) for i in (10, 20))
        Q, P = (v["cholesky"] @ v["cholesky"].T for v in (q, p))
        d, inverse = q["mu"] - p["mu"], np.linalg.inv(P)
        expected = np.trace(inverse @ Q) - 3 + d @ inverse @ d + np.log(np.linalg.det(P) / np.linalg.det(Q))
        found = kl_divergence(made("MultivariateNormal", q), made("MultivariateNormal", p)).item()
        assert found == pytest.approx(expected / 2, rel=1e-9)
        np.testing.assert_allclose(made("MultivariateNormal", q).covariance.numpy(), Q, rtol=1e-12)


def test_a_lower_factor_takes_any_numbers():
    numbers = rng(5).normal(size=(2, 3, 3)) * 5
    L = lower_factor(numbers).numpy()
    np.testing.assert_array_equal(L, np.tril(L))
    np.testing.assert_allclose(np.diagonal(L, axis1=1, axis2=2), np.exp(np.diagonal(numbers, axis1=1, axis2=2)))
    np.testing.assert_array_equal(np.tril(L, -1), np.tril(numbers, -1))
    with pytest.raises(ValueError, match=r"expected a positive diagonal of cholesky: write cholesky=lower_factor"):
        MultivariateNormal(np.zeros(2), cholesky=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"expected mu \(\.\.\., D\) and cholesky \(\.\.\., D, D\), got \(3,\)"):
        MultivariateNormal(np.zeros(3), cholesky=np.eye(2))
    with pytest.raises(ValueError, match=r"lower_factor: expected numbers \(\.\.\., D, D\), got \(3,\)"):
        lower_factor(np.zeros(3))


def test_a_rule_of_your_own_serves_its_family():
    class Shifted(Normal):
        """A family that is not of this package."""

    kl_rule(Shifted, Normal)(lambda q, p: q.mu * 0 + 7)
    try:
        assert kl_divergence(Shifted(np.zeros(1), log_var=0.0), Normal(0.0, log_var=0.0)).item() == 7
    finally:
        del KL[Shifted, Normal]
    assert kl_divergence(Shifted(np.zeros(1), log_var=0.0), Normal(0.0, log_var=0.0)).item() == 0  # as a Normal
