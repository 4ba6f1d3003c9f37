r"""
Diffusion in the plane: noise becomes a swiss roll
==================================================

It is easy to destroy data: add a little Gaussian noise, again and again, until nothing else is left. Can a network
learn to undo this, so that pure noise becomes new data?

After :math:`t` steps of noise, a data point :math:`x_0` has become

.. math:: x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon, \qquad \varepsilon \sim N(0, I),

where :math:`\bar\alpha_t` falls from 1 (data) to almost 0 (noise). A network sees :math:`x_t` and :math:`t` and learns
to predict what was mixed. With this prediction, a *sampler* goes from :math:`t` to an earlier time.
"""

# %%
# Train
# -----
# For each point, the loss draws a random time and random noise. It is the squared error of the prediction. The network
# predicts :math:`v = \sqrt{\bar\alpha_t}\, \varepsilon - \sqrt{1 - \bar\alpha_t}\, x_0`, a mixture from which both the
# noise and the data follow, at every time. The data are shifted and scaled to the mean and the variance of the noise.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import metrics
from tinygen.models import Diffusion, cosine_schedule

rng = np.random.default_rng(0)
roll, _ = data.swiss_roll(100_000, rng)
centre, scale = roll.mean(axis=0), roll.std(axis=0)


def real(n):
    return (data.swiss_roll(n, rng)[0] - centre) / scale  # (n, 2)


schedule = cosine_schedule(1000, prediction_type="v_prediction")
model = Diffusion.points((2,), schedule=schedule, rng=rng)
params, steps = model.parameters(), 2500
opt, rate = optim.Adam(params, lr=5e-3), optim.cosine(5e-3, total=steps, warmup=100)
average = optim.EMA(params, decay=1 - 10 / steps)  # the mean of the weights over about a tenth of the run

for step in range(steps):
    opt.lr = rate(step)
    loss = model.loss(real(256), rng)
    opt.step(grad(loss, params))
    average.update()

# %%
# Sample
# ------
# Both samplers start from noise, :math:`x_T \sim N(0, I)`. At each step they keep the predicted data and a smaller part
# of the noise. DDPM goes through all 1,000 times and replaces a little of the predicted noise by fresh noise each time.
# DDIM adds no fresh noise, so it can take longer steps: here 50, which grow shorter near the data.

few = schedule.timesteps(50, power=1.25)
with average.applied():
    film = list(model.reverse(1000, rng, steps=schedule.timesteps(50, power=2)))  # states: time t, points x (1000, 2)
    sets = {
        "DDIM, 50 steps": model.sample(10_000, rng, steps=few).reshape(5, 2000, 2),
        "DDPM, 1,000 steps": model.sample(4000, rng, steps=1000, eta=1).reshape(2, 2000, 2),
    }

fig, axes = plt.subplots(figsize=(4.4, 4.4), layout="constrained")
(dots,) = axes.plot([], [], ".", ms=3, color=plot.PALETTE[0])
axes.set(title="The network turns noise into data", xlabel="x₁", ylabel="x₂", xlim=(-3, 3), ylim=(-3, 3))


def frames():
    for state in film:
        dots.set_data(*state.x.T)
        yield fig


captions = [f"t = {state.t}: {schedule.alpha_bar[state.t]:.0%} of the variance is data" for state in film]
plot.show(plot.film(frames(), fps=10, captions=captions), name="noise_to_data")

# %%
# At first the points only arrange themselves roughly. The spiral appears when the noise is smaller than the distance
# between its arms. A few points end between two arms: near t = 0 the best prediction jumps from one arm to the other,
# and a small network can only approximate a jump.

titles = {"data": real(2000)} | {name: xs[0] for name, xs in sets.items()}
fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained", sharex=True, sharey=True)
for ax, (name, points), colour in zip(axes, titles.items(), plot.PALETTE[1:]):
    ax.plot(*points.T, ".", ms=2, color=colour)
    ax.set(title=name, xlabel="x₁", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
axes[0].set_ylabel("x₂")
plot.show(fig, name="samples")

# %%
# Are they good?
# --------------
# The *sliced Wasserstein distance* says how far 2,000 samples must move, on average along many directions, to become
# 2,000 real points. Even two sets of real points are not at distance 0: their distance is the *floor* that no sampler
# can beat. It varies from pair to pair, so a mean over several sets may exceed it by four standard errors, as below.
# Noise, before the first step, is further away.


def distance(points):
    return metrics.sliced_wasserstein(points, real(2000), rng, projections=128)


between_real = [distance(real(2000)) for _ in range(40)]
floor, spread = np.mean(between_real), np.std(between_real)
for name, several in sets.items():
    ratio = np.mean([distance(points) for points in several for _ in range(8)]) / floor
    claim("E5 E7", f"{name}: distance / floor", ratio, at_most=1 + 4 * spread / floor / np.sqrt(len(several)))
noise = distance(rng.standard_normal((2000, 2)))
claim("E4", "pure noise: distance / floor", noise / floor, at_least=1 + 4 * spread / floor)

# %%
# Try this
# --------
# - Sample with 5, 10 and 20 steps of DDIM, and with ``eta=1``. Which sampler needs more steps, and why?
# - Train on ``data.ring`` instead. Its eight dots are narrow: which part of the sampler must be finer?
# - Look up `DDPM <../../docs/glossary.md#ddpm>`__ and `DDIM <../../docs/glossary.md#ddim>`__.
#
# Exercises: `GANs and diffusion <../../docs/exercises.md#gans-and-diffusion>`__.
