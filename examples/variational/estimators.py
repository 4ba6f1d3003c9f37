r"""
Two gradients of an expectation
===============================

The ELBO contains an expectation over draws whose distribution depends on the parameters: :math:`\mathbb{E}_{q_\theta}
f(z)`. The `lecture <../README.md>`__ derives two estimators of its gradient and warns that one has a "high variance
(bad gradients)". Why do they work, and how high is the variance?
"""

# %%
# The score function
# ------------------
# By Leibniz' rule, :math:`\nabla \int f q = \int f\, \nabla q`. The step that the lecture skips: this integral is no
# expectation yet, but :math:`\nabla q = q\, \nabla \log q` makes it one, :math:`\mathbb{E}\, f(z)\, \nabla \log q(z)`.
# The vector :math:`\nabla \log q` is called the *score function*. Only q is differentiated, so f may be anything, and z
# discrete. Its own expectation is 0, because :math:`\int \nabla q = \nabla 1`; so from f we may subtract a *baseline*,
# any number that doesn't depend on z, and the expectation stays the same.
#
# The path of the draws
# ---------------------
# For :math:`z = \mu + \sigma\varepsilon`, the expectation is one over ε, whose distribution has no parameters, so the
# gradient moves inside: :math:`\mathbb{E}\, \nabla f(\mu + \sigma\varepsilon)`. It needs the derivative of f.
#
# Take :math:`f(z) = \sum z_i^2` in D dimensions under :math:`\mathcal{N}(\mu, \sigma^2)`. The exact gradients are 2μ in
# each mean, and σ² in each log-variance.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import Parameter, grad, plot
from tinygen.claims import claim
from tinygen.distributions import Normal, pathwise, score_function

μ, log_var = 0.8, -0.4
σ2 = np.exp(log_var)
rng, copies = np.random.default_rng(0), 40_000


def estimates(estimator, dims, copies=copies, f=lambda z: (z * z).sum(axis=-1), **settings):
    """Independent estimates of the gradient in μ and in log σ² of the first of D dimensions, (2, copies)."""
    theta = [Parameter(np.full((copies, dims), value)) for value in (μ, log_var)]
    value = estimator(f, Normal(theta[0], log_var=theta[1]), rng, **settings)  # (copies,)
    return np.stack([g.numpy()[:, 0] for g in grad(value.sum(), theta)])


in_standard_errors = lambda y, expected: (y.mean(axis=1) - expected) / (y.std(axis=1) / np.sqrt(copies))
ways = {"pathwise": (pathwise, {}), "score function": (score_function, {})}
ways["score function with a baseline"] = (score_function, {"baseline": 2 * (μ**2 + σ2)})  # E f
found = {name: estimates(way, 2, **settings) for name, (way, settings) in ways.items()}
for name, samples in found.items():
    distance = in_standard_errors(samples, [2 * μ, σ2])
    claim("C5 C6", f"{name}: distance from the gradient in standard errors", distance, 0, atol=4)
scores = estimates(score_function, 2, f=lambda z: 1 + 0 * z[..., 0])  # f = 1 leaves the score itself
claim("C5", "the mean score: distance from 0 in standard errors", in_standard_errors(scores, 0), 0, atol=4)

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for color, (name, samples) in zip(plot.PALETTE, found.items()):
    ax.hist(samples[0], np.linspace(-8, 14, 67), histtype="step", color=color, label=name, lw=1.6)
ax.axvline(2 * μ, ls=":", color="black", label="exact gradient")
ax.set(
    title="One draw each: all three are right on average", xlabel="estimate of the gradient in μ", ylabel="estimates"
)
ax.legend(frameon=False, fontsize=8)
plot.show(fig, name="estimates")

# %%
# How high is the variance?
# -------------------------
# In the mean of one dimension, the pathwise estimate is :math:`2z_1`, with the variance 4σ², whatever D is. The score
# function multiplies :math:`\varepsilon_1/\sigma` by the whole of f, to which all dimensions contribute. With
# :math:`f = z_1^2 + R`, where R is independent of :math:`z_1`, the moments of the normal distribution give
#
# .. math:: \mathrm{Var} = \frac{\mu^4}{\sigma^2} + 14\mu^2 + 15\sigma^2
#           + 2\left(\frac{\mu^2}{\sigma^2} + 3\right) \mathbb{E}R + \frac{\mathbb{E}R^2}{\sigma^2} ,
#
# where :math:`\mathbb{E}R = (D-1)(\mu^2+\sigma^2)` and
# :math:`\mathrm{Var}\,R = (D-1)(4\mu^2\sigma^2 + 2\sigma^4)`. It grows with D². A baseline c makes ER smaller by c, and
# with :math:`c = \mathbb{E}f` the variance grows only with D.


def variance_ratio(D, c):
    """Score function with the baseline c to pathwise, in closed form."""
    R = (D - 1) * (μ**2 + σ2) - c
    R2 = R**2 + (D - 1) * (4 * μ**2 * σ2 + 2 * σ2**2)
    return (μ**4 / σ2 + 14 * μ**2 + 15 * σ2 + 2 * (μ**2 / σ2 + 3) * R + R2 / σ2) / (4 * σ2)


sizes, ratios = np.array([1, 2, 4, 8, 16, 32]), {}
for name, share in (("score function", 0), ("score function with a baseline", 1)):
    pairs = []  # of the measured ratio and the closed form
    for D in sizes:
        n, c = int(400_000 / np.sqrt(D)), share * D * (μ**2 + σ2)  # 5 % is then at least four standard errors
        score = estimates(score_function, D, n, baseline=c)[0].var()
        pairs.append((score / estimates(pathwise, D, n)[0].var(), variance_ratio(D, c)))
    ratios[name] = np.transpose(pairs)
    claim("C6", f"{name}: variance ratio for D = 1 to 32", *ratios[name], rtol=0.05)

# %%
# More draws help both alike: the mean of L draws has a variance L times smaller, so the ratio stays. To match a single
# pathwise draw in 32 dimensions, the score function needs the mean of about 1,090 draws, or 50 with the baseline.

draws = np.array([1, 4, 16, 64])
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for color, (name, (measured, closed)) in zip(plot.PALETTE[1:], ratios.items()):
    axes[0].loglog(sizes, measured, "o", color=color, label=name)
    axes[0].loglog(sizes, closed, "-", color=color)
axes[0].axhline(1, color=plot.PALETTE[0], label="pathwise")
axes[0].set(title="The score function gets worse with D", xlabel="dimensions D", ylabel="variance / that of the path")
axes[0].legend(frameon=False, fontsize=8)
for color, (way, settings) in zip(plot.PALETTE, ways.values()):
    variances = [estimates(way, 2, 60_000 // L, draws=L, **settings)[0].var() for L in draws]
    axes[1].loglog(draws, variances, "o-", color=color)
axes[1].set(title="More draws help all alike", xlabel="draws L", ylabel="variance in μ (D = 2)")
plot.show(fig, name="variance")

# %%
# Try this
# --------
# Which constant is the best baseline? And take ``Bernoulli(logits)`` in place of the normal: which estimator refuses,
# and what does its error recommend?
#
# Exercises: `VAEs <../../docs/exercises.md#vaes>`__.
