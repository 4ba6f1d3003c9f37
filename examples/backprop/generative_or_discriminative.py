r"""
Generative or discriminative?
=============================

"A generative model captures :math:`p(x, y)`, while a discriminative model focuses on :math:`p(y|x)`", says the `lecture
<../README.md>`__, for data x and labels y. Both can classify. Do they find the same border? What can only one do?
"""

# %%
# Two data sets
# -------------
# In the first, both classes are Gaussians with the same covariance. In the second, a seventh of the second class lies
# far away, so that it is no Gaussian any more.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from tinygen import Parameter, functional, grad, optim, plot
from tinygen.claims import claim

N = 20_000
rng = np.random.default_rng(0)
mix = np.array([[1.0, 0.0], [0.6, 0.7]])  # turns independent normal numbers into correlated ones
y = rng.integers(2, size=N)
gaussian = rng.standard_normal((N, 2)) @ mix.T + np.array([[-0.7, 0.2], [0.7, -0.2]])[y]  # (N, 2)
far = (y == 1) & (rng.random(N) < 1 / 7)
outlying = gaussian + far[:, None] * np.array([6.0, -8.0])

# %%
# The generative model
# --------------------
# It has a formula for everything: :math:`p(y)` is the share of the class, and :math:`p(x|y)` is a Gaussian with mean
# :math:`\mu_y` and a common covariance :math:`\Sigma`. Maximum likelihood needs no gradient here: the estimates are the
# means and the covariance of the data. Bayes' rule turns them into a classifier with a straight border,
#
# .. math:: \log \frac{p(1|x)}{p(0|x)} = w^T x + b, \qquad w = \Sigma^{-1} (\mu_1 - \mu_0).


def fit_generative(x):
    means = np.stack([x[y == k].mean(axis=0) for k in (0, 1)])
    covariance = np.cov((x - means[y]).T, ddof=0)
    w = np.linalg.solve(covariance, means[1] - means[0])
    b = np.log(y.mean() / (1 - y.mean())) - means.mean(axis=0) @ w
    return w, b, means, covariance


# %%
# The discriminative model
# ------------------------
# Logistic regression has :math:`w` and :math:`b` themselves as parameters. It maximises the probability of the labels,
# which is to minimise the *cross-entropy*, and says nothing about where the points lie.


def cross_entropy(x, w, b):
    return functional.bce_with_logits(x @ w + b, y.astype(np.float64))  # nats per point


def fit_discriminative(x):
    w, b = Parameter(np.zeros(2)), Parameter(np.zeros(1))
    opt, rate = optim.Adam([w, b], lr=0.3), optim.cosine(0.3, total=400)
    for step in range(400):
        opt.lr = rate(step)
        opt.step(grad(cross_entropy(x, w, b), [w, b]))
    return w.numpy(), b.item()


# %%
# Only one of them can sample
# ---------------------------
# To draw a new point from :math:`p(x, y)`, draw a class from :math:`p(y)`, then a point from its Gaussian. From
# :math:`p(y|x)` alone no point can be drawn: it needs an :math:`x` to begin with.


def sample(means, covariance):
    classes = (rng.random(N) < y.mean()).astype(int)
    return means[classes] + rng.multivariate_normal(np.zeros(2), covariance, N), classes


COLOURS = np.array(plot.PALETTE[:2])
fig, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
angles, gains = [], []
for name, x, row, (low, high) in zip(["both Gaussian", "one is not"], [gaussian, outlying], axes, [(-4, 4), (-12, 10)]):
    w, b, means, covariance = fit_generative(x)
    v, c = fit_discriminative(x)
    points, classes = sample(means, covariance)
    angles.append(np.degrees(np.arccos(w @ v / np.linalg.norm(w) / np.linalg.norm(v))))
    gains.append((cross_entropy(x, w, b) - cross_entropy(x, v, c)).item())
    right = [((x @ slope + offset > 0) == y).mean() for slope, offset in ((w, b), (v, c))]
    errors = (points - means[classes]).mean(axis=0) / np.sqrt(np.diag(covariance) / N)
    row[0].scatter(*x[:1500].T, s=3, c=COLOURS[y[:1500]])
    row[1].scatter(*points[:1500].T, s=3, c=COLOURS[classes[:1500]])
    grid = np.stack(np.meshgrid(*[np.linspace(low, high, 200)] * 2), axis=2)  # (200, 200, 2)
    colours = LinearSegmentedColormap.from_list("", [COLOURS[0], "white", COLOURS[1]])
    row[2].contourf(*grid.transpose(2, 0, 1), 1 / (1 + np.exp(-grid @ v - c)), np.linspace(0, 1, 11), cmap=colours)
    for ax, slope, offset in ((row[1], w, b), (row[2], v, c)):
        ax.axline((0, -offset / slope[1]), slope=-slope[0] / slope[1], color="black")
    titles = f"Data: {name}", f"Generative: samples; {right[0]:.0%} right", f"Discriminative; {right[1]:.0%} right"
    for ax, title in zip(row, titles):
        ax.set(title=title, xlabel="x₁", ylabel="x₂", xlim=(low, high), ylim=(low, high))
plot.show(fig, name="two_models")

# %%
# Above, the generative model's assumption is true: both borders (black) agree, and its samples look like the data.
# Below it is false: the common Gaussian must reach the distant points, so the samples look wrong and the border turns.
# The discriminative model doesn't use where the points lie, as long as they are on the right side.
#
# The direction of its border has a standard error of 0.3 degrees (from the second derivatives of the loss). The last
# claim holds for any data: among all :math:`p(y|x)` of this form, logistic regression has the smallest cross-entropy.

claim("F2", "angle between the borders in degrees, if both classes are Gaussian", angles[0], at_most=3)
claim("F2", "mean of the generative model's samples, in standard errors from its own mean", errors, 0, atol=4)
claim("new", "cross-entropy, generative minus discriminative, both data sets", gains, at_least=0)

# %%
# Try this
# --------
# - Use 20 points instead of 20,000, with many seeds. Which model classifies new points better, in each data set?
# - Give each class its own covariance in the generative model. Which shape has the border then?
# - Look up `prior <../../docs/glossary.md#prior>`__ and `posterior <../../docs/glossary.md#posterior>`__.
