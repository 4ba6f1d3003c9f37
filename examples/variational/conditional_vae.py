r"""
Ask for a digit: the conditional VAE
====================================

A VAE invents digits, but you can't choose which. Give the label to both networks, and you can. What is then left for
the code to say?
"""

# %%
# The label on both sides
# -----------------------
# The decoder receives the code z and the label y, the encoder the image and its label. For each label this is a VAE
# with the same prior, so the bound is the one we know, with y as a condition everywhere:
#
# .. math:: \log p(x|y) \;\ge\; E_{q(z|x,y)}[\log p(x|z, y)] - \mathrm{KL}(q(z|x, y)\,\|\,N(0, I)).
#
# We train two models of the same size on the same binary 8x8 digits, one with labels and one without.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import probes
from tinygen.evaluate.classifier import load_classifier
from tinygen.evaluate.latents import unit_kl

digits = data.load_digits()
images, labels, test, test_labels = digits.train_images, digits.train_labels, digits.test_images, digits.test_labels
rng = np.random.default_rng(0)
vae = models.VAE.dense((8, 8, 1), [128], latent=8, rng=rng)
conditional = models.ConditionalVAE.dense((8, 8, 1), [128], latent=8, classes=10, rng=rng)
steps, losses = 1500, {"without labels": [], "with labels": []}
rate = optim.cosine(3e-3, total=steps)
optimizers = {model: optim.Adam(model.parameters()) for model in (vae, conditional)}
for step in range(steps):
    batch = rng.integers(len(images), size=100)
    x, y = (rng.random((100, 8, 8, 1)) < images[batch]).astype(np.float32), labels[batch]
    for (model, opt), curve in zip(optimizers.items(), losses.values()):
        opt.lr = rate(step)
        loss = model.loss(x, rng) if model is vae else model.loss(x, y, rng)
        opt.step(grad(loss, opt.params))
        curve.append(loss.item())

# %%
# Choose
# ------
# Sampling is as before, with a label beside each code. A classifier that was trained on real digits says whether we
# got what we asked for.

asked = np.arange(1000) % 10
samples, classifier = conditional.sample(asked, rng), load_classifier(digits, quiet=True)
seen = classifier.probabilities(classifier.features(samples)).argmax(axis=1)
claim("new", "share of samples that the classifier calls what we asked for", (seen == asked).mean(), at_least=0.9)

# %%
# One code, ten digits
# --------------------
# Each row below is one code, decoded with each label in turn. From row to row we move the latent with the largest KL,
# and leave the others at 0. The class comes from the label, and the style from the code: what changes down a column
# changes in the same way for all ten digits.

used = unit_kl(*conditional.encode(test, test_labels)).argmax()
rows = np.zeros((4, 8), np.float32)
rows[:, used] = [-2.4, -0.8, 0.8, 2.4]
ten = conditional.decode(np.repeat(rows, 10, axis=0), np.tile(np.arange(10), 4)).reshape(4, 10, 8, 8)
fig, axes = plt.subplots(4, 10, figsize=(8.4, 3.9), layout="constrained")
for line, pictures, z in zip(axes, ten, rows[:, used]):
    for ax, picture in zip(line, pictures):
        ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(f"z = {z:.1f}")
fig.suptitle("One code per row, one label per column: the same style in ten digits")
plot.show(fig, name="styles")

# %%
# What the code no longer says
# ----------------------------
# The label is free: it costs no nats. So a code that repeats it would pay for nothing, and training removes it. A
# linear classifier reads the digit from the codes of the plain VAE; with labels, it finds little. The bound of the
# test images rises, because log p(x|y) exceeds log p(x) by the :math:`\log 10 \approx 2.3` nats that the label tells.

given = {"without labels": (), "with labels": (test_labels,)}
train_given = {"without labels": (), "with labels": (labels,)}
binary = (np.random.default_rng(1).random(test.shape) < test).astype(np.float32)
found = {}
for name, model in zip(given, (vae, conditional)):
    codes, test_codes = model.encode(images, *train_given[name])[0], model.encode(test, *given[name])[0]
    accuracy = probes.linear_probe(codes, labels, test_codes, test_labels)
    found[name] = accuracy, model.log_likelihood(binary, *given[name], 100, rng)
    print(f"{name}: the codes tell {accuracy:.0%} of the digits; log p is {found[name][1].mean():.2f} nats per image")
(plain, plain_bound), (with_label, label_bound) = found.values()
claim(
    "new",
    "accuracy of a linear classifier of the codes, without labels minus with labels",
    plain - with_label,
    at_least=0.3,
)
gain = label_bound - plain_bound  # of each test image
claim("new", "rise of log p by the label, in standard errors", gain.mean() / gain.std() * len(gain) ** 0.5, at_least=4)

fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained", width_ratios=[1.3, 1])
for color, (name, curve) in zip(plot.PALETTE, losses.items()):
    left.plot(np.arange(24, steps, 50), np.reshape(curve, (-1, 50)).mean(axis=1), color=color, label=name)
left.set(title="With its label, an image costs fewer nats", xlabel="step", ylabel="loss, nats per image")
left.legend(frameon=False)
bars = right.bar(list(found), [plain, with_label], color=plot.PALETTE[:2], width=0.6)
right.bar_label(bars, fmt="{:.0%}", padding=7)
right.axhline(0.1, ls=":", color="black")
right.set(title="The class is left to the label", ylabel="digits that the code tells", ylim=(0, 1.08))
right.text(0.5, 0.12, "chance", ha="center")
plot.show(fig, name="what_is_left")

# %%
# Try this
# --------
# Give the network two latents and draw a map of codes for one label, as in the lesson on the VAE. What do its two axes
# mean? Then decode a code half way between two labels: replace the one-hot label by two entries of ½.
