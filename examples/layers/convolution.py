r"""
Convolution is a matrix
=======================

The encoder in the `lecture <../README.md>`__ shrinks a digit with ``Conv2D`` layers: 28 pixels become 14, then 7. Such
a layer slides a small *kernel* w over the image x. At each place it multiplies the pixels below by the entries of the
kernel and adds up. That is linear in x, so there is a matrix M with :math:`y = M x`. What does M look like, and what do
stride, padding and dilation change?
"""

# %%
# Four matrices
# -------------
# For one row of pixels, with kernel size K, stride s, padding p and dilation d,
#
# .. math:: y_i = \sum_{u=0}^{K-1} w_u \, x_{s i + d u - p},
#
# where pixels outside the image are 0; in an image, rows and columns both work like this. We take an image of 5 × 5
# pixels as a vector of 25 numbers, row by row. ``conv_matrix`` returns M as a sparse matrix: most entries are zero.

import matplotlib.pyplot as plt
import numpy as np

import tinygen as tg
from tinygen import nn, plot
from tinygen.claims import claim

rng = np.random.default_rng(0)
kernel = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0])  # a blur, if divided by 16
image = rng.integers(0, 10, (5, 5)).astype(float)
geometries = {"stride 1": {}, "padding 1": dict(padding=1), "stride 2, padding 1": dict(stride=2, padding=1)}
geometries["dilation 2, padding 1"] = dict(dilation=2, padding=1)
matrices = {name: tg.conv_matrix(kernel, image.shape, **form).toarray() for name, form in geometries.items()}
heat = dict(cmap="gist_heat_r", vmin=0, vmax=10)
places = [[name, "padding 1"] for name in geometries if name != "padding 1"]
fig, axes = plt.subplot_mosaic(places, figsize=(8, 5.4), layout="constrained")
for name, M in matrices.items():
    shown = axes[name].imshow(M, **heat)
    axes[name].set(title=f"{name}: {M.shape[0]} × 25", xlabel="pixel of x", ylabel="entry of y")
fig.suptitle("Each row of M contains the kernel, without what lies outside the image")
fig.colorbar(shown, ax=list(axes.values()), label="entry of M", shrink=0.6)
plot.show(fig, name="four_matrices")

# %%
# The rows in motion
# ------------------
# A row of M, drawn as an image, is the kernel at one place: the orange pixels below. Each entry of y is the sum of
# these pixels, each times its weight. Stride is the number of pixels from one place to the next, padding lets the
# kernel leave the image, and dilation pulls the kernel apart.


def frames():
    fig, (left, right, below) = plt.subplots(3, 1, figsize=(6.4, 6))
    for ax, place in ((left, (0.02, 0.52, 0.45, 0.42)), (right, (0.53, 0.52, 0.45, 0.42)), (below, (0, 0.02, 1, 0.38))):
        ax.set_position(place)
    for k, name in enumerate(captions):
        row, M = k % 9, matrices[name]
        for ax, title in ((left, "x; orange: the kernel"), (right, "y = M x"), (below, f"{name}: row {row} of M")):
            ax.clear()
            ax.set(title=title, xticks=[], yticks=[])
        left.imshow(M[row].reshape(5, 5), **heat)
        right.imshow(np.eye(9)[row].reshape(3, 3), cmap="Purples", vmax=3)
        below.imshow(M, **heat)
        below.axhspan(row - 0.5, row + 0.5, fill=False, ec=plot.PALETTE[2], lw=2)
        for ax, side, values in ((left, 5, image.ravel()), (right, 3, (M @ image.ravel())[: row + 1])):
            for i, value in enumerate(values):
                ax.text(i % side, i // side, f"{value:.0f}", ha="center", va="center")
        yield fig


captions = [name for name, M in matrices.items() if len(M) == 9 for row in M]
plot.show(plot.film(frames(), fps=4, captions=captions, title="Row by row"), name="rows_of_the_matrix")

# %%
# The matrix of the layer
# -----------------------
# The same with several channels, in 30 random geometries: ``conv2d`` is M x, and ``conv_transpose2d``, the transposed
# convolution of the lecture, is :math:`M^T y`. That is where its name comes from.

differences = []
for _ in range(30):
    c, o, *k = rng.integers(1, 4, 4)  # channels of x and of y, kernel size
    form = dict(zip(("stride", "padding", "dilation"), (tuple(rng.integers(a, a + 3, 2)) for a in (1, 0, 1))))
    x, w = rng.normal(size=(1, *rng.integers(7, 12, 2), c)), rng.normal(size=(*k, c, o))
    M, y = tg.conv_matrix(w, x.shape[1:], **form), tg.conv2d(x, w, **form).numpy()
    g = rng.normal(size=y.shape)
    back = tg.conv_transpose2d(g, w, size=x.shape[1:3], **form).numpy()
    differences.append([np.abs(M @ x.ravel() - y.ravel()).max(), np.abs(M.T @ g.ravel() - back.ravel()).max()])
claim("A5", "conv2d is M x: largest difference in each of 30 geometries", np.array(differences)[:, 0], 0, atol=1e-12)
claim("A5", "the transposed convolution is Mᵀ y", np.array(differences)[:, 1], 0, atol=1e-12)

# %%
# How large is y?
# ---------------
# The kernel fits :math:`\lfloor (H + 2p - d(K-1) - 1)/s \rfloor + 1` times along H pixels. So a stride of 2 halves: 28,
# 14, 7. Another lecture says that "a CNN could transform" 256 × 256 × 3 into 28 × 28 × 3. One layer can: a kernel of
# 13 with stride 9, since (256 - 13)/9 + 1 = 28 without a remainder. Here the kernel is a mean, so y is a small copy.

first, second = (nn.Conv2d(a, b, 3, stride=2, padding=1, rng=rng) for a, b in ((1, 32), (32, 64)))
maps = first(np.zeros((1, 28, 28, 1), np.float32))
claim("A2", "two layers with stride 2 halve 28 pixels twice", [maps.shape[1], second(maps).shape[1]], [14, 7])

u, v = np.meshgrid(np.linspace(-1, 1, 256), np.linspace(-1, 1, 256))
large = np.stack([0.5 + 0.5 * np.cos(12 * np.hypot(u - a, v - a)) for a in (-0.5, 0, 0.5)], axis=-1)  # (256, 256, 3)
mean = np.ones((13, 13, 1, 1)) * np.eye(3) / 13**2  # (13, 13, 3, 3): each channel for itself
small = tg.conv2d(large[None], mean, stride=9).numpy()[0]
claim("A11", "a kernel of 13 with stride 9 takes 256 × 256 × 3 to 28 × 28 × 3", small.shape, [28, 28, 3])

fig, axes = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained")
for ax, picture in zip(axes, (large, small)):
    ax.imshow(picture)
    ax.set(title=" × ".join(map(str, picture.shape)), xlabel="column", ylabel="row")
plot.show(fig, name="256_to_28")

# %%
# Try this
# --------
# - Which kernel sizes take 256 to 28 with stride 9? And with stride 8?
# - Which padding keeps the size for a kernel of 5 with dilation 2 and stride 1? Look at its matrix.
# - Read `Convolution <../../docs/convolution.md>`__: three gradients from one formula.
#
# Exercises: `layers <../../docs/exercises.md#layers>`__.
