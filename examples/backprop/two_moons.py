r"""
Two moons: train a small network
================================

Two classes of points lie in the plane like two moons, and no straight line separates them. How does a network learn a
curved border from examples?

Our network has two layers, each of the form :math:`f(x W + b)`. As in the code, a point is a row :math:`x`.

- The *hidden layer* turns a point :math:`x` into 16 numbers, :math:`h = \tanh(x W_1 + b_1)`.
- The *output layer* turns these into one number, the *logit* :math:`s = h W_2 + b_2`.

The network's probability that the point belongs to the lower moon is :math:`p = 1 / (1 + e^{-s})`.
"""

# %%
# The network
# -----------
# A network is called *deep* if it has two or more hidden layers. The list ``hidden`` has the sizes of these layers:
# ``[16]`` is the network above, ``[16, 16]`` is deep, and ``[]`` has no hidden layer.

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, nn, plot
from tinygen.claims import claim

NOISE = 0.15  # standard deviation of the noise on each coordinate; the moons have radius 1
STEPS, RATE, MOONS = 1500, 0.5, ("upper moon", "lower moon")


def network(hidden, rng, activation="tanh"):
    layers = [nn.Dense(n, m, activation=activation, rng=rng) for n, m in pairwise([2, *hidden])]
    return nn.Sequential(*layers, nn.Dense([2, *hidden][-1], 1, rng=rng))


def probability(model, x):
    return 1 / (1 + np.exp(-model(x).numpy()[:, 0]))  # (N,)


# %%
# The loop
# --------
# The *loss* is the mean of :math:`-\log p` over the points of the lower moon and of :math:`-\log(1 - p)` over those of
# the upper moon. It is small if the network gives each point's own moon a high probability. ``grad`` computes the
# derivative of the loss with respect to every weight, and gradient descent moves every weight a little against it. The
# lines from ``loss`` to ``p.data`` are the whole training.

rng = np.random.default_rng(0)
x, moon = data.moons(500, rng, sd=NOISE)  # points (500, 2); 0 for the upper moon and 1 for the lower moon (500,)
model = network([16], rng)
params = model.parameters()
moments = {round(STEPS * (i / 39) ** 2) for i in range(40)}  # for the film: most of the change happens early
frames, captions = [], []

for step in range(STEPS + 1):
    if step in moments:
        right = ((probability(model, x) > 0.5) == moon).mean()
        frames.append(plot.plane_map(lambda z: probability(model, z), x, moon, names=MOONS, title="Learning a border"))
        captions.append(f"step {step}: {right:.1%} of the points are on the right side")
    loss = functional.bce_with_logits(model(x)[:, 0], moon.astype(np.float32))
    for p, g in zip(params, grad(loss, params)):
        p.data = p.data - RATE * g.numpy()

# %%
# On the black line both moons are equally probable. It starts anywhere, becomes nearly straight within a few steps, and
# then curves around the moons. The colours are pale where the network is unsure.

plot.show(plot.film(frames, fps=6, captions=captions), name="decision_surface")

# %%
# New points
# ----------
# The accuracy on the training points proves little, because a large network can learn them by heart. So we count the
# right answers among 4,000 new points. Three kinds of networks are trained, each with three seeds.

models, accuracy = {}, {"no hidden layer": [], "one hidden layer": [], "two (deep)": []}
for kind, hidden in zip(accuracy, [[], [16], [16, 16]]):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        (x, moon), (new, truth) = data.moons(500, rng, sd=NOISE), data.moons(4000, rng, sd=NOISE)
        models[kind] = model = network(hidden, rng)
        params = model.parameters()
        for _ in range(STEPS):
            loss = functional.bce_with_logits(model(x)[:, 0], moon.astype(np.float32))
            for p, g in zip(params, grad(loss, params)):
                p.data = p.data - RATE * g.numpy()
        accuracy[kind].append(((probability(model, new) > 0.5) == truth).mean())

fig, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
axes.scatter(*x.T, c=np.array(plot.PALETTE)[moon], s=8)
grid = np.stack(np.meshgrid(np.linspace(-1.6, 2.6, 200), np.linspace(-1.2, 1.7, 200)), axis=2).astype(np.float32)
for (kind, model), style in zip(models.items(), [":", "--", "-"]):
    axes.contour(grid[..., 0], grid[..., 1], model(grid).numpy()[..., 0], [0], colors="black", linestyles=style)
    axes.plot([], [], style, color="black", label=f"{kind}: {accuracy[kind][-1]:.1%} of new points right")
axes.set(title="Only hidden layers make a curved border", xlabel="x₁", ylabel="x₂", aspect="equal")
fig.legend(loc="outside lower center", frameon=False)
plot.show(fig, name="borders")

# %%
# The activation is what makes the border curved. Without it, two layers are one linear map, because
# :math:`(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 + b_2)`. The best line is right for about 88 % of the points;
# 2 % more are four standard errors of a count among 4,000.

model = network([16], rng, activation=None)
W1, b1, W2, b2 = (p.numpy() for p in model.parameters())
claim("A1", "two layers without activation are one linear map", model(x), x @ (W1 @ W2) + (b1 @ W2 + b2), atol=1e-5)
claim("A1", "no hidden layer: accuracy on new points, 3 seeds", accuracy["no hidden layer"], at_most=0.9)
claim("A1", "one hidden layer: the same", accuracy["one hidden layer"], at_least=0.97)
claim("F13", "two hidden layers, a deep network: the same", accuracy["two (deep)"], at_least=0.97)

# %%
# Try this
# --------
# - Set ``NOISE`` to 0.3. Now the moons overlap. Which accuracy can no network exceed, and why?
# - Use 2 hidden units instead of 16. How many times does the border turn?
# - Look up `logit <../../docs/glossary.md#logit>`__ and `backpropagation <../../docs/glossary.md#backpropagation>`__.
#
# Exercises: `training <../../docs/exercises.md#training>`__.
