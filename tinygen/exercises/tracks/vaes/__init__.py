"""VAEs: samples with gradients and the KL divergence of Gaussians; the two bounds have a file of their own."""

from collections.abc import Callable

import numpy as np

from tinygen.distributions import Normal
from tinygen.exercises.draws import not_normal
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Derivatives, Example, Extremes, FromRng, Made, Property, Shapes, Values
from tinygen.exercises.tracks.inputs import seeded, with_tensors, written_draws
from tinygen.exercises.tracks.vaes import bounds
from tinygen.tensor import Tensor

# -- samples with gradients --------------------------------------------------------------------------------------------


def _of(mu: np.ndarray, log_var: np.ndarray) -> Normal:
    """The distribution in the dtype of the arrays, also where one of them is a single number."""
    return Normal(Tensor(mu), log_var=Tensor(log_var))


def _normal(rng: np.random.Generator, size: int) -> Arguments:
    """Means and variances of one shape, or a single number for one of the two; draws of several shapes."""
    dtype = np.float32 if (size + rng.integers(2)) % 2 else np.float64
    form = [(), (1,), (3,), (2, 3), (2, 2)][size]
    mu, log_var = (rng.normal(0, 1, form).astype(dtype) for _ in range(2))
    log_var = log_var if rng.random() < 0.7 else log_var.ravel()[0].reshape(())
    return call(_of(mu, log_var), seeded(size), [(), (4,), (1,), (2, 3), (3,)][(size + rng.integers(5)) % 5])


@np.errstate(all="ignore")
def _scaled(answer: Callable) -> Finding | None:
    """The same seed for N(0, 1) and for other parameters: the draws differ by σ and μ."""
    ε = outcome(answer, call(_of(np.zeros(2), np.zeros(2)), seeded(), (1000,)))
    if not (abs(np.mean(ε)) < 0.2 and abs(np.std(ε) - 1) < 0.2):  # else what follows would take it for ε
        says = "Where μ and log_var are 0, σ is 1, so the draws are ε itself: their mean is 0, their deviation 1."
        found = f"mean {np.mean(ε):.3g}, deviation {np.std(ε):.3g}"
        return Finding(says, "rsample(Normal([0, 0], log_var=[0, 0]), rng, (1000,))", "mean 0, deviation 1", found)
    cases = [
        (np.array([1.0, -1.0]), np.log([4.0, 9.0]), ()),
        (np.array(2.0), np.array(-3.0), (5,)),
        (np.array([[0.0, 10.0, 3.0]]), np.array([[2.0, -2.0, 0.0]]), (4, 2)),
        (np.array([5.0, -5.0, 0.0]), np.array(1.5), (3,)),
    ]
    for mu, log_var, shape in cases:
        zeros = np.zeros(np.broadcast_shapes(mu.shape, log_var.shape))
        ε = outcome(answer, call(_of(zeros, zeros), seeded(), shape))
        z = outcome(answer, call(_of(mu, log_var), seeded(), shape))
        expected = mu + np.sqrt(np.exp(log_var)) * ε
        if np.shape(z) != np.shape(expected) or not np.allclose(z, expected, rtol=1e-9):
            says = "With one seed, the draw from N(μ, σ²) is μ + σ ε, where ε is the draw from N(0, 1)."
            how = f"rsample(Normal({shown(mu)}, log_var={shown(log_var)}), rng, {shape})"
            return Finding(says, how, f"{shown(expected)} for ε = {shown(ε)}", shown(z))
    return None


def _law(answer: Callable) -> Finding | None:
    """ε is normal, and all entries of two calls are independent."""
    zeros, rng, draws = np.zeros((2, 2)), seeded(1), []
    shape = (50, 100)
    how = f"rsample(Normal(zeros((2, 2)), log_var=zeros((2, 2))), rng, {shape}), twice"
    for _ in range(2):
        draws.append(outcome(answer, call(_of(zeros, zeros), rng, shape)))
        if np.shape(draws[-1]) != (*shape, 2, 2):
            shapes = f"{(*shape, 2, 2)}", f"{np.shape(draws[-1])}"
            return Finding("Each draw has the shape of the distribution.", how, *shapes)
    if finding := not_normal(np.array(draws)):
        return Finding(f"ε is not drawn from N(0, 1), each entry by itself: {finding}.", how)
    return None


def _of_parameters(answer: Callable) -> Callable:
    """A draw of a fixed seed as a function of μ and log σ²."""

    def rsample(mu, log_var, *, shape=()):
        return answer(Normal(mu, log_var=log_var), seeded(7), shape)

    return rsample


def _parameters(rng: np.random.Generator, size: int) -> Arguments:
    form = [(), (1,), (2,), (2, 2)][size]
    return call(rng.normal(0, 1, form), rng.normal(0, 1, form), shape=[(), (3,), (), (2,)][size])


_NORMAL = "rng.standard_normal((*shape, *self.shape), dtype=self.dtype)"
_SIZE = "(*shape, *self.shape)).astype(self.dtype)"
OF_ANOTHER_LAW = (
    Wrong(
        ((_NORMAL, f"rng.uniform(-(3**0.5), 3**0.5, {_SIZE}"),),
        "ε has the mean 0 and the variance 1, but it is uniform. It must be normal.",
    ),
    Wrong(
        ((_NORMAL, f"rng.triangular(-(6**0.5), 0, 6**0.5, {_SIZE}"),),
        "ε has the mean 0 and the variance 1, but its density is a triangle. It must be normal.",
    ),
    Wrong(
        ((_NORMAL, f"rng.logistic(0, 3**0.5 / np.pi, {_SIZE}"),),
        "ε has the mean 0 and the variance 1, but it is logistic: far from 0 it is too frequent. It must be normal.",
    ),
    Wrong(
        ((_NORMAL, f"np.clip({_NORMAL}, -2, 2)"),),
        "ε is cut off at ±2. One of twenty normal numbers is further from 0.",
    ),
    Wrong(
        ((_NORMAL, f"np.sort({_NORMAL}, axis=None).reshape(*shape, *self.shape)"),),
        "ε is normal, but sorted. Every entry is drawn for itself.",
    ),
)

RSAMPLE = Exercise(
    name="rsample",
    track="VAEs",
    title="draws from a normal distribution, with gradients",
    source="tinygen.distributions.normal:Normal.rsample",
    question="self is a Normal: self.mu and self.log_var = log σ² are tensors of one shape, or single numbers, and\n"
    "self.shape and self.dtype are those of a draw. Return draws z = μ + σ ε, of this dtype and of shape\n"
    "(*shape, *self.shape), with ε from N(0, 1), drawn from rng and different for every entry.\n"
    "Gradients must reach self.mu and self.log_var through z.",
    page="variational.md#two-gradients",
    hints=(
        "Draw ε with NumPy, as a constant: all that depends on μ and σ must be computed with tensors.",
        "log_var is the logarithm of the variance, and σ is the root of the variance: σ = exp(½ log_var).",
        "ε = rng.standard_normal((*shape, *self.shape), dtype=self.dtype); return self.mu + exp(...) * ε",
    ),
    stages=(
        Property("σ and μ with one seed", _scaled, [lambda: call(*_normal(seeded(), 3).args)]),
        Shapes(_normal),
        Property("law of ε", _law),
        Made(_of_parameters, Derivatives(_parameters), written_draws(seed=7)),
        FromRng(lambda rng: call(Normal(np.zeros(3), log_var=1.0), rng, (2,))),
        Extremes([lambda: call(Normal(np.array([1.0, 2.0]), log_var=-2000.0), seeded(), (3,))]),
    ),
    wrong=(
        Wrong(
            (("exp(0.5 * self.log_var) * ε", "exp(self.log_var) * ε"),),
            "It multiplies ε by the variance, exp(log_var). The standard deviation is exp(½ log_var).",
        ),
        Wrong(
            (("exp(0.5 * self.log_var) * ε", "self.log_var * ε"),),
            "It multiplies ε by log σ² itself. The standard deviation is exp(½ log_var).",
        ),
        Wrong(
            (("exp(0.5 * self.log_var) * ε", "exp(-0.5 * self.log_var) * ε"),),
            "The sign of the exponent is wrong: this divides ε by σ.",
        ),
        Wrong((("exp(0.5 * self.log_var) * ε", "ε"),), "σ is missing: every draw has the variance 1."),
        Wrong((("self.mu + exp", "exp"),), "μ is missing: every draw has the mean 0."),
        Wrong(
            (("self.mu + exp", "self.mu.data + exp"),),
            "Gradients don't reach μ, because `.data` leaves the graph.",
        ),
        Wrong(
            (("exp(0.5 * self.log_var) * ε", "constant(np.exp(0.5 * self.log_var.data)) * ε"),),
            "Gradients don't reach log_var: σ was computed with NumPy, outside the graph.",
        ),
        Wrong(
            (("rng.standard_normal((*shape, *self.shape)", "rng.standard_normal(self.shape"),),
            "It makes one draw, whatever `shape` is.",
        ),
        Wrong(
            (
                (
                    "np.asarray(rng.standard_normal((*shape, *self.shape), dtype=self.dtype))",
                    "np.broadcast_to(rng.standard_normal(self.shape, dtype=self.dtype), (*shape, *self.shape))",
                ),
            ),
            "All draws are copies of one. Each entry of (*shape, *self.shape) needs its own ε.",
        ),
        Wrong(
            (("(*shape, *self.shape), dtype=self.dtype)", "(*shape, *self.shape))"),),
            "ε is float64, so the draws of a float32 distribution are, too.",
        ),
        Wrong((("rng.standard_normal(", "rng.random("),), "ε is uniform in [0, 1). It must be normal."),
        *OF_ANOTHER_LAW,
    ),
    correct=(
        """
        def rsample(self, rng, shape=()):
            from tinygen import sqrt

            ε = rng.normal(size=(*shape, *self.shape)).astype(self.dtype)
            return sqrt(exp(self.log_var)) * np.asarray(ε) + self.mu
        """,
        """
        def rsample(self, rng, shape=()):
            ε = np.empty((*shape, *self.shape), self.dtype)
            for i in np.ndindex(ε.shape):
                ε[i] = rng.standard_normal()
            σ = exp(self.log_var / 2)
            return Tensor(ε) * σ + self.mu
        """,
    ),
)

# -- the KL divergence -------------------------------------------------------------------------------------------------

REDUCTIONS = ("batchmean", "sum", "none", "mean")


def _posterior(rng: np.random.Generator, size: int) -> Arguments:
    form = [(1, 1), (2, 2), (3, 2), (2, 2, 2), (4, 5)][size]
    mu, log_var = rng.normal(0, 1.5, (2, *form))
    turn = (size + int(rng.integers(4))) % 5
    return call(mu, log_var, **({"reduction": REDUCTIONS[turn]} if turn < 4 else {}))


REFUSES = Refuses(
    {
        "mu is (2, 3), and log_var is (1, 3).": lambda: call(Tensor(np.zeros((2, 3))), Tensor(np.zeros((1, 3)))),
        "mu is (2, 3), and log_var is (2, 2).": lambda: call(Tensor(np.zeros((2, 3))), Tensor(np.zeros((2, 2)))),
        "There is no such reduction.": lambda: call(*[Tensor(np.zeros((2, 3)))] * 2, reduction="average"),
    }
)

GAUSSIAN_KL = Exercise(
    name="gaussian_kl",
    track="VAEs",
    title="the KL divergence of a Gaussian from N(0, I)",
    source="tinygen.functional:gaussian_kl",
    question="mu and log_var = log σ² are the parameters of N(μ, diag σ²), (N, ...). Its divergence from\n"
    "N(0, I) is a sum over all entries of an example, ½ (μ² + σ² - 1 - log σ²) each. Return the mean over\n"
    'the N examples if reduction is "batchmean", the mean of all entries if it is "mean", the sum of all\n'
    'if "sum", and (N, ...), one value for each entry, if "none". `_REDUCTIONS[reduction]` does this.\n'
    "Raise ValueError for another reduction, or if the shapes of mu and log_var differ: `_matched` above does.",
    page="vae.md#one-bound-two-networks",
    hints=(
        "log_var is log σ². What is σ²?",
        "σ² = exp(log_var), so each entry contributes ½ (mu² + exp(log_var) - 1 - log_var). The op exp_remainder(x) "
        "is eˣ - 1 - x, accurate near 0 too.",
        "return 0.5 * _REDUCTIONS[reduction](mu * mu + ...)",
    ),
    stages=(
        Example(
            lambda: with_tensors(lambda rng, size: call(np.array([[1.0, 2.0], [0, 0]]), np.log([[1, 1], [1, 4.0]])))(
                seeded(), 0
            ),
            np.array(1.6534264),
            "The first example has σ² = 1, so ½ (1² + 2²) = 2.5. The second has ½ (4 - 1 - log 4) = 0.8069. "
            "The result is the mean of the two.",
        ),
        Shapes(with_tensors(_posterior)),
        Values(with_tensors(_posterior)),
        Derivatives(_posterior, seeds=2),
        Extremes(
            [
                lambda: with_tensors(lambda rng, size: call(np.array([[1e3, 0]]), np.array([[-2e3, 600.0]])))(
                    seeded(), 0
                ),
                lambda: with_tensors(
                    lambda rng, size: call(np.zeros((0, 2)), np.zeros((0, 2)), reduction="none"),
                )(seeded(), 0),
            ]
        ),
        REFUSES,
    ),
    wrong=(
        Wrong((("return 0.5 * ", "return 1.0 * "),), "The factor ½ is missing."),
        Wrong((("return 0.5 * ", "return -0.5 * "),), "The sign is wrong: a KL divergence is never negative."),
        Wrong(
            (("exp_remainder(log_var)", "exp_remainder(2 * log_var)"),),
            "It takes log_var for log σ. It is log σ², so exp(log_var) is the variance already.",
        ),
        Wrong(
            (("exp_remainder(log_var)", "(exp_remainder(0.5 * log_var) - 0.5 * log_var)"),),
            "It has σ = exp(½ log_var) where the formula has σ² = exp(log_var).",
        ),
        Wrong(
            (("exp_remainder(log_var)", "(exp_remainder(log_var) + 1)"),),
            "The -1 is missing: N(0, I) itself has the KL 0.",
        ),
        Wrong(
            (("exp_remainder(log_var)", "(exp_remainder(log_var) + 2 * log_var)"),),
            "The sign of log σ² is wrong: the divergence grows when σ² tends to 0.",
        ),
        Wrong((("mu * mu", "mu"),), "The mean must be squared."),
        Wrong(
            (
                (
                    "(mu * mu + exp_remainder(log_var))",
                    "((mu * mu) * (exp_remainder(-log_var) + 1 - log_var) + exp_remainder(-log_var))",
                ),
            ),
            "This is the other direction, the divergence of N(0, I) from N(μ, σ²).",
        ),
        Wrong(
            (("_REDUCTIONS[reduction]", '_REDUCTIONS["mean" if reduction == "batchmean" else reduction]'),),
            "It takes a mean over the entries of a code. Sum over them, and then take the mean over examples.",
        ),
        Wrong((("_REDUCTIONS[reduction]", '_REDUCTIONS["batchmean"]'),), "It ignores the argument `reduction`."),
        Wrong(
            (("exp_remainder(log_var)", "exp_remainder(log_var.detach())"),),
            "log_var has no gradient, because `detach` leaves the graph.",
        ),
        Wrong(
            (('mu, log_var = _matched("gaussian_kl", reduction, mu=mu, log_var=log_var)', "pass"),),
            REFUSES.says("mu is (2, 3), and log_var is (1, 3)."),
        ),
    ),
    correct=(
        """
        def gaussian_kl(mu, log_var, *, reduction="batchmean"):
            from tinygen import exp

            if mu.shape != log_var.shape or reduction not in ("batchmean", "mean", "sum", "none"):
                raise ValueError("other shapes, or another reduction")
            kl = (mu**2 + exp(log_var) - 1 - log_var) / 2
            if reduction == "none":
                return kl
            return kl.sum() / {"batchmean": len(mu), "mean": mu.size, "sum": 1}[reduction]
        """,
        """
        def gaussian_kl(mu, log_var, *, reduction="batchmean"):
            from tinygen.distributions import Normal, kl_divergence

            _matched("gaussian_kl", reduction, mu=mu, log_var=log_var)
            kl = kl_divergence(Normal(mu, log_var=log_var), Normal(0.0, log_var=0.0))
            if reduction == "batchmean":
                return kl.reshape(len(kl), -1).sum(axis=1).mean()
            return kl if reduction == "none" else getattr(kl, reduction)()
        """,
    ),
)

EXERCISES = (RSAMPLE, GAUSSIAN_KL, *bounds.EXERCISES)
