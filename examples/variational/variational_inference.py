r"""
Variational inference: fit the posterior
========================================

Something that we see, x, was caused by something that we don't see, z. We know how causes make observations,
:math:`p(x|z)`, and how frequent causes are, the *prior* :math:`p(z)`. Bayes' rule gives the *posterior*,

.. math:: p(z|x) = \frac{p(x|z)\, p(z)}{p(x)}, \qquad p(x) = \int p(x|z)\, p(z)\, dz.

The integral, called the *evidence*, is what is hard. How can we find the posterior without it?
"""

# %%
# The bound
# ---------
# Let z be a standard normal number, and x its square, measured with an error of 0.5: we saw x = 1.5. A sum over 4,001
# points is a good integral here, but K unknown numbers would need :math:`4001^K` points. Instead, choose a density q(z)
# that is easy to handle, here a normal one, and compare it with the posterior by the *KL divergence*:
#
# .. math:: \mathrm{KL}(q \,\|\, p(z|x)) = E_q[\log q(z)] - E_q[\log p(x|z)\,p(z)] + \log p(x).
#
# Only the last part is hard, and it doesn't depend on q. Minus the others is the *evidence lower bound*, ELBO. It is at
# most :math:`\log p(x)`, because no divergence is negative, and the gap *is* the divergence. Below, the sum gives the
# divergence, and Gauss-Hermite quadrature the ELBO, without the evidence.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

from tinygen import Parameter, exp, grad, optim, plot
from tinygen.claims import claim
from tinygen.distributions import Normal, kl_divergence

rng, (blue, orange, green) = np.random.default_rng(0), plot.PALETTE[:3]
prior, measured = Normal(0.0, log_var=0.0), Normal(1.5, log_var=2 * np.log(0.5))
z, cell = np.linspace(-20, 20, 4001, retstep=True)
log_joint = (measured.log_prob(z**2) + prior.log_prob(z)).numpy()  # log p(x|z) p(z)
log_p = np.log(np.exp(log_joint).sum() * cell)  # log p(x)
nodes, weights = np.polynomial.hermite_e.hermegauss(20)
weights = weights / weights.sum()  # E[f(ε)] = Σ weight f(node), for ε ~ N(0, 1)
m, sd = (a.ravel() for a in np.meshgrid(np.linspace(-2, 2, 100), [0.226, *rng.uniform(0.2, 1.5, 4)]))  # (500,) each
q, at = Normal(m, log_var=2 * np.log(sd)), m + sd * nodes[:, None]  # 500 densities, (20, 500) nodes
log_q = q.log_prob(z[:, None] + 0 * m).numpy()  # (4001, 500)
divergence = (np.exp(log_q) * (log_q - (log_joint - log_p)[:, None])).sum(axis=0) * cell
reconstruction, kl = weights @ measured.log_prob(at**2).numpy(), kl_divergence(q, prior).numpy()
elbo = reconstruction + weights @ (prior.log_prob(at) - q.log_prob(at)).numpy()
claim("C3", "log p(x) - ELBO = KL(q ‖ p(z|x)), for 500 normal q", log_p - elbo, divergence, atol=1e-8)
claim("C4", "E log p(x|z) - KL(q ‖ p(z)) + KL(q ‖ p(z|x))", reconstruction - kl + divergence, log_p, atol=1e-8)
claim("C4", "ELBO - log p(x), the largest", elbo - log_p, at_most=0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.9), layout="constrained")
left.plot(z, np.exp(log_joint - log_p), color=blue, label="posterior p(z|x)")
left.plot(z, np.exp(log_q[:, elbo[:100].argmax()]), "--", color=orange, label="the best q(z)")
left.set(title="Two causes explain x; q finds one of them", xlabel="z", ylabel="density", xlim=(-3, 3), ylim=(0, 2.5))
right.axhline(log_p, color="black", ls=":", label="log p(x)")
right.plot(m[:100], elbo[:100], color=orange, label="ELBO")
right.fill_between(m[:100], elbo[:100], log_p, color=orange, alpha=0.15, lw=0, label="the gap, KL(q ‖ p(z|x))")
right.set(title="Every q gives a bound", xlabel="mean of q", ylabel="nats", xlim=(-2, 2), ylim=(-12, -1))
fig.legend(loc="outside lower center", ncols=5, frameon=False)
plot.show(fig, name="bound")

# %%
# Fit it by gradient
# ------------------
# A boat measures its distances from two lighthouses, 3.4 and 3.25, with an error of 0.25; the prior of its position is
# N(0, I). A draw from q is :math:`z = \mu + L\epsilon` with :math:`\epsilon \sim N(0, I)` and a triangular L. The ELBO
# is a mean over draws of ε, whose gradient reaches μ and L, plus :math:`\sum_i \log L_{ii}` and a constant. A diagonal
# L makes the two numbers independent. For the best fit of each family, SciPy has the exact ELBO, by 20 × 20 nodes.

lights, measured = np.array([[-2.5, -1.0], [-1.5, -2.5]]), Normal(np.array([3.4, 3.25]), log_var=2 * np.log(0.25))


def likelihood(z):  # log p(x|z) of positions z (..., 2)
    return measured.log_prob(((z.reshape(*z.shape[:-1], 1, 2) - lights) ** 2).sum(axis=-1) ** 0.5).sum(axis=-1)


def draws(mu, log_diagonal, below, eps):  # eps (N, 2)
    return mu + eps @ (exp(log_diagonal) * np.eye(2) + below * np.array([[0.0, 0.0], [1.0, 0.0]])).T


def elbo_of(q, eps, weights):  # weights (N,) with sum 1
    z = draws(*q, eps)
    return (weights * (likelihood(z) + prior.log_prob(z).sum(axis=-1))).sum() + q[1].sum()


across = np.linspace(-5, 5, 401)
grid = np.stack(np.meshgrid(across, across), axis=-1)  # (401, 401, 2)
joint, by_chance = (np.exp(likelihood(z).numpy()) for z in (grid, rng.standard_normal((10**6, 2))))
joint *= np.exp(prior.log_prob(grid).sum(axis=-1).numpy())
away = (by_chance.mean() - joint.sum() * 0.025**2) / by_chance.std() * 10**3
claim("C2", "evidence: mean of a million draws from the prior - the sum, in standard errors", away, 0, atol=4)
exact = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2), np.outer(weights, weights).ravel()
circle = np.exp(1j * np.linspace(0, 2 * np.pi, 100))[:, None].view(float)  # (100, 2)
moments, fits = [round(800 * (i / 23) ** 2) for i in range(24)], {"diagonal L": [], "full L": []}
for arrays, (name, ellipses) in enumerate(fits.items(), start=2):
    q = [Parameter(np.zeros(n)) for n in (2, 2, 1)]  # μ, log of the diagonal of L, the number below it
    opt, rate = optim.Adam(q[:arrays]), optim.cosine(0.05, total=800)
    for step in range(801):
        if step in moments:
            ellipses.append(draws(*q, 2 * circle).numpy())
        opt.lr = rate(step)
        opt.step(grad(-elbo_of(q, rng.standard_normal((64, 2)), np.full(64, 1 / 64)), opt.params))
    loss = lambda numbers: -elbo_of(np.split(np.append(numbers, 0.0)[:5], [2, 4]), *exact).item()
    short = loss(fitted := np.concatenate([p.numpy() for p in opt.params])) - minimize(loss, fitted).fun
    claim("C4", f"{name}: best ELBO of its family - fitted, in nats", short, at_least=0, at_most=1e-3)

fig, ax = plt.subplots(figsize=(6.4, 5.4), layout="constrained")
ax.contourf(across, across, joint, 9, cmap="Greys")
for at, radius in zip(lights, measured.mu.numpy()):
    ax.add_patch(plt.Circle(at, radius, fill=False, ls=":"))
ax.plot(*lights.T, "*", ms=14, color=green, label="lighthouse")
lines = [ax.plot([], [], color=color, label=name)[0] for name, color in zip(fits, (blue, orange))]
ax.set(title="Posterior, and two standard deviations of q", xlabel="z₁", ylabel="z₂", xlim=(-3, 3), ylim=(-3, 2.5))
ax.legend(frameon=False, loc="lower right")
moving = ([line.set_data(*at.T) for line, at in zip(lines, now)] and fig for now in zip(*fits.values()))
plot.show(plot.film(moving, fps=4, captions=[f"step {step}" for step in moments]), name="fit")

# %%
# The full L follows the slant. The diagonal one must stay upright, and becomes too narrow: the divergence punishes a q
# that is large where the posterior is small, but hardly one that misses a part of it.
# Try this: start q of the first example at 0 with a large standard deviation. Which cause does it find, and why?
#
# Exercises: `VAEs <../../docs/exercises.md#vaes>`__.
