r"""
A GAN on a ring: a generator that learns from its critic
========================================================

A *generator* :math:`G` turns noise :math:`z` into points :math:`G(z)`, but it never sees the data. A *discriminator*
:math:`D` sees real points and generated ones, and learns to distinguish them: :math:`D(x)` is its probability that
:math:`x` is real. The generator learns only from the gradient of :math:`D`. Is that enough to find the data?

The data are eight narrow clusters, called *modes*, on a ring. This is hard for a GAN: it may cover only some of the
modes ("mode collapse"), and a continuous function can't jump from one mode to the next.
"""

# %%
# The loop
# --------
# Both networks play a game with :math:`L(G, D) = E \log D(x) + E \log(1 - D(G(z)))`. In each step
#
# - :math:`D` takes a step up: it classifies 256 real points (label 1) and 256 generated ones (label 0);
# - :math:`G` takes a step on :math:`-E \log D(G(z))`: it wants its points to be classified as real. Only the weights of
#   :math:`G` move, so the gradient is taken with respect to these alone.
#
# A small penalty on the slope of :math:`D` keeps the game from oscillating, and the learning rate falls to 0.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import metrics
from tinygen.models import GAN, gradient_penalty, non_saturating

SD, CENTRES, STEPS = 0.02, data.ring_centres(), 2000
NAMES, TITLE = ("generated", "real"), "Where does D believe that points are real?"
rng = np.random.default_rng(0)
gan = GAN.dense((2,), [64, 64, 64], latent=2, rng=rng)  # three hidden layers in each network; z is a point of the plane
G, D = gan.generator, gan.discriminator
g_params, d_params = G.parameters(), D.parameters()
g_opt, d_opt = (optim.Adam(params, lr=3e-3, betas=(0.0, 0.99)) for params in (g_params, d_params))
rate, average = optim.cosine(3e-3, total=STEPS), optim.EMA(g_params, decay=1 - 20 / STEPS)


def probability(x):
    return 1 / (1 + np.exp(-D(x).numpy()[:, 0]))  # D(x); the network returns its logit


watched, losses, frames, captions = gan.noise(250, rng), [], [], []
moments = {round((STEPS - 1) * (i / 39) ** 2) for i in range(40)}  # for the film
for step in range(STEPS):
    g_opt.lr = d_opt.lr = rate(step)
    real, _ = data.ring(256, rng, sd=SD)
    fake = G(gan.noise(256, rng))

    d_loss = non_saturating.d_loss(D(real), D(fake.detach()))
    penalty = gradient_penalty(D, real, fake, rng, slope=0.0)
    d_opt.step(grad(d_loss + 0.01 * penalty, d_params))

    g_loss = non_saturating.g_loss(D(fake))
    g_opt.step(grad(g_loss, g_params))
    average.update()
    losses.append((d_loss.item(), g_loss.item()))
    if step in moments:
        points = np.concatenate([G(watched).numpy(), real[:100]])
        kinds, limits = np.arange(len(points)) >= len(watched), (-1.5, 1.5, -1.5, 1.5)
        frames.append(plot.plane_map(probability, points, kinds, names=NAMES, limits=limits, title=TITLE))
        captions.append(f"step {step}")

# %%
# The colours show :math:`D`: orange where it believes points are real, blue where it believes they are generated. The
# dots are 250 generated points, always from the same noise. They move towards orange; then :math:`D` learns that they
# are there, and the colours change. At the end :math:`D` is close to 1/2 at the modes: it can't decide any more.

plot.show(plot.film(frames, fps=6, captions=captions), name="discriminator")

# %%
# Does it cover all modes?
# ------------------------
# A point of the data lies within three standard deviations of its mode with probability
# :math:`1 - e^{-9/2} = 98.9` %. Of the generated points, a few per cent lie between two modes (black). The right
# picture shows why: the noise is a connected plane, and :math:`G` cuts it into eight regions, one for each mode. Noise
# near a border becomes a point between two modes. The best that :math:`G` can do is to make the borders thin.

with average.applied():  # the averaged weights give better samples
    z = gan.noise(20_000, rng)
    samples = G(z).numpy()
modes, share, _ = metrics.mode_coverage(samples, CENTRES, SD)
distances = np.linalg.norm(samples[:, None] - CENTRES, axis=2)  # (20000, 8)
nearest, inside = distances.argmin(axis=1), distances.min(axis=1) < 3 * SD
colours = np.where(inside, np.array(plot.PALETTE)[nearest], "black")
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for series, name, colour in zip(np.transpose(losses), ("D", "G"), plot.PALETTE):
    left.plot(series, lw=0.6, color=colour, label=f"loss of {name}")
left.set(title="Dotted: the losses if D is 1/2", xlabel="step", ylabel="loss, nats", ylim=(0, 2))
left.legend(frameon=False, loc="lower right")
for value, name in ((2 * np.log(2), "2 log 2"), (np.log(2), "log 2")):
    left.axhline(value, ls=":", color="black")
    left.text(STEPS, value, name, ha="right", va="bottom")
middle.scatter(*samples.T, s=1, c=colours)
middle.set(title=f"{share:.1%} of the samples are good", xlabel="x₁", ylabel="x₂", aspect="equal")
right.scatter(*z.T, s=1, c=colours)
right.set(title="The noise that they come from", xlabel="z₁", ylabel="z₂", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
plot.show(fig, name="samples")

# %%
# The share differs from seed to seed. Six seeds gave 94.5 to 96.3 %, with mean 95.4 % and standard deviation 0.7 %. The
# claim leaves four standard deviations of a new run, :math:`4 \cdot 0.7 \sqrt{1 + 1/6} = 3.0` %, below the mean.

claim("D1 D3", "modes that the generator covers, of 8", modes, 8)
claim("D1 D3", "share of the samples within 3 sd of a mode", share, at_least=0.954 - 0.030)

# %%
# Try this
# --------
# - Remove the penalty. What happens to the losses, and to the share?
# - Let ``D`` take five steps for each step of ``G``, then the opposite. Which of the two loses modes?
# - Look up `mode collapse <../../docs/glossary.md#mode-collapse>`__.
#
# Exercises: `GANs and diffusion <../../docs/exercises.md#gans-and-diffusion>`__.
