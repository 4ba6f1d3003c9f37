r"""
Optimizers: five ways to walk downhill
======================================

Backpropagation gives the gradient :math:`g` of the loss with respect to the parameters :math:`\theta`. "Often a variant
of GD is applied", says the `lecture <../README.md>`__, where GD is gradient descent. Which variants are there, and how
much faster are they? One step with the learning rate :math:`\eta` is

- gradient descent: :math:`\theta \leftarrow \theta - \eta g`, called *stochastic* (SGD) if the data are sampled;
- momentum: :math:`v \leftarrow \mu v + g` and :math:`\theta \leftarrow \theta - \eta v`, like a heavy ball;
- Nesterov: the same :math:`v`, and :math:`\theta \leftarrow \theta - \eta (g + \mu v)`;
- RMSprop: :math:`s \leftarrow \alpha s + (1 - \alpha) g^2` and :math:`\theta \leftarrow \theta - \eta g / \sqrt s`;
- Adam: momentum and RMSprop together, corrected because both averages start at 0.
"""

# %%
# A narrow valley
# ---------------
# The loss :math:`\frac12 (x^2 + 25 y^2)` is a valley, :math:`k = 25` times as steep across as along; :math:`k` is the
# *condition number*. A step that is safe across the valley is short along it.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import Parameter, grad, optim, plot
from tinygen.claims import claim

k = 25.0


def valley(x, y):
    return (x**2 + k * y**2) / 2


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def walk(loss, start, steps, optimizer, **settings):
    point = Parameter(np.array(start))  # float64
    opt, path = optimizer([point], **settings), [point.numpy()]
    for _ in range(steps):
        opt.step(grad(loss(point[0], point[1]), [point]))
        path.append(point.numpy())
    return np.array(path)  # (steps + 1, 2)


# %%
# For this loss the best settings are known, and the factor by which each step shrinks the distance to the minimum too.
# Gradient descent reaches :math:`(k - 1) / (k + 1) = 0.923`. Momentum replaces :math:`k` by its root:
# :math:`(\sqrt k - 1) / (\sqrt k + 1) = 0.667`. Nesterov's factor is between them, :math:`1 - 1 / \sqrt k = 0.8`; but
# it converges for every loss with curvatures from 1 to 25, where momentum can fail (Lessard, Recht & Packard 2016).
# The factor is measured from step 100 to 200; the minimum is at 0, so rounding doesn't matter even at 1e-34.
# With momentum and with Nesterov, two solutions of the recursion coincide: after t steps with the factor :math:`\rho`
# the distance is about :math:`t \rho^t`, not :math:`\rho^t`, which multiplies the factor by :math:`2^{1/100} = 1.007`.

r, best = np.sqrt(k), (np.sqrt(k) - 1) / (np.sqrt(k) + 1)
methods = {  # name: predicted factor, settings
    "gradient descent": ((k - 1) / (k + 1), dict(lr=2 / (k + 1))),
    "momentum": (best, dict(lr=4 / (r + 1) ** 2, momentum=best**2)),
    "Nesterov": (1 - 1 / r, dict(lr=1 / k, momentum=best, nesterov=True)),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
x, y = np.meshgrid(np.linspace(-0.3, 1.1, 200), np.linspace(-0.5, 0.5, 200))
left.contour(x, y, valley(x, y), levels=np.geomspace(0.01, 3, 8), colors="silver")
for (name, (factor, settings)), colour in zip(methods.items(), plot.PALETTE):
    path = walk(valley, [1.0, 0.2], 200, optim.SGD, **settings)  # (201, 2)
    distance = np.linalg.norm(path, axis=1)  # (201,)
    measured = (distance[200] / distance[100]) ** (1 / 100)
    claim("S3", f"{name} in a valley with k = 25: factor per step", measured, factor, rtol=0.02)
    left.plot(*path[:40].T, ".-", color=colour, lw=1)
    right.semilogy(distance, color=colour, label=f"{name}: {measured:.3f} per step")
    right.semilogy([100, 200], distance[100] * factor ** np.array([0, 100]), ":", color="black", lw=2.5)
left.set(title="Zigzag across, and a way along", xlabel="x", ylabel="y")
right.set(title="Dotted: the predicted factor", xlabel="step", ylabel="distance to the minimum")
right.legend(frameon=False)
plot.show(fig, name="valley")

# %%
# A curved valley
# ---------------
# Rosenbrock's function :math:`(1 - x)^2 + 100 (y - x^2)^2` has its minimum at (1, 1), at the end of a curved valley.
# Here the best settings are not known; these are common ones.

SGD, ball = optim.SGD, dict(lr=0.001, momentum=0.9)
settings = {"SGD": (SGD, dict(lr=0.001)), "momentum": (SGD, ball), "Nesterov": (SGD, ball | dict(nesterov=True))}
settings |= {"RMSprop": (optim.RMSprop, dict(lr=0.01)), "Adam": (optim.Adam, dict(lr=0.1))}
paths = {name: walk(rosenbrock, [-1.2, 1.0], 1000, kind, **given) for name, (kind, given) in settings.items()}
moments = [round(1000 * (i / 44) ** 2) for i in range(45)]  # of the film


def frames():
    fig, axes = plt.subplots(figsize=(6, 5.2), layout="constrained")
    x, y = np.meshgrid(np.linspace(-1.6, 1.5, 200), np.linspace(-0.4, 1.6, 200))
    axes.contour(x, y, rosenbrock(x, y), levels=np.geomspace(0.1, 1000, 9), colors="silver")
    axes.set(title="Which optimizer reaches the end of the valley, (1, 1)?", xlabel="x", ylabel="y")
    lines = [axes.plot([], [], f"{m}-", ms=8, markevery=[-1], color=c)[0] for m, c in zip("os^Dv", plot.PALETTE)]
    names = [f"{name}, in the end {rosenbrock(*path[-1]):.0e}" for name, path in paths.items()]
    fig.legend(lines, names, loc="outside lower center", ncols=2, frameon=False)
    for step in moments:
        for line, path in zip(lines, paths.values()):
            line.set_data(*path[: step + 1].T)
        yield fig


plot.show(plot.film(frames(), fps=6, captions=[f"step {step}" for step in moments]), name="rosenbrock")

# %%
# All five find the valley at once; the long way through it makes the difference. Momentum and Nesterov add up the small
# gradients along the valley. RMSprop and Adam divide by the size of the gradient. (The legend has the final losses.)

first = np.abs(paths["Adam"][1] - paths["Adam"][0])
claim("new", "Adam's first step is the learning rate, in each coordinate, for any gradient", first, 0.1, rtol=1e-6)

# %%
# Try this
# --------
# - Set ``k = 400``. Predict from the formulas how many steps each method needs for a distance of 0.001, and count them.
# - Double the learning rates in the curved valley one by one. Which optimizer diverges first, and which hardly notices?
# - Look up `parameter <../../docs/glossary.md#parameter>`__ and `momentum <../../docs/glossary.md#momentum>`__.
#
# Exercises: `training <../../docs/exercises.md#training>`__.
