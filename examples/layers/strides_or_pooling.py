r"""
Strides or pooling, with dense layers or without
================================================

The convolutional autoencoder of the `lecture <../README.md>`__ halves the image twice by convolutions with stride 2,
has dense layers around its code of ten numbers, and doubles the image by transposed convolutions. Each part can be
replaced, as the lecture suggests: pooling can halve and upsampling double, and the dense layers can go. What does each
change cost?
"""

# %%
# Four networks
# -------------
# ``resize="pool"`` halves by 2x2 max pooling and doubles by nearest upsampling, each beside a 3x3 convolution with
# stride 1. The kernels have the same sizes, so the number of weights stays the same.
# ``latent=None`` leaves the dense layers out, and the code is the last feature map. With its 64 channels that is a code
# of 2 · 2 · 64 = 256 numbers, for an image of 64 pixels: such a code can copy. With 2 channels it has 8 numbers.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import metrics

digits = data.load_digits()
train, test, shape = digits.train_images, digits.test_images, digits.image_shape
networks = {
    "strides, dense": dict(latent=10),
    "pooling, dense": dict(latent=10, resize="pool"),
    "strides, 64 maps": dict(latent=None),
    "strides, 2 maps": dict(latent=None, channels=(32, 2)),
}

# %%
# The error is the squared error per held-out image. PCA with as many numbers is the best linear code.

shown = slice(0, 14)
pictures = {"digits": test[shown]}
errors, weights, linear = {}, {}, {}
print("network           code  weights  seconds  error   PCA")
for name, settings in networks.items():
    rng = np.random.default_rng(0)
    model = models.Autoencoder.conv(shape, rng=rng, **settings)
    params = model.parameters()
    opt, schedule, start = optim.Adam(params), optim.cosine(4e-3, total=500, warmup=20), perf_counter()
    for i in range(500):
        opt.lr = schedule(i)
        batch = train[rng.integers(0, len(train), 64)]
        opt.step(grad(model.loss(batch), params))
    seconds = perf_counter() - start
    code = model.encode(test[:1]).shape[1]
    pca = models.pca(train, min(code, 64))
    linear[name] = metrics.squared_error_per_image(test, models.pca_reconstruct(test, pca.mean, pca.components))
    errors[name] = metrics.squared_error_per_image(test, model.reconstruct(test))
    weights[name] = sum(p.size for p in params)
    pictures[name] = model.reconstruct(test[shown])
    print(f"{name:16}  {code:4}  {weights[name]:7,}  {seconds:7.1f}  {errors[name]:5.3f}  {linear[name]:.3f}")

fig, axes = plt.subplots(len(pictures), 1, figsize=(8, 3.9), layout="constrained")
for ax, (name, images) in zip(axes, pictures.items()):
    ax.imshow(np.concatenate(images[..., 0], axis=1), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
axes[0].set_title("Held-out digits, and what each network makes of its code")
plot.show(fig, name="strides_or_pooling")

# %%
# At the same code, pooling is about as good as strides; it takes more time at full resolution. Dense layers hold most
# of the weights, and they are worth them: without them each number of the code only knows its quarter of the image.

same = weights["pooling, dense"] - weights["strides, dense"]
claim("A10 A14", "pooling instead of strides: additional weights", same, 0)
claim(
    "A10",
    "error of a code of 256 numbers, relative to ten",
    errors["strides, 64 maps"] / errors["strides, dense"],
    at_most=0.5,
)
ratio = errors["strides, 2 maps"] / linear["strides, 2 maps"]
claim("A10", "without dense layers, 8 numbers: error relative to PCA with 8", ratio, at_least=1)

# %%
# Try this
# --------
# - Train for 2,000 steps. Which of the networks comes below PCA, and by how much?
# - The same on MNIST: ``python examples/mnist/conv_autoencoder.py --resize pool``, or with ``--without-dense``.
#
# Exercises: `layers <../../docs/exercises.md#layers>`__.
