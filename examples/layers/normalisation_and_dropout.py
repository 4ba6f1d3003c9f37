r"""
Normalisation, dropout and pooling
==================================

An encoder is "pretty much what you would expect for a traditional CNN", says the `lecture <../README.md>`__. Between
its convolutions such a network has *normalisation*, which rescales numbers, *dropout*, which erases some of them, and
*pooling*, which keeps one of several. What exactly do they compute, and why do two of them work differently in training
and afterwards?
"""

# %%
# Three normalisations of the same numbers
# ----------------------------------------
# All three do the same to a group of numbers: subtract the mean :math:`\mu` and divide by the standard deviation,
#
# .. math:: y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}},
#
# where :math:`\epsilon` is tiny and prevents a division by 0. Then they multiply by a learnt scale and add a learnt
# shift, which begin as 1 and 0. They differ in what a group is.
#
# - BatchNorm: one channel of *all examples*, at all positions.
# - GroupNorm: some channels of *one example*, at all positions; here two groups of four channels.
# - LayerNorm: all channels of one example at *one position*.
#
# The input below has 8 examples, 6 positions and 8 channels. Each channel has its own mean and size, and each example
# its own brightness, as in a real network.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, nn, plot
from tinygen.claims import claim

rng = np.random.default_rng(0)
N, P, C = 8, 6, 8  # examples, positions, channels
x = rng.normal(size=(N, P, C)) * rng.uniform(0.3, 2, C) + rng.normal(size=C) * 2 + rng.normal(size=(N, 1, 1))

exact = dict(eps=1e-12, dtype=np.float64)  # with the usual ε, 1e-5, the variance becomes a bit smaller than 1
norms = {
    "BatchNorm": nn.BatchNorm(C, **exact),
    "GroupNorm": nn.GroupNorm(2, C, **exact),
    "LayerNorm": nn.LayerNorm(C, **exact),
}
outputs = {"input": x} | {name: norm(x).numpy() for name, norm in norms.items()}

fig, axes = plt.subplots(1, 4, figsize=(11, 3.4), layout="constrained", sharey=True)
for ax, (name, values) in zip(axes, outputs.items()):
    rows = values.transpose(0, 2, 1).reshape(N, C * P)  # the positions of a channel side by side
    image = ax.imshow(rows, cmap="RdBu_r", vmin=-4, vmax=4, aspect="auto")
    ax.set(title=name, xlabel="channel", xticks=np.arange(C) * P + P / 2 - 0.5, xticklabels=range(C))
    ax.vlines(np.arange(1, C) * P - 0.5, -0.5, N - 0.5, color="white", lw=1)
axes[0].set_ylabel("example")
fig.colorbar(image, ax=axes, label="value")
plot.show(fig, name="normalisation")

# %%
# In the input, whole channels are red or blue. BatchNorm removes these columns, but bright examples stay bright rows.
# GroupNorm removes the rows, and LayerNorm too, position by position; both keep differences between channels. BatchNorm
# makes an example depend on its companions in the batch, the other two don't.

groups = {  # the numbers of one group along the last axis
    "BatchNorm": outputs["BatchNorm"].reshape(-1, C).T,
    "GroupNorm": outputs["GroupNorm"].reshape(N, P, 2, C // 2).swapaxes(1, 2).reshape(2 * N, -1),
    "LayerNorm": outputs["LayerNorm"].reshape(-1, C),
}
for name, numbers in groups.items():
    claim("A14", f"{name}: the mean of each group", numbers.mean(axis=1), 0, atol=1e-6)
    claim("A14", f"{name}: the variance of each group", numbers.var(axis=1), 1, atol=1e-6)

# %%
# Training and evaluation
# -----------------------
# After training we want the result for one image, whatever else is in the batch. So BatchNorm remembers a running mean
# and variance of the batches that it has seen, and uses these in *eval mode*. To forget ``eval()`` is a common mistake.

norm, one = norms["BatchNorm"], x[:1]
others = [np.concatenate([one, x[1:4]]), np.concatenate([one, x[4:7]])]
change = {}
for mode in (norm.train, norm.eval):
    mode()
    first, second = (norm(batch).numpy()[0] for batch in others)
    change[mode.__name__] = np.abs(first - second).max()
claim("A14", "BatchNorm, training: one example changes with its companions", change["train"], at_least=0.1)
claim("A14", "BatchNorm, eval mode: it doesn't", change["eval"], 0)

# %%
# Dropout and pooling
# -------------------
# Dropout with probability p sets each number to 0 with this probability and divides the others by :math:`1 - p`. So the
# expectation stays :math:`p \cdot 0 + (1 - p) \cdot x / (1 - p) = x`, and in eval mode nothing needs to be done. The
# lecture uses it as noise on the *input*, "erasures". Max pooling keeps the largest number of each window, and average
# pooling keeps the mean.

digit = data.load_digits().train_images[3]  # (8, 8, 1)
dropout, draws = nn.Dropout(0.5, rng=rng), 10_000
erased = dropout(np.broadcast_to(digit, (draws, 8, 8, 1))).numpy()
pooled = {"max pooling": nn.MaxPool2d(2), "average pooling": nn.AvgPool2d(2)}
pooled = {name: layer(digit[None]).numpy()[0] for name, layer in pooled.items()}

pictures = {"digit": digit, "dropout": erased[0], "again": erased[1], "mean of 10,000": erased.mean(axis=0)} | pooled
fig, axes = plt.subplots(1, 6, figsize=(11, 2.3), layout="constrained")
for ax, (name, picture) in zip(axes, pictures.items()):
    image = ax.imshow(picture[..., 0], cmap="gray_r", vmin=0, vmax=2)
    ax.set(title=name, xticks=[], yticks=[])
fig.colorbar(image, ax=axes, label="pixel")
plot.show(fig, name="dropout_and_pooling")

ink = digit[..., 0] > 0  # elsewhere dropout changes nothing
errors = (erased.mean(axis=0) - digit)[ink] / (erased.std(axis=0)[ink] / np.sqrt(draws))
claim("A13", "dropout keeps the expectation: its mean, in standard errors from the pixel", errors, 0, atol=4)
claim("A13", "in eval mode it does nothing", dropout.eval()(digit[None])[0], digit)
claim("A14", "average pooling keeps the mean", pooled["average pooling"].mean(), digit.mean(), rtol=1e-6)

# %%
# Try this
# --------
# - Multiply all examples by 100. Which of the three outputs change? Multiply only one example by 100.
# - Use a batch of two examples and one position. What does BatchNorm make of it, and why?
# - Look up `BatchNorm statistics <../../docs/glossary.md#batchnorm-statistics>`__.
#
# Exercises: `layers <../../docs/exercises.md#layers>`__.
