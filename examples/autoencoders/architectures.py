r"""
Mirrors, and deep against shallow
=================================

The `lectures <../README.md>`__ draw every autoencoder as an hourglass: "the decoder is typically a mirror image of the
encoder". They also stack more layers, and call the result *deep*. What exactly is mirrored, also for convolutions? And
is a deep network better than a shallow one that has as many parameters and the same code?
"""

# %%
# The mirror of dense layers
# --------------------------
# The decoder has the encoder's layers in reverse order, each from its output size to its input size. So the widths of
# the whole network are a palindrome: they read the same from both ends.

from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, nn, optim, plot
from tinygen.claims import claim

rng = np.random.default_rng(0)
encoder = nn.Sequential(nn.Dense(64, 32, activation="gelu", rng=rng), nn.Dense(32, 2, rng=rng))
decoder = models.mirror(encoder, (64,), rng=rng, output="sigmoid")
print(encoder, decoder, sep="\n")
x, widths = np.zeros((1, 64), np.float32), [64]
for layer in [*encoder, *decoder]:
    x = layer(x)
    widths += [x.shape[1]] * isinstance(layer, nn.Dense)
print("widths:", widths)
claim("B4", "the widths, read backwards", widths, widths[::-1])

# %%
# The mirror of convolutions
# --------------------------
# A convolution becomes a transposed convolution. With stride s, up to s sizes of the input give the same size of the
# output, so the transposed convolution must know which one to return: ``mirror`` tells it. Here are all kernel sizes to
# 5, strides to 3, image heights to 12 and paddings to 2, where the padding is smaller than the kernel and the kernel
# fits into the padded image.

wrong, tried = 0, 0
for kernel, stride, padding, height in np.ndindex(5, 3, 3, 12):
    kernel, stride, height = kernel + 1, stride + 1, height + 1
    if padding < kernel <= height + 2 * padding:
        encoder = nn.Conv2d(1, 2, kernel, stride=stride, padding=padding, rng=rng)
        image = np.zeros((1, height, height + 1, 1), np.float32)
        decoder = models.mirror(encoder, image.shape[1:], rng=rng)
        wrong, tried = wrong + (decoder(encoder(image)).shape != image.shape), tried + 1
claim("B4", f"wrong shapes in {tried} mirrors of a convolution", wrong, 0)

# %%
# The lecture's convolutional autoencoder is nearly a mirror: only the dense layer of 16 has no counterpart, and there
# is one more convolution at the end. Its shapes:

lecture = models.Autoencoder.conv((28, 28, 1), rng=rng)
shapes, x = [], np.zeros((1, 28, 28, 1), np.float32)
for layer in [*lecture.encoder, *lecture.decoder]:
    x = layer(x)
    shapes.append(x.shape[1:])
print(" → ".join("×".join(map(str, shape)) for shape in (shape for shape, _ in groupby(shapes))))
claim("A10", "parameters of the lecture's network", sum(p.size for p in lecture.parameters()), 159_355)

# %%
# Deep against shallow
# --------------------
# Both networks have a code of 2 numbers and nearly as many parameters: one wide layer before and after the code, or two
# narrower ones. The third is the deep one with *layer-wise pretraining*, the switch ``pretrain``: each layer of the
# encoder is first trained alone with its counterpart in the decoder, from the outside in. It takes extra steps.

train, test = data.load("digits").train_images, data.load("digits").test_images


def fit(widths, seed, pretrain=0, steps=600):
    rng = np.random.default_rng(seed)
    model = models.Autoencoder.dense((8, 8, 1), widths, 2, activation="gelu", rng=rng)
    if pretrain:
        models.pretrain_layers(model, train, steps=pretrain, lr=3e-3, rng=rng)
    opt, rate, errors = optim.Adam(model.parameters(), lr=3e-3), optim.cosine(3e-3, total=steps), []
    for step in range(steps):
        opt.lr = rate(step)
        opt.step(grad(model.loss(train[rng.integers(len(train), size=100)]), opt.params))
        if step % 50 == 49:
            errors.append(functional.mse(model.reconstruct(test), test).item())
    return model, errors


kinds = {"shallow, 64-93-2": dict(widths=[93]), "deep, 64-64-32-2": dict(widths=[64, 32])}
kinds["deep, pretrained"] = dict(widths=[64, 32], pretrain=100)
runs = {name: [fit(seed=seed, **settings) for seed in range(3)] for name, settings in kinds.items()}
sizes = {name: sum(p.size for p in run[0][0].parameters()) for name, run in runs.items()}
ends = {name: np.array([errors[-1] for _, errors in run]) for name, run in runs.items()}
for name, errors in ends.items():
    print(f"{name}: {sizes[name]:,} parameters, squared error per test image", *np.round(errors, 2))

shallow, deep, _ = kinds
claim("B5", "parameters: deep / shallow", sizes[deep] / sizes[shallow], 1, rtol=0.02)
claim("B5", "test error: deep / shallow, 3 seeds", ends[deep] / ends[shallow], at_most=1)

fig, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for color, (name, run) in zip(plot.PALETTE, runs.items()):
    for number, (_, errors) in enumerate(run):
        ax.plot(50 * np.arange(1, len(errors) + 1), errors, color=color, label=None if number else name)
ax.set(title="Equal codes and parameters: the deep networks win", xlabel="step", ylabel="squared error per test image")
ax.legend(frameon=False)
plot.show(fig, name="deep_and_shallow")

# %%
# Try this: give the code 8 numbers instead of 2. Does depth still help? And what if both have ReLUs?
