r"""
Which loss for which output
===========================

The `lectures <../README.md>`__ write the loss of an autoencoder in several ways: the squared error with three different
factors in front, and the cross-entropy "if the output is a sigmoid". One slide even uses the squared error after a
sigmoid. Which of these are the same, which one belongs to which output, and what do they have in common?
"""

# %%
# Three factors, one squared error
# --------------------------------
# For N images x of D pixels and their reconstructions, all three are the same sum of squares
# :math:`\sum (x - \hat x)^2`, divided by N ("batchmean", the squared error *per image*), by N D ("mean", per pixel), or
# by 1 ("sum"). The minimum is the same. But a learning rate that suits one is D = 64 times too large for another, and a
# second term, such as a penalty, has another weight. A number without its factor says nothing.

import math

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, ops, optim, plot
from tinygen.claims import claim
from tinygen.tensor import Tensor

digits = data.load("digits")
rng = np.random.default_rng(0)
x = digits.train_images[:100].reshape(100, 64).astype(np.float64)
guess = rng.uniform(0.05, 0.95, x.shape)  # in place of a reconstruction
per_image, per_pixel, total = (functional.mse(guess, x, reduction=r).item() for r in ("batchmean", "mean", "sum"))
claim("B2", "squared error per image / per pixel is the number of pixels", per_image / per_pixel, 64, rtol=1e-14)
claim("B2", "sum / squared error per image is the number of images", total / per_image, 100, rtol=1e-14)

# %%
# The common name: minus the log of a probability
# -----------------------------------------------
# Let the decoder's output be the mean of a distribution :math:`p(x|z)` of each pixel, and let the loss be
# :math:`-\log p(x|z)` (the *negative log-likelihood*, in nats per image). If the pixels are Gaussian with variance 1,
# this is half the squared error and a constant, :math:`\tfrac12 \|x - \hat x\|^2 + \tfrac D2 \log 2\pi`. If each pixel
# is 1 with probability :math:`\hat x`, else 0 (Bernoulli), it is the *binary cross-entropy*,
# :math:`-\sum x \log \hat x + (1 - x) \log(1 - \hat x)`. So the choice of a loss is a choice of a distribution.

settings = dict(rng=rng, dtype=np.float64)
gaussian = models.StochasticAutoencoder.dense(
    (64,), [32], 8, pixels="gaussian", variance=1.0, output="linear", **settings
)
bernoulli = models.StochasticAutoencoder.dense((64,), [32], 8, pixels="bernoulli", **settings)
half = functional.mse(gaussian(x), x).item() / 2 + 64 / 2 * math.log(2 * math.pi)
claim("B16", "-log p of a Gaussian decoder is ½ squared error + D/2 log 2π", gaussian.loss(x).item(), half, rtol=1e-12)
bce = functional.bce(bernoulli(x), x).item()
claim("B16", "-log p of a Bernoulli decoder is the cross-entropy", bernoulli.loss(x).item(), bce, rtol=1e-12)

# %%
# Why a sigmoid wants the cross-entropy
# -------------------------------------
# A sigmoid :math:`\hat x = \sigma(a)` turns the network's last number a, the *logit*, into a pixel. For the
# cross-entropy the gradient is :math:`\hat x - x`: the more wrong, the larger. For the squared error it is
# :math:`2 (\hat x - x)\, \hat x (1 - \hat x)`, which is nearly 0 where the pixel is completely wrong.

a = np.linspace(-8, 8, 161)
logits = Tensor(a, requires_grad=True)
cross = functional.bce_with_logits(logits, np.ones(161), reduction="none")
square = functional.mse(ops.sigmoid(logits), np.ones(161), reduction="none")
slopes = {"cross-entropy": grad(cross.sum(), logits).numpy(), "squared error": grad(square.sum(), logits).numpy()}
fig, axes = plt.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
for color, (name, slope), values in zip(plot.PALETTE, slopes.items(), (cross, square)):
    axes[0].plot(a, values.numpy(), color=color, label=name)
    axes[1].plot(a, slope, color=color, label=name)
axes[0].set(title="The loss of a pixel whose true value is 1", xlabel="logit a", ylabel="loss of the pixel")
axes[1].set(title="At the left, the squared error has no slope", xlabel="logit a", ylabel="derivative")
axes[0].legend(frameon=False)
plot.show(fig, name="slopes")
claim("B3", "the slope of the cross-entropy at a = -8, for a pixel of 1", slopes["cross-entropy"][0], -1, atol=1e-3)
claim("B3", "|slope| of the squared error there", abs(slopes["squared error"][0]), at_most=1e-3)

# %%
# Three pairs, trained
# --------------------
# A linear output with the squared error, a sigmoid with the cross-entropy, and the slide's sigmoid with the squared
# error. All three work on these digits, because few pixels are completely wrong after the first steps. A linear output
# leaves the range of the pixels.

pairs = {"linear, MSE": ("linear", "mse"), "sigmoid, BCE": ("sigmoid", "bce"), "sigmoid, MSE": ("sigmoid", "mse")}
images, shown, errors = digits.train_images, {"test image": digits.test_images[:8]}, {}
for name, (output, loss) in pairs.items():
    rng = np.random.default_rng(1)  # the same first weights and batches
    model = models.Autoencoder.dense((8, 8, 1), [64], 8, output=output, loss=loss, rng=rng)
    params = model.parameters()
    opt = optim.Adam(params, 3e-3)
    for _ in range(1500):
        opt.step(grad(model.loss(images[rng.integers(len(images), size=100)]), params))
    made = model.reconstruct(digits.test_images)
    shown[name], errors[name] = made[:8], functional.mse(made, digits.test_images).item()
    print(
        f"{name:14} squared error per test image {errors[name]:.3f}, pixels from {made.min():.2f} to {made.max():.2f}"
    )

mean = np.broadcast_to(images.mean(axis=0), digits.test_images.shape)
baseline = functional.mse(mean, digits.test_images).item()
for name in ("linear, MSE", "sigmoid, BCE"):
    claim("B3", f"{name}: error / that of the mean image", errors[name] / baseline, at_most=0.4)
fig, axes = plt.subplots(4, 8, figsize=(8, 4.2), layout="constrained")
for line, (name, row) in zip(axes, shown.items()):
    for ax, image in zip(line, row):
        ax.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, fontsize=8)
fig.suptitle("Eight test digits and their reconstructions from 8 numbers")
plot.show(fig, name="reconstructions")

# %%
# Try this: learn the variance of the Gaussian pixels (leave out ``variance``). What value does it end at, and why?
