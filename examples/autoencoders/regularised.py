r"""
Four regularisers, and what each one buys
=========================================

A code with as many numbers as the image has pixels can be a copy. So the `lectures <../README.md>`__ ask it for one of
four properties: few of its numbers are used, it changes little with the image, the reconstruction survives noise, or
missing pixels. Does each network get what it was trained for, and at which price?
"""

# %%
# Four losses
# -----------
# With the code :math:`z = E(x)` and the reconstruction :math:`D(z)`, each loss is a mean over images x:
#
# - *sparse*: :math:`\|x - D(z)\|^2 + \lambda \sum_k |z_k|`
# - *contractive*: :math:`\|x - D(z)\|^2 + \lambda \|J\|_F^2`, the sum of the squares of J, all derivatives ∂z/∂x
# - *denoising*: :math:`\|x - D(E(\tilde x))\|^2`, where :math:`\tilde x` is x with noise or with erased pixels
#
# Both penalties can be cheated: divide the code by 1,000 and multiply the decoder's matrix by 1,000. The reconstruction
# is the same, and the penalty is gone. So each :math:`z_k` is measured in units of the length of its row of that matrix
# (``unit_decoder``), as if all rows had length 1. Each encoder is one dense layer, from 64 pixels to 64 ReLUs.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, functional, grad, models, nn, optim, plot
from tinygen.claims import claim
from tinygen.derivatives import batch_jacobian
from tinygen.evaluate.codes import hoyer_sparsity, relative_sensitivity, robustness

train, test = data.load("digits").train_images, data.load("digits").test_images


def fit(kind, steps=500, **settings):
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    fitted = [kind.dense((8, 8, 1), [], 64, code_activation="relu", rng=rng, **settings) for rng in rngs]
    for model, rng in zip(fitted, rngs):  # three networks
        opt, rate = optim.Adam(model.parameters(), lr=3e-3), optim.cosine(3e-3, total=steps)
        for step in range(steps):
            opt.lr = rate(step)
            opt.step(grad(model.loss(train[rng.integers(len(train), size=100)], rng), opt.params))
    return fitted


networks = {
    "plain": fit(models.Autoencoder),
    "sparse": fit(models.SparseAutoencoder, weight=0.01, unit_decoder=True),
    "contractive": fit(models.ContractiveAutoencoder, weight=0.002, unit_decoder=True),
    "noise": fit(models.DenoisingAutoencoder, sd=0.25),
    "erasures": fit(models.DenoisingAutoencoder, share=0.12),
}

# %%
# The scoreboard
# --------------
# Four measures of test images that do not depend on the scale of the code. *Hoyer sparsity* is 1 if one number of the
# code is used, 0 if all are equally large. *Sensitivity* is :math:`\|J\|_F^2\,\mathrm{tr\,Cov}(x)/\mathrm{tr\,Cov}(z)`.
# The other two compare the reconstructions of images with the originals, with more damage than in training.

damage = {"PSNR with noise of sd 0.4, dB": models.GaussianNoise(0.4), "PSNR with 40 % erased, dB": models.Erasures(0.4)}
measures = {"Hoyer sparsity": "high", "sensitivity": "low"} | dict.fromkeys(damage, "high")


def measure(model):
    code = hoyer_sparsity(model.encode(test)).mean(), relative_sensitivity(model.encoder, test)
    return [*code, *robustness(model.reconstruct, test, [*damage.values()], np.random.default_rng(9))]


scores = {name: np.array([measure(model) for model in each]) for name, each in networks.items()}  # (seeds, measures)
plot.show(plot.scoreboard(scores, measures, title="Each network wins what it was trained for"), name="scoreboard")
for column, (name, sign) in enumerate(zip(list(networks)[1:], (1, -1, 1, 1))):
    others = np.max([sign * scores[other][:, column] for other in networks if other != name], axis=0)
    lead = sign * scores[name][:, column] - others
    claim("B12 B15", f"{name}: its lead in its own column, 3 seeds", lead, at_least=0)
errors = np.array([[functional.mse(m.reconstruct(test), test).item() for m in each] for each in networks.values()])
claim("B12", "price: error of clean images / that of the plain network", errors[1:] / errors[0], at_most=1.5)

# A larger weight of the penalty gives a sparser code.
codes = {0: networks["plain"], 0.01: networks["sparse"]}
codes |= {λ: fit(models.SparseAutoencoder, weight=λ, unit_decoder=True) for λ in (0.003, 0.03)}
sparsity = {λ: [hoyer_sparsity(model.encode(test)).mean() for model in each] for λ, each in sorted(codes.items())}
claim("B13", "sparsity rises with λ: each rise, 3 seeds", np.diff(list(sparsity.values()), axis=0), at_least=0)
print("Hoyer sparsity:", *(f"{np.mean(each):.2f} for λ = {λ}" for λ, each in sparsity.items()), sep="\n- ")

# %%
# The filter of a number of the code is its weights for the pixels; here are the eight most used of each network. At the
# left and right edge digits have no ink, so weights change no reconstruction and keep their random start. The
# contractive penalty removes them and noise reduces them, because the code would react to changes there too.

fig, axes = plt.subplots(5, 8, figsize=(7.2, 4.8), layout="constrained")
for line, (name, (model, *_)) in zip(axes, networks.items()):
    weights, W_d = model.encoder[1].weight.numpy(), model.decoder[0].weight.numpy()  # (D, K), (K, D)
    use = model.encode(test).mean(axis=0) * np.linalg.norm(W_d, axis=1)
    for ax, w in zip(line, weights.T[np.argsort(-use)]):
        ax.imshow(w.reshape(8, 8), cmap="RdBu_r", vmin=-abs(w).max(), vmax=abs(w).max())
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)
fig.suptitle("Filters: red pixels raise the number, blue ones lower it")
plot.show(fig, name="filters")

# %%
# Three routes to ‖J‖²
# --------------------
# For one sigmoid layer with the weights W, :math:`\|J\|_F^2 = \sum_k (z_k (1 - z_k))^2 \|W_k\|^2`. For any encoder,
# backpropagation gives J, and a second backpropagation through the first one the gradient of the penalty. If J is
# large, v of random signs is enough (Hutchinson 1990): the mean of :math:`\|J^T v\|^2` is :math:`\|J\|_F^2`.

rng, x = np.random.default_rng(0), test[:20].reshape(20, 64).astype(np.float64)
encoder, decoder = (nn.Dense(*size, activation="sigmoid", rng=rng, dtype=np.float64) for size in ((64, 9), (9, 64)))
z, J = encoder(x).numpy(), batch_jacobian(encoder, x, create_graph=True)  # (20, 9) and (20, 9, 64)
closed, full = (z * (1 - z)) ** 2 @ (encoder.weight.numpy() ** 2).sum(axis=0), (J * J).sum(axis=(1, 2))
claim("B14", "‖J‖² by backpropagation and in closed form", full.numpy(), closed, rtol=1e-10)
exact, rough = (models.ContractiveAutoencoder(encoder, decoder, weight=1, directions=n) for n in (None, 1))
slopes = [grad(penalty, encoder.weight).numpy() for penalty in (full.mean(), exact.terms(x).penalty)]
claim("B14", "its gradient, by a second backpropagation and in closed form", *slopes, atol=1e-10)
draws = [rough.terms(x, rng).penalty.item() for _ in range(400)]
claim("B14", "‖J‖² by random v, 4 standard errors", np.mean(draws), closed.mean(), atol=4 * np.std(draws) / 20)

# %%
# Try this: leave out ``unit_decoder``. Which networks cheat? Compare the lengths of the rows of their decoder's matrix.
#
# Exercises: `autoencoders <../../docs/exercises.md#autoencoders>`__.
