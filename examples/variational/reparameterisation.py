r"""
Which draws have a gradient?
============================

A variational autoencoder draws its code z at random and must still learn by gradients. The `lecture <../README.md>`__'s
answer is to *reparameterise*: write the draw as a function :math:`z = g_\theta(\varepsilon)` of noise without
parameters, and differentiate g. For which families is there such a function, and how is it found?
"""

# %%
# Five ways to find one
# ---------------------
# * **Location and scale.** :math:`z = \mu + \sigma \varepsilon`: normal, Laplace, logistic, Gumbel, and, with a
#   triangular matrix in place of σ, the normal distribution with a full covariance.
# * **Inverse of the distribution function.** If u is uniform on (0, 1), then :math:`F^{-1}(u)` has the distribution
#   function F. For an exponential distribution with rate λ this is :math:`-\log(1 - u)/\lambda`.
# * **Composition.** A function of such draws is another one: the sum of k exponential draws is an *Erlang* draw, a
#   gamma draw of shape k. Ratios of gamma draws are beta and Dirichlet draws.
# * **Approximate inverse.** Where :math:`F^{-1}` has no formula, an approximation of it may do; see the end.
# * **Implicit gradient.** A gamma draw of any shape α has no formula either, but F(z; α) = u fixes how z moves with α:
#   :math:`\partial z/\partial\alpha = -(\partial F/\partial\alpha)\,/\,p(z)`, where p is the density. (The lecture has
#   the first four ways.)
#
# Discrete draws jump, so their families have no such function: `another lesson <estimators.py>`__ shows what works.

import matplotlib.pyplot as plt
import numpy as np
import scipy.special
import scipy.stats

from tinygen import Parameter, grad, plot
from tinygen import distributions as dist
from tinygen.claims import claim

rng, n, mu, s = np.random.default_rng(0), 20_000, 0.5, 0.8  # s is the scale, or the mean of an exponential draw
families = {  # the family as a function of t = log s, and the distribution of SciPy
    "normal": (lambda t: dist.Normal(mu, log_var=2 * t), scipy.stats.norm(mu, s)),
    "Laplace": (lambda t: dist.Laplace(mu, log_scale=t), scipy.stats.laplace(mu, s)),
    "logistic": (lambda t: dist.Logistic(mu, log_scale=t), scipy.stats.logistic(mu, s)),
    "Gumbel": (lambda t: dist.Gumbel(mu, log_scale=t), scipy.stats.gumbel_r(mu, s)),
    "exponential": (lambda t: dist.Exponential(log_rate=-t), scipy.stats.expon(0, s)),
    "Erlang, k = 3": (lambda t: dist.Erlang(3, log_rate=-t), scipy.stats.erlang(3, 0, s)),
    "gamma, α = 0.7": (lambda t: dist.Gamma(0.7, log_rate=-t), scipy.stats.gamma(0.7, 0, s)),
}

# %%
# Do the draws have the right distribution? The test of Kolmogorov and Smirnov compares them with SciPy's distribution
# function: for correct draws, its p-value is below 0.001 once in a thousand times. And is the mean of
# :math:`\nabla_{\log s}\, z^2` over the draws the gradient of :math:`\mathbb{E}\, z^2`? Let m and w be the mean and the
# variance at location 0 and scale 1. At location l and scale s, the mean is :math:`l + s\, m` and the variance
# :math:`s^2 w`, so this gradient is :math:`2 (\text{mean} - l)\, \text{mean} + 2\, \text{variance}`.

p_values, distances, draws = [], [], {}
for name, (family, exact) in families.items():
    log_s = Parameter(np.full(n, np.log(s)))  # one copy for each draw, so that each has a gradient of its own
    z = family(log_s).rsample(rng)
    slopes = grad((z * z).sum(), log_s).numpy()
    expected = 2 * (exact.mean() - exact.args[-2]) * exact.mean() + 2 * exact.var()  # the location is the last but one
    distances.append((slopes.mean() - expected) / (slopes.std() / np.sqrt(n)))
    p_values.append(scipy.stats.kstest(z.numpy(), exact.cdf).pvalue)
    draws[name] = z.numpy()
claim("C7", "smallest p-value of seven families, 20,000 draws each", min(p_values), at_least=1e-3)
claim("C7", "pathwise gradients of E z²: distance in standard errors", distances, 0, atol=4)

α = Parameter(np.full(n, 0.7))  # E z = α and E z² = α + α², so their gradients are 1 and 1 + 2α
z = dist.Gamma(α, log_rate=0.0).rsample(rng)
slopes = [grad(y.sum(), α, retain_graph=True).numpy() for y in (z, z * z)]
distances = [(g.mean() - e) / (g.std() / np.sqrt(n)) for g, e in zip(slopes, (1, 2.4))]
claim("C7", "implicit gradients in the shape of a gamma: the same distance", distances, 0, atol=4)

fig, axes = plt.subplots(2, 4, figsize=(10, 4.6), layout="constrained")
for ax, (name, (_, exact)) in zip(axes.flat, families.items()):
    low, high = exact.ppf([0.005, 0.995])
    grid = np.linspace(low, high, 200)[1:]
    ax.hist(draws[name], np.linspace(low, high, 40), density=True, color=plot.PALETTE[0], alpha=0.45)
    ax.plot(grid, exact.pdf(grid), color=plot.PALETTE[1])
    ax.set(title=name, xlabel="z", ylabel="density", ylim=(0, 1.1 * min(exact.pdf(grid).max(), 2)))

# %%
# The inverse of the normal distribution function
# -----------------------------------------------
# :math:`\Phi^{-1}` has no formula, but good approximations: the fourth way. One from 1955 (Hastings; formula 26.2.23 of
# Abramowitz & Stegun) needs six numbers, and its error is stated to be below 0.00045:
#
# .. math:: \Phi^{-1}(1 - q) \approx t - \frac{c_0 + c_1 t + c_2 t^2}{1 + d_1 t + d_2 t^2 + d_3 t^3},
#           \qquad t = \sqrt{-2 \log q}, \quad q \le \tfrac12
#
# The statement holds: here at 200,000 points, far into the tails. The last panel shows the error.


def hastings(q):
    t = np.sqrt(-2 * np.log(q))
    return t - np.polyval([0.010328, 0.802853, 2.515517], t) / np.polyval([0.001308, 0.189269, 1.432788, 1], t)


q = np.exp(-np.linspace(np.log(2), 300, 200_000))  # from 1/2 down to 10⁻¹³⁰
error = hastings(q) + scipy.special.ndtri(q)  # the quantile of 1 - q is minus that of q
claim("C7", "approximate quantiles of the normal: largest error", np.abs(error).max(), at_most=4.5e-4)

u = rng.uniform(size=n)
z = np.sign(u - 0.5) * hastings(np.minimum(u, 1 - u))
claim("C7", "normal draws by the approximation: p-value", scipy.stats.kstest(z, "norm").pvalue, at_least=1e-3)

ax = axes.flat[7]
x = np.linspace(0, 6, 500)
ax.plot(x, 1e4 * (hastings(scipy.special.ndtr(-x)) - x), color=plot.PALETTE[2])
ax.hlines([-4.5, 4.5], 0, 6, ls=":", color="black")
ax.set(title="error of the quantile", xlabel="quantile of the normal", ylabel="error, in 0.0001")
fig.suptitle("Draws that are functions of noise (bars) have the density that they should (lines)")
plot.show(fig, name="families")

# %%
# Try this
# --------
# A beta draw is g / (g + h) for two gamma draws: compare ``dist.Beta`` with it. And what does
# ``dist.Categorical(np.zeros(3)).rsample(rng)`` tell you? Try its ``relaxed_sample`` at the temperatures 1 and 0.01.
#
# Exercises: `VAEs <../../docs/exercises.md#vaes>`__.
