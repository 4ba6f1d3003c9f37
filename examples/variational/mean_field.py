r"""
Mean field: what independence costs
===================================

The simplest approximation of a posterior :math:`p(z_1, z_2 | x)` pretends that its parts are independent:
:math:`q(z_1)\, q(z_2)`. Then the evidence lower bound (ELBO) can be raised one factor at a time, by *coordinate
ascent*: for a fixed :math:`q(z_2)`, the best :math:`q(z_1)` is proportional to
:math:`\exp \mathbb{E}_{q(z_2)} \log p(x, z_1, z_2)`. What does this find, and what does it lose?
"""

# %%
# A normal distribution of unknown mean and precision
# ---------------------------------------------------
# Take N numbers from :math:`\mathcal{N}(\mu, 1/\tau)`, with the prior :math:`\tau \sim \mathrm{Gamma}(a_0, b_0)` and
# :math:`\mu | \tau \sim \mathcal{N}(\mu_0, 1/(\lambda_0 \tau))`. This prior is conjugate: the exact posterior is of the
# same form, with :math:`\lambda_N = \lambda_0 + N`, :math:`a_N = a_0 + N/2`, and with μ_N and b_N as in the code.

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
from scipy.special import digamma, gammaln

from tinygen import plot
from tinygen.claims import claim
from tinygen.distributions import Categorical, Gamma, Normal, kl_divergence

rng = np.random.default_rng(0)
x = rng.normal(2.0, 1.5, size=6)
N, mean, scatter = len(x), x.mean(), ((x - x.mean()) ** 2).sum()
μ0, λ0, a0, b0 = 0.0, 0.5, 2.0, 1.0
λN, aN, μN = λ0 + N, a0 + N / 2, (λ0 * μ0 + N * mean) / (λ0 + N)
bN = b0 + scatter / 2 + λ0 * N * (mean - μ0) ** 2 / (2 * λN)
log_evidence = gammaln(aN) - gammaln(a0) + a0 * np.log(b0) - aN * np.log(bN)
log_evidence += (np.log(λ0 / λN) - N * np.log(2 * np.pi)) / 2

# %%
# In the exact posterior, the spread of μ depends on τ. The factors :math:`q(\mu) = \mathcal{N}(m, v)` and
# :math:`q(\tau) = \mathrm{Gamma}(a, b)` can't express this. The rule above gives :math:`m = \mu_N`,
# :math:`v = 1/(\lambda_N\, \mathbb{E}\tau)`, :math:`a = a_N + \tfrac12`, :math:`b = b_N + \tfrac12 \lambda_N v`. Each
# factor needs the other one, so the two steps are repeated.

gamma = lambda a, b: Gamma(np.array([a]), log_rate=np.log([b]))


def elbo(m, v, a, b):  # in nats
    τ, log_τ = a / b, digamma(a) - np.log(b)  # their expectations
    likelihood = N / 2 * (log_τ - np.log(2 * np.pi)) - τ / 2 * (scatter + N * ((mean - m) ** 2 + v))
    prior_of_μ = (np.log(λ0 / (2 * np.pi)) + log_τ - λ0 * τ * ((m - μ0) ** 2 + v)) / 2
    entropy = Normal(m, log_var=np.log([v])).entropy().item()
    return likelihood + prior_of_μ + entropy - kl_divergence(gamma(a, b), gamma(a0, b0)).item()


m, v, a, b, bounds = 0.0, 4.0, a0, b0, []
for _ in range(20):
    m, v = μN, b / (λN * a)  # the best q(μ)
    bounds.append(elbo(m, v, a, b))
    a, b = aN + 0.5, bN + λN * v / 2  # the best q(τ)
    bounds.append(elbo(m, v, a, b))
claim("C8", "normal-gamma: smallest rise of the ELBO in a step", np.diff(bounds).min(), at_least=-1e-10)
claim("C8", "gap of the ELBO to the exact log-evidence, in nats", log_evidence - bounds[-1], at_least=0)

# %%
# The means are exact. But both variances are too small, by factors that can be computed: mean field takes the other
# variable at its average, and forgets that it is uncertain too.

exact_μ = scipy.stats.t(2 * aN, μN, np.sqrt(bN / (aN * λN)))  # with τ integrated out
exact_τ = scipy.stats.gamma(aN, scale=1 / bN)
claim("C8", "E[μ] is the exact posterior's", m, exact_μ.mean(), atol=1e-8)
claim("C8", "E[τ] is the exact posterior's", gamma(a, b).mean.item(), exact_τ.mean(), atol=1e-8)
ratios = [v / exact_μ.var(), gamma(a, b).variance.item() / exact_τ.var()]
claim("C8", "Var(μ) / the exact one is (a_N - 1)/a_N", ratios[0], (aN - 1) / aN, rtol=1e-8)
claim("C8", "Var(τ) / the exact one is a_N/(a_N + ½)", ratios[1], aN / (aN + 0.5), rtol=1e-8)

M, T = np.meshgrid(np.linspace(0, 4, 200), np.linspace(0.01, 4.2, 200))
exact = exact_τ.logpdf(T) + scipy.stats.norm(μN, 1 / np.sqrt(λN * T)).logpdf(M)
field = scipy.stats.gamma(a, scale=1 / b).logpdf(T) + scipy.stats.norm(m, np.sqrt(v)).logpdf(M)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for log_p, color, name in ((exact, plot.PALETTE[0], "exact posterior"), (field, plot.PALETTE[1], "mean field")):
    axes[0].contour(M, T, np.exp(log_p - exact.max()), [0.05, 0.3, 0.7], colors=[color])
    axes[0].plot([], color=color, label=name)
axes[0].set(title="Independence loses the wide foot", xlabel="mean μ", ylabel="precision τ")
axes[0].legend(frameon=False)
axes[1].plot(np.arange(1, 9), bounds[:8], "o-", color=plot.PALETTE[1], label="ELBO")
axes[1].axhline(log_evidence, ls=":", color="black", label="log-evidence")
axes[1].set(title="Each step raises the bound, a gap remains", xlabel="step", ylabel="nats")
axes[1].legend(frameon=False)
plot.show(fig, name="normal_gamma")

# %%
# A mixture
# ---------
# Three normals of variance 1 with unknown means :math:`\mu_k \sim \mathcal{N}(0, s^2)`, and for each number a hidden
# component :math:`c_i`. Mean field separates the means from the components: :math:`q(\mu_k) = \mathcal{N}(m_k, v_k)`,
# and a categorical :math:`q(c_i)`. The steps resemble k-means with soft assignments. The ELBO has several maxima here,
# so where the ascent ends depends on where it starts; it never falls on the way.

x, s2, falls, curves = np.concatenate([rng.normal(centre, 1, 60) for centre in (-4, 0, 3)]), 25.0, [], []
expected = lambda m, v: -0.5 * ((x[:, None] - m) ** 2 + v + np.log(2 * np.pi)) - np.log(3)  # log p(x, c), (N, K)
for _ in range(12):
    m, v, curve = rng.normal(0, 4, size=3), np.ones(3), []
    for _ in range(60):
        φ = (q := Categorical(expected(m, v))).mean.numpy()  # the best q(c)
        v = 1 / (1 / s2 + φ.sum(axis=0))  # the best q(μ)
        m = v * (φ * x[:, None]).sum(axis=0)
        kl = kl_divergence(Normal(m, log_var=np.log(v)), Normal(0.0, log_var=np.log(s2)))
        curve.append((φ * expected(m, v)).sum() + q.entropy().sum().item() - kl.sum().item())
    falls.append(np.diff(curve).min())
    curves.append(curve)
claim("C8", "mixture, 12 starts: smallest rise of the ELBO in a step", falls, at_least=-1e-10)

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.plot(np.arange(1, 61), np.transpose(curves), color=plot.PALETTE[0], alpha=0.6)
ax.set(title="Twelve starts: the bound never falls, but may end lower", xlabel="sweep", ylabel="ELBO, in nats")
ax.set(ylim=(min(curve[-1] for curve in curves) - 60, np.max(curves) + 8))
plot.show(fig, name="mixture")

# %%
# Try this
# --------
# With 600 numbers instead of 6, how much too small is the variance? Start the mixture with equal means: what happens?
