r"""
Two ways to a small error and a useless code
============================================

A small reconstruction error is not the goal of an autoencoder: the goal is a code that says something about the data.
The `lecture <../README.md>`__ names two networks whose error is nearly 0 and whose code is worthless: one number with a
very powerful encoder and decoder, and more numbers than pixels. What exactly goes wrong in each?
"""

# %%
# One number, and a decoder that knows the data by heart
# ------------------------------------------------------
# Take 20 random points in 10 dimensions, which one number can't describe. But it can *number* them: the encoder maps
# the i-th point to some place on a line, and the decoder has learnt what lies at each place. The points are independent
# Gaussian noise, so there is nothing else to learn.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import probes
from tinygen.evaluate.codes import robustness

rng = np.random.default_rng(0)
points, held_out = rng.normal(size=(20, 10)).astype(np.float32), rng.normal(size=(200, 10)).astype(np.float32)
variance = ((points - points.mean(axis=0)) ** 2).sum() / 20  # the error of the best constant

model = models.Autoencoder.dense((10,), [128, 128], 1, activation="relu", output="linear", rng=rng)
params, steps = model.parameters(), 3200
opt, rate = optim.Adam(params, 3e-3), optim.cosine(3e-3, total=steps)
errors = {"training points": [], "held-out points": []}
for step in range(steps):
    opt.lr = rate(step)
    loss = model.loss(points)
    opt.step(grad(loss, params))
    if step % 40 == 0 or step == steps - 1:
        unseen = functional.mse(model.reconstruct(held_out), held_out).item()
        errors["training points"].append(loss.item() / variance)
        errors["held-out points"].append(unseen / variance)

claim("B10", "error of the 20 points / their variance", errors["training points"][-1], at_most=1e-3)
claim("B10", "error of held-out points / the same variance", errors["held-out points"][-1], at_least=0.9)

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for color, (name, curve) in zip(plot.PALETTE, errors.items()):
    ax.semilogy(np.linspace(1, steps, len(curve)), curve, color=color, label=name)
ax.axhline(1, ls=":", color="black", label="the mean of the points")
ax.set(title="By heart: the training error vanishes, the other never falls", xlabel="step", ylabel="error / variance")
ax.legend(frameon=False)
plot.show(fig, name="by_heart")

# %%
# Such a code is a list of numbers in some order, and the loss is the same for every order. So on average over the
# orders the code says nothing: give ten points one label and ten the other, and guess the label of each point from the
# nearest code of the 19 others. Of these, 9 have the same label, so chance is 9/19.

labels, orders = np.arange(20) % 2, 200
scores = []
for _ in range(orders):
    code = rng.permutation(20)[:, None].astype(float)
    others = [np.delete(np.arange(20), i) for i in range(20)]
    hits = [probes.knn_accuracy(code[o], labels[o], code[[i]], labels[[i]], k=1) for i, o in enumerate(others)]
    scores.append(np.mean(hits))
distance = (np.mean(scores) - 9 / 19) / (np.std(scores) / np.sqrt(orders))
claim("B10", "label from the order: distance from chance, in standard errors", distance, 0, atol=4)

# %%
# More numbers than pixels: a copy
# --------------------------------
# With 100 numbers for 64 pixels the two matrices can be the identity with some zeros. The loss is 0, and the code is
# the image itself. Such a network knows nothing about digits, and it shows as soon as the input has noise: what goes in
# noisy comes out as noisy. An autoencoder of the same size that was trained to remove noise can't be a copy.

digits = data.load("digits")
train, test = (images.reshape(-1, 64) for images in (digits.train_images, digits.test_images))
copy = models.Autoencoder.linear((64,), 100, rng=rng)
copy.encoder.weight.data = np.eye(64, 100, dtype=np.float32)
copy.decoder.weight.data = np.eye(100, 64, dtype=np.float32)
claim("B11", "the loss of the copy", copy.loss(test).item(), 0, atol=0)

denoiser = models.DenoisingAutoencoder.dense((64,), [], 100, sd=0.3, code_activation="relu", rng=rng)
params = denoiser.parameters()
opt = optim.Adam(params, 3e-3)
for _ in range(1500):
    opt.step(grad(denoiser.loss(train[rng.integers(len(train), size=100)], rng), params))

noise = [models.GaussianNoise(sd) for sd in (0.1, 0.2, 0.3, 0.4)]
networks = {"noisy input": lambda x: x, "copy": copy.reconstruct, "trained with noise": denoiser.reconstruct}
quality = {name: robustness(f, test, noise, np.random.default_rng(1)) for name, f in networks.items()}  # in dB
better = quality["copy"] - quality["noisy input"]
claim("B11", "copy: PSNR of the output, less that of its input, in dB", better, 0, atol=0.1)
gain = (quality["trained with noise"] - quality["noisy input"])[2]
claim("B11", "trained with noise of 0.3: the same gain, in dB", gain, at_least=3)

noisy = models.GaussianNoise(0.3)(test[:8], np.random.default_rng(2))
fig, axes = plt.subplots(3, 8, figsize=(8, 3.3), layout="constrained")
for line, (name, f) in zip(axes, networks.items()):
    for ax, image in zip(line, f(noisy)):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, fontsize=8)
fig.suptitle("The copy returns the noise; the other has learnt what digits look like")
plot.show(fig, name="copy")

# %%
# Try this: train the linear autoencoder with 100 numbers from random weights. Is it a copy?
