"""One row for each family of distributions: random parameters, SciPy's counterpart, and closed KL divergences."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from scipy.special import softmax

from tinygen.distributions import FAMILIES, Distribution
from tinygen.tensor import Parameter, Tensor

Parameters = dict[str, Any]


class Row(NamedTuple):
    """What the tests of a family need."""

    random: Callable[[np.random.Generator], Parameters]  # of one distribution, in float64
    exact: Callable[..., Any]  # the distribution of SciPy with these parameters
    marginals: Callable[..., Sequence] | None = None  # of the entries of a vector
    to: tuple[str, ...] = ()  # families p to which KL(q ‖ p) has a closed form
    extremes: tuple[Parameters, ...] = ()  # parameters with which careless formulas overflow, in float32
    far: tuple = ()  # values far out in the tails, or at the ends of the support


def _bernoulli(logits):
    return scipy.stats.bernoulli(1 / (1 + np.exp(-logits)))


def _located(rng):
    return {"mu": rng.normal() * 3, "log_scale": rng.normal()}


def _normals(mu, cholesky):
    return [scipy.stats.norm(m, s) for m, s in zip(mu, np.sqrt(np.square(cholesky).sum(axis=1)))]


def _factor(rng, d):
    return np.tril(rng.normal(size=(d, d)), -1) + np.diag(rng.uniform(0.3, 2, d))


def _betas(concentration):
    return [scipy.stats.beta(a, concentration.sum() - a) for a in concentration]


WIDTHS = tuple({"mu": 1.0, "log_scale": s} for s in (-1e4, -85.0, -40.0, 40.0, 85.0, 1e4))
TAILS = (1.0, 1e-30, -1e-30, 1e4, -1e4, 3e38, -3e38)
ROWS = {
    "Normal": Row(
        lambda rng: {"mu": rng.normal() * 3, "log_var": rng.normal()},
        lambda mu, log_var: scipy.stats.norm(mu, np.exp(log_var / 2)),
        to=("Normal",),
        extremes=tuple({"mu": 1.0, "log_var": v} for v in (-1e4, -170.0, -80.0, 80.0, 170.0, 1e4)),
        far=TAILS,
    ),
    "MultivariateNormal": Row(
        lambda rng: {"mu": rng.normal(size=3), "cholesky": _factor(rng, 3)},
        lambda mu, cholesky: scipy.stats.multivariate_normal(mu, cholesky @ cholesky.T),
        _normals,
        to=("MultivariateNormal",),
        extremes=tuple({"mu": np.ones(2), "cholesky": s * np.eye(2)} for s in (1e-38, 1e-20, 1e20, 1e38)),
        far=([1.0, 1.0], [1.0, 3e38], [1e-30, -1e30]),
    ),
    "Laplace": Row(
        _located,
        lambda mu, log_scale: scipy.stats.laplace(mu, np.exp(log_scale)),
        to=("Laplace", "Normal"),
        extremes=WIDTHS,
        far=TAILS,
    ),
    "Logistic": Row(
        _located,
        lambda mu, log_scale: scipy.stats.logistic(mu, np.exp(log_scale)),
        to=("Normal",),
        extremes=WIDTHS,
        far=TAILS,
    ),
    "Gumbel": Row(
        _located,
        lambda mu, log_scale: scipy.stats.gumbel_r(mu, np.exp(log_scale)),
        to=("Gumbel", "Normal"),
        extremes=WIDTHS,
        far=TAILS,
    ),
    "Exponential": Row(
        lambda rng: {"log_rate": rng.normal()},
        lambda log_rate: scipy.stats.expon(scale=np.exp(-log_rate)),
        to=("Exponential", "Gamma", "Normal"),
        extremes=tuple({"log_rate": v} for v in (-1e4, -85.0, 85.0, 1e4)),
        far=(0.0, 1e-38, 1.0, 3e38),
    ),
    "Gamma": Row(
        lambda rng: {"concentration": np.exp(rng.uniform(-1, 2)), "log_rate": rng.normal()},
        lambda concentration, log_rate: scipy.stats.gamma(concentration, scale=np.exp(-log_rate)),
        to=("Gamma", "Exponential", "Normal"),
        extremes=tuple({"concentration": a, "log_rate": v} for a in (1e-30, 1.0, 1e30) for v in (-85.0, 0.0, 85.0)),
        far=(0.0, 1e-38, 1.0, 3e38),
    ),
    "Erlang": Row(
        lambda rng: {"k": int(rng.integers(1, 6)), "log_rate": rng.normal()},
        lambda k, log_rate: scipy.stats.erlang(k, scale=np.exp(-log_rate)),
        to=("Erlang", "Gamma", "Exponential", "Normal"),
        extremes=tuple({"k": 3, "log_rate": v} for v in (-85.0, 0.0, 85.0)),
        far=(0.0, 1e-38, 1.0, 3e38),
    ),
    "Beta": Row(
        lambda rng: {"a": np.exp(rng.uniform(-0.5, 2)), "b": np.exp(rng.uniform(-0.5, 2))},
        lambda a, b: scipy.stats.beta(a, b),
        to=("Beta", "Normal"),
        extremes=tuple({"a": a, "b": b} for a in (1e-30, 1.0, 1e30) for b in (1e-30, 1.0, 1e30)),
        far=(0.0, 1e-38, 0.5, 1.0),
    ),
    "Dirichlet": Row(
        lambda rng: {"concentration": np.exp(rng.uniform(-0.5, 2, size=3))},
        lambda concentration: scipy.stats.dirichlet(concentration),
        _betas,
        to=("Dirichlet",),
        extremes=tuple({"concentration": np.array(c)} for c in ([1e-30, 1.0], [1e30, 1.0], [1e-30, 1e30])),
        far=([0.0, 1.0], [1e-38, 1.0], [0.5, 0.5]),
    ),
    "Bernoulli": Row(
        lambda rng: {"logits": rng.normal() * 2},
        _bernoulli,
        to=("Bernoulli",),
        extremes=tuple({"logits": v} for v in (-3e38, -1e4, -100.0, 100.0, 1e4, 3e38)),
        far=(0.0, 1.0),
    ),
    "Categorical": Row(
        lambda rng: {"logits": rng.normal(size=4) * 2},
        lambda logits: scipy.stats.multinomial(1, softmax(logits)),
        lambda logits: [scipy.stats.bernoulli(p) for p in softmax(logits)],
        to=("Categorical",),
        extremes=tuple({"logits": np.array(v)} for v in ([3e38, 0.0], [0.0, -np.inf], [1e4, -1e4], [0.0, 100.0])),
        far=([1.0, 0.0], [0.0, 1.0]),
    ),
}
DISCRETE = {"Bernoulli", "Categorical"}


def variables(parameters: Parameters, n: int | None = None, dtype=np.float64) -> dict[str, Any]:
    """The real-valued parameters as Parameters, n times if n is given; whole numbers as they are."""
    tiled = {k: np.broadcast_to(v, ((n,) if n else ()) + np.shape(v)) for k, v in parameters.items() if k != "k"}
    return {k: v for k, v in parameters.items() if k == "k"} | {
        k: Parameter(np.array(v, dtype)) for k, v in tiled.items()
    }


def made(name: str, parameters: dict[str, Any], dtype=np.float64) -> Distribution:
    """The distribution of this family with these numbers, arrays or Tensors."""
    kept = {k: v if k == "k" or isinstance(v, Tensor) else Tensor(np.array(v, dtype)) for k, v in parameters.items()}
    return FAMILIES[name](**kept)


def moments(name: str, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each entry by SciPy."""
    row = ROWS[name]
    each = row.marginals(**parameters) if row.marginals else [row.exact(**parameters)]
    mean, variance = (np.array([getattr(d, what)() for d in each]) for what in ("mean", "var"))
    return (mean, variance) if row.marginals else (mean[0], variance[0])


def values(name: str, parameters: Parameters, rng: np.random.Generator, n: int) -> np.ndarray:
    """Draws by SciPy, (n, ...)."""
    return np.asarray(ROWS[name].exact(**parameters).rvs(n, random_state=rng), np.float64)


def log_density(name: str, parameters: Parameters, x: np.ndarray) -> np.ndarray:
    """By SciPy, for draws x (n, ...)."""
    exact = ROWS[name].exact(**parameters)
    if name == "Dirichlet":
        return exact.logpdf(x.T)
    return exact.logpmf(x) if name in DISCRETE else exact.logpdf(x)
