r"""
The lecture's assignment: an autoencoder of your own
====================================================

Write a class for autoencoders, train it on synthetic data, look at codes and reconstructions, vary the size of the code
and the activation, compare with PCA, and do the same with real images: so the `lecture <../README.md>`__ asks, and here
is all of it. What does a network find that principal component analysis does not?
"""

# %%
# The class
# ---------
# An *encoder* E maps an example x to a short *code* z, and a *decoder* D maps the code back: :math:`\hat x = D(E(x))`.
# Each layer is :math:`f(x W + b)`, without activation f before code and output. The loss is the mean of
# :math:`\|x - \hat x\|^2` over the examples: the target is the input, and there is no label.

import functools

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, nn, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import probes


class Autoencoder(nn.Module):
    def __init__(self, features, latent, activation, rng, hidden=64):
        dense = functools.partial(nn.Dense, activation=activation, rng=rng)
        self.encoder = nn.Sequential(dense(features, hidden), dense(hidden, hidden), nn.Dense(hidden, latent, rng=rng))
        self.decoder = nn.Sequential(dense(latent, hidden), dense(hidden, hidden), nn.Dense(hidden, features, rng=rng))

    def forward(self, x):  # (N, features)
        return self.decoder(self.encoder(x))


def train(x, latent, activation="relu", steps=800, seed=0):
    rng = np.random.default_rng(seed)
    model = Autoencoder(x.shape[1], latent, activation, rng)
    opt, rate = optim.Adam(model.parameters()), optim.cosine(1e-2, total=steps)
    for step in range(steps):
        opt.lr, batch = rate(step), x[rng.integers(len(x), size=100)]
        opt.step(grad(functional.mse(model(batch), batch), opt.params))
    return lambda x: (model(x).numpy(), model.encoder(x).numpy())  # x̂ and z


def pca(x, k):
    mean, components, _ = models.pca(x, k)
    return lambda x: (models.pca_reconstruct(x, mean, components), (x - mean) @ components.T)  # x̂ and z


# %%
# Synthetic data: a rolled-up sheet
# ---------------------------------
# The *swiss roll* is a sheet, rolled up in 3 dimensions, and these lie obliquely in 10. So each point has 10 numbers,
# but two would do: how far along the sheet, and how high. PCA can't use that, because its code is a flat projection.
# We print the share of the variance that is lost: 0 is perfect, and 1 is the error of the mean.

rng, sizes, activations = np.random.default_rng(0), (1, 2, 3), (None, "tanh", "silu", "relu")
(x, _), (test, sheet) = (data.swiss_roll_nd(n, rng) for n in (2000, 1000))  # (N, 10), (N, 2)
x, test = (x - x.mean(axis=0)) / x.std(), (test - x.mean(axis=0)) / x.std()
results = {("PCA", k): pca(x, k)(test) for k in sizes}
results |= {(f, k): train(x, k, f)(test) for f in activations for k in sizes}
lost = {key: ((made - test) ** 2).sum() / ((test - test.mean(axis=0)) ** 2).sum() for key, (made, _) in results.items()}
for name in ("PCA", *activations):
    print(f"{name!s:4}  variance lost:", ", ".join(f"{lost[name, k]:7.2%} with {k}" for k in sizes))
claim("B1 B18", "roll, 2 numbers: error of PCA / of the autoencoder", lost["PCA", 2] / lost["relu", 2], at_least=2)

# %%
# Without an activation (None) the network is linear and does what PCA does. Three numbers are enough even for that.
# Below we look at the roll from its end. The colour is the distance along the sheet, which no model was given. PCA
# keeps the height and one more direction, so its points lie on a line, and in its code far parts of the sheet share one
# place. The networks curve their sheet around the roll. Where the inner turn is near the outer one, they merge the two.

end = models.pca(x, 3).components[1:].T  # (10, 2): the directions after the height
fig, axes = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
for (above, below), name in zip(axes.T, ("PCA", "tanh", "silu", "relu")):
    made, code = results[name, 2]
    above.scatter(*(test @ end).T, color="0.8", s=3)
    above.scatter(*(made @ end).T, c=sheet[:, 0], s=4)
    dots = below.scatter(*code.T, c=sheet[:, 0], s=4)
    above.set(title=name, xticks=[], yticks=[], xlim=(-3.8, 3.8), ylim=(-3.8, 3.8))
    below.set(xlabel="code $z_1$", ylabel="code $z_2$", xticks=[], yticks=[])
fig.colorbar(dots, ax=axes, label="distance along the sheet")
axes[0, 0].set_ylabel("reconstructions,\nand the points in grey")
fig.suptitle("Two numbers for each point: PCA projects the roll, the networks follow it")
plot.show(fig, name="roll")

# %%
# Real data: digits
# -----------------
# The same for images of 8 × 8 pixels, as rows of 64 numbers. The training is *self-supervised*: the target is the input
# itself. *Semi-supervised* means labels for a few examples and none for the rest: below, one image of each digit gets a
# label after the training, and each test image the label of the nearest code. *Weakly supervised* means labels that are
# coarse or partly wrong, such as "even or odd" where the digit is wanted.

digits = data.load("digits")
x, test = (images.reshape(-1, 64) for images in (digits.train_images, digits.test_images))
methods = {f"{name}, {k}": fit(x, k) for k in (2, 8) for name, fit in (("PCA", pca), ("network", train))}
rows = {"test image": test} | {name: f(test)[0] for name, f in methods.items()}
errors = {name: functional.mse(made, test).item() for name, made in rows.items()}
ratios = [errors[f"PCA, {k}"] / errors[f"network, {k}"] for k in (2, 8)]
claim("B18", "digits, 2 and 8 numbers: error of PCA / of the autoencoder", ratios, at_least=1)
rows = {name: made[:10].reshape(-1, 8, 8, 1).clip(0, 1) for name, made in rows.items()}
plot.show(plot.image_rows(rows, title="Test digits from 2 and from 8 numbers"), name="digits")
given = methods["network, 8"](x)[1], digits.train_labels, methods["network, 8"](test)[1], digits.test_labels
nearest = functools.partial(probes.knn_accuracy, k=1)
found = probes.few_label_accuracy(*given, per_class=1, rng=rng, repeats=40, probe=nearest)
claim("B21", "accuracy with ten labels, mean of 40 choices", found.mean(), at_least=0.5)
fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for ax, name in zip(axes, ("PCA, 2", "network, 2")):
    for digit, color in enumerate(plot.PALETTE):
        ax.scatter(*methods[name](test[digits.test_labels == digit])[1].T, color=color, s=12, label=digit)
    ax.set(title=f"{name} numbers: groups without labels", xlabel="$z_1$", ylabel="$z_2$")
axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plot.show(fig, name="plane")

# %%
# Try this: leave out the division by ``x.std()``. Which activation suffers, and why does the linear network not? Train
# on MNIST, with ``data.load("mnist")``. Then read `Autoencoders <../../docs/autoencoder.md>`__.
#
# Exercises: `autoencoders <../../docs/exercises.md#autoencoders>`__.
