r"""
Codes at work: few labels, many images
======================================

Labels cost money; images without labels are nearly free. An autoencoder learns from images alone. If its codes describe
the images well, a simple classifier needs few labelled ones. Does it, and compared with what?
"""

# %%
# Train without labels
# --------------------
# All 1,437 training digits, without their labels, train two autoencoders with the same layers: a plain one, and a
# *denoising* one, which receives an image with noise and returns the clean one. The code has 64 numbers, as many as an
# image has pixels, so brevity is not its merit.

from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import probes


def fit(model, images, rng, steps):
    opt, rate = optim.Adam(model.parameters(), 3e-3), optim.cosine(3e-3, total=steps)
    for step in range(steps):
        opt.lr = rate(step)
        opt.step(grad(model.loss(images[rng.integers(len(images), size=100)], rng), opt.params))
    return model


def learn_codes(rng):
    layers = dict(shape=(8, 8, 1), widths=[256], latent=64, code_activation="relu", rng=rng)
    plain, denoiser = models.Autoencoder.dense(**layers), models.DenoisingAutoencoder.dense(**layers, sd=0.5)
    trained = {"plain code": fit(plain, train, rng, 600), "denoising code": fit(denoiser, train, rng, 600)}
    return {name: [model.encode(train), model.encode(test)] for name, model in trained.items()}


digits, seeds, counts = data.load("digits"), (0, 1, 2), (1, 5, 20)
train, test = digits.train_images, digits.test_images

# %%
# Learn from few labels
# ---------------------
# Now 1, 5 or 20 labelled digits of each class, drawn five times, train a *probe* on the codes: a linear classifier, or
# the label of the nearest code. It is tested on 360 other digits. The baselines are the 64 pixels, and 16 numbers of a
# principal component analysis (PCA). Dividing each number by its own standard deviation would make the faint, noisy
# components as loud as the rest, and the baseline weak. So we divide all by the same number (``scale="all"``).

kinds = {"linear probe": partial(probes.linear_probe, scale="all"), "nearest code": partial(probes.knn_accuracy, k=1)}
basis = models.pca(train, 16)
pixels = [images.reshape(-1, 64) for images in (train, test)]
sets = {"pixels": pixels, "PCA code": [(x - basis.mean) @ basis.components.T for x in pixels]}
accuracy = {}  # of each probe and code: a row for each seed, a column for each number of labels
for seed in seeds:
    sets |= learn_codes(np.random.default_rng(seed))
    for kind, probe in kinds.items():
        for name, (codes, others) in sets.items():
            few = partial(probes.few_label_accuracy, codes, digits.train_labels, others, digits.test_labels)
            draws = [few(per_class=n, probe=probe, repeats=5, rng=np.random.default_rng(seed)) for n in counts]
            accuracy.setdefault((kind, name), []).append(np.mean(draws, axis=1))

mean = {key: np.mean(rows, axis=0) for key, rows in accuracy.items()}
for (kind, name), values in mean.items():
    print(f"{kind:12}  {name:15}", "  ".join(f"{n:2} labels: {value:.3f}" for n, value in zip(counts, values)))
five = {key: np.array(rows)[:, counts.index(5)] for key, rows in accuracy.items()}  # of each seed
for name in ("pixels", "PCA code"):
    gains = {kind: five[kind, "denoising code"] - five[kind, name] for kind in kinds}
    claim("B19", f"linear probe, 5 labels: gain over {name} in 3 of 3 seeds", gains["linear probe"], at_least=0)
    claim("B19", f"nearest code, 5 labels: gain over {name}, mean", gains["nearest code"].mean(), at_least=0)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, kind in zip(axes, kinds):
    for color, marker, name in zip(plot.PALETTE, "os^D", sets):
        ax.plot(range(3), 100 * mean[kind, name], marker=marker, color=color, label=name)
    ax.set(title=kind, xlabel="labelled digits of each class", xticks=range(3), xticklabels=counts)
axes[0].set_ylabel("test digits classified correctly, %")
axes[1].legend(frameon=False)
fig.suptitle("With few labels the denoising code is ahead; the plain code is not")
plot.show(fig, name="few_labels")

# %%
# While labels are few the denoising code wins; with 20 of each class, the nearest image beats the nearest code. And an
# autoencoder alone is not enough: the plain code is worth no more than the pixels.
#
# Read a factor off the code
# --------------------------
# A coloured shape has an area, a place and a hue. An autoencoder learns from 1,000 shapes without these *factors*, then
# a linear regression (*ridge*) learns the factors from the codes of 30 shapes. Its score is :math:`R^2`, the share of
# the variance that it explains in other shapes. A hue is an angle, so we take its cosine.

factors, scores = ["area", "place x", "place y", "cos hue"], {"PCA code": [], "plain code": []}
for seed in seeds:
    rng = np.random.default_rng(seed)
    (x, known), (others, truths) = data.shapes(1000, rng), data.shapes(500, rng)
    wanted, truth = (np.stack([f.area, f.x, f.y, np.cos(2 * np.pi * f.hue)], axis=1) for f in (known, truths))
    model, basis = fit(models.Autoencoder.dense((16, 16, 3), [128], 16, rng=rng), x, rng, 300), models.pca(x, 16)
    linear = [(images.reshape(len(images), -1) - basis.mean) @ basis.components.T for images in (x, others)]
    few = [rng.choice(1000, 30, replace=False) for _ in range(10)]
    for name, (codes, tests) in zip(scores, (linear, [model.encode(x), model.encode(others)])):
        r2 = [probes.regression_probe(codes[i], wanted[i], tests, truth) for i in few]
        scores[name].append(np.mean(r2, axis=0))
gain = np.subtract(scores["plain code"], scores["PCA code"])[:, 0]  # of (seeds, factors)
claim("B19", "area from 30 shapes: gain in R² over the PCA code in 3 of 3 seeds", gain, at_least=0)

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for shift, (name, rows), color in zip((-0.18, 0.18), scores.items(), plot.PALETTE[1:]):
    low, middle, high = np.sort(rows, axis=0)
    ax.bar(np.arange(4) + shift, middle, 0.34, yerr=(middle - low, high - middle), capsize=3, color=color, label=name)
ax.set_xticks(range(4), labels=factors)
ax.set(ylim=(0, 1), ylabel="R² in other shapes", title="The area is where the code beats PCA (bars: range of 3 seeds)")
ax.legend(frameon=False, ncols=2, loc="upper right")
plot.show(fig, name="factors")

# %%
# No linear function of the pixels is the area in every colour: yellow lights two channels, red one.
#
# Try this: which noise helps most? Then use ``scale="each"``, and a PCA code with 40 numbers. What happens to it?
