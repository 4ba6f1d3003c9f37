r"""
Compression: an autoencoder beside JPEG's transform
===================================================

The `lecture <../README.md>`__ says that an autoencoder is *data-specific*, unlike JPEG: it compresses pictures of the
kind that it was trained on, and only those. How much better is it there, and how much worse elsewhere?
"""

# %%
# The opponent
# ------------
# JPEG writes each block of 8x8 pixels as a sum of cosines, the *discrete cosine transform* (DCT), and keeps mostly the
# low frequencies. These cosines are the same for all pictures of the world. Our digits happen to be one such block. We
# count the numbers that are kept, K of 64, and compare the squared error per image: a curve of *rate* and *distortion*.
# (A real format also rounds the numbers and codes them in bits; we leave that out for both.)

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate.compression import dct_rate_distortion, dct_reconstruct

digits = data.load("digits")
train, test = digits.train_images, digits.test_images
rates = [2, 4, 8, 16]

# %%
# Train an autoencoder for each rate
# ----------------------------------
# The same network four times, with a code of 2, 4, 8 and 16 numbers.


def train_autoencoder(latent, steps=1500):
    rng = np.random.default_rng(0)
    model = models.Autoencoder.dense((8, 8, 1), [128], latent, rng=rng)
    params = model.parameters()
    opt, rate = optim.Adam(params, 3e-3), optim.cosine(3e-3, total=steps)
    for step in range(steps):
        opt.lr = rate(step)
        opt.step(grad(model.loss(train[rng.integers(len(train), size=100)]), params))
    return model


autoencoders = {latent: train_autoencoder(latent) for latent in rates}

# %%
# In the domain and outside
# -------------------------
# Inside are digits that the network has not seen. Outside are circles, squares and triangles of the same
# 8x8 pixels: simpler pictures, but no digits.

shapes = data.shapes(360, np.random.default_rng(1), size=8)[0].max(axis=3, keepdims=True)  # grey, (360, 8, 8, 1)
sets = {"digits": test, "shapes": shapes}
errors = {}
for name, images in sets.items():
    made = [functional.mse(model.reconstruct(images), images).item() for model in autoencoders.values()]
    errors[name] = {"autoencoder of digits": np.array(made), "DCT": dct_rate_distortion(images, rates)}
    for method, values in errors[name].items():
        print(f"{name:8} {method:22}", "  ".join(f"K={k}: {value:6.3f}" for k, value in zip(rates, values)))

ratios = {name: each["autoencoder of digits"] / each["DCT"] for name, each in errors.items()}
claim("B17", "digits: error of the autoencoder / of the DCT, the largest ratio", ratios["digits"].max(), at_most=1)
claim("B17", "shapes: the same, the smallest ratio", ratios["shapes"].min(), at_least=1)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, (name, methods) in zip(axes, errors.items()):
    for color, (method, values) in zip(plot.PALETTE, methods.items()):
        ax.loglog(rates, values, "o-", color=color, label=method)
    ax.set(title=f"{name}: {'the autoencoder' if name == 'digits' else 'the DCT'} is better", xlabel="numbers kept, K")
    ax.set_xticks(rates, labels=map(str, rates))
    ax.minorticks_off()
axes[0].set_ylabel("squared error per image")
axes[1].legend(frameon=False)
plot.show(fig, name="rate_distortion")

# %%
# The pictures show why. The autoencoder spends its numbers on what distinguishes digits; it can't draw anything else.
# The DCT blurs everything alike.

K = 8
fig, axes = plt.subplots(3, 8, figsize=(8, 3.4), layout="constrained")
images = np.concatenate([test[:4], shapes[:4]])
rows = {"image": images, "autoencoder": autoencoders[K].reconstruct(images), "DCT": dct_reconstruct(images, K)}
for line, (name, pictures) in zip(axes, rows.items()):
    for ax, picture in zip(line, pictures):
        ax.imshow(picture[..., 0], cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, fontsize=8)
fig.suptitle(f"{K} numbers for 64 pixels: digits at the left, shapes at the right")
plot.show(fig, name="pictures")

# %%
# Try this: keep the largest coefficients of each image (``keep="large"``). Is the DCT now better for digits? Their
# positions must be stored too: how many numbers is that worth?
