r"""
A linear autoencoder is PCA, or half of it
==========================================

An autoencoder without activations has only two matrices. The code of an image x is :math:`z = x W_e`, and the
reconstruction is :math:`\hat x = z W_d`. Here x and z are rows, as in the code; the `lectures <../README.md>`__ write
:math:`W_e x`, with columns. They state a theorem: with the squared error, and for normalised data, this autoencoder
does the same as *principal component analysis* (PCA), "if, and only if, :math:`W_e` is the matrix of principal
components". Which half of this is true?
"""

# %%
# Normalise the data
# ------------------
# The lecture's scaling of pixel j in image i is :math:`X_{ij} = (x_{ij} - \bar x_j) / \sqrt M`, for M images with the
# mean :math:`\bar x`. With it, :math:`X^T X` is the covariance matrix, and the squared error of the whole matrix X is
# the mean of the errors of the images.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import metrics

pixels = data.load_digits().train_images.reshape(-1, 64).astype(np.float64)  # (1437, 64)
X = (pixels - pixels.mean(axis=0)) / np.sqrt(len(pixels))
claim("B7", "XᵀX of the scaled data is the covariance", X.T @ X, np.cov(pixels.T, ddof=0), atol=1e-12)

# %%
# What PCA does: keep the K directions in which the data vary most, the eigenvectors of the covariance with the largest
# eigenvalues. What is lost is the variance in the other directions, the sum of the other eigenvalues.

K = 8
pca = models.pca(pixels, K)  # the components are rows, (8, 64)
discarded = np.linalg.eigvalsh(X.T @ X)[:-K].sum()

# %%
# Train the autoencoder
# ---------------------
# Nothing here mentions PCA: the two matrices start with random numbers, and gradient descent reduces the error.

model = models.Autoencoder.linear((64,), K, rng=np.random.default_rng(0), dtype=np.float64)
params, steps = model.parameters(), 3000
opt, rate, losses = optim.Adam(params, lr=0.01), optim.cosine(0.01, total=steps), []
for step in range(steps):
    opt.lr = rate(step)
    loss = functional.mse(model(X), X, reduction="sum")
    opt.step(grad(loss, params))
    losses.append(loss.item())
W_e, W_d = (p.numpy() for p in params)  # (64, 8), (8, 64)

# %%
# The true half
# -------------
# The error falls to what PCA loses, and no further, because no linear code of 8 numbers has a smaller error. And the
# reconstructions lie in the same 8-dimensional space: all angles between the space of :math:`W_d` and that of the
# principal components are 0.

angles = metrics.principal_angles(W_d.T, pca.components.T)  # in radians
claim("B6", "the loss is the discarded variance", losses[-1], discarded, rtol=1e-6)
claim("B6", "the largest angle between the two spaces, in radians", angles[-1], at_most=1e-3)

fig, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.semilogx(range(1, steps + 1), losses, color=plot.PALETTE[0], label="linear autoencoder")
axes.axhline(discarded, ls=":", color="black", label=f"PCA: discarded variance, {discarded:.4f}")
axes.set(title="The loss falls to that of PCA", xlabel="step", ylabel="squared error per image")
axes.legend(frameon=False)
plot.show(fig, name="loss")

# %%
# The false half
# --------------
# The matrices are not the principal components. Put any invertible matrix A behind the encoder and its inverse before
# the decoder: the reconstructions, and so the loss, stay the same. So infinitely many pairs are optimal, and training
# ends at any of them.

A = np.random.default_rng(1).normal(size=(K, K))
plain, mixed = X @ W_e @ W_d, X @ (W_e @ A) @ (np.linalg.inv(A) @ W_d)
claim("B6", "the same loss for W_e A and A⁻¹ W_d", ((mixed - X) ** 2).sum(), ((plain - X) ** 2).sum(), rtol=1e-10)


def cosines(rows):
    """|cos| of the angles between rows (8, 64) and the principal components (8, 64)."""
    return np.abs((rows * pca.components).sum(axis=1)) / np.linalg.norm(rows, axis=1)


claim("B6", "|cos| between each column of W_e and its principal component", cosines(W_e.T), at_most=0.9)

# %%
# The components can be recovered. The reconstructions have the covariance :math:`W_d^T \,\mathrm{Cov}(z)\, W_d`; their
# principal directions are the right singular vectors of :math:`\mathrm{Cov}(z)^{1/2} W_d`. They are unique because the
# eigenvalues of these data differ. (Among equal eigenvalues, any rotation would do.)

values, vectors = np.linalg.eigh(W_e.T @ (X.T @ X) @ W_e)  # of Cov(z)
root = vectors * np.sqrt(values) @ vectors.T
recovered = np.linalg.svd(root @ W_d)[2][:K]
claim("B6", "|cos| between each recovered component and its own", cosines(recovered), at_least=1 - 1e-6)

fig, axes = plt.subplots(3, K, figsize=(9, 4), layout="constrained")
rows = {"columns of W_e": W_e.T, "recovered": recovered, "PCA": pca.components}
for line, (name, images) in zip(axes, rows.items()):
    for ax, image, component in zip(line, images, pca.components):
        image = image * np.sign(image @ component)  # a direction has no sign
        ax.imshow(image.reshape(8, 8), cmap="RdBu_r", vmin=-abs(image).max(), vmax=abs(image).max())
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
fig.suptitle("The encoder's columns are mixtures; the recovered directions are the components")
plot.show(fig, name="directions")

# %%
# Try this
# --------
# - Add ``0.01 * sum((p * p).sum() for p in params)`` to the loss. Now compare the singular vectors of ``W_d`` itself
#   with the components (Kunin et al. 2019). Which matrices A does this penalty still allow?
# - Give the autoencoder a tanh on its code. Can it get below the loss of PCA?
# - Look up `autoencoder <../../docs/glossary.md#autoencoder>`__ and `latent <../../docs/glossary.md#latent>`__.
#
# Exercises: `autoencoders <../../docs/exercises.md#autoencoders>`__.
