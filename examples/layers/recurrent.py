r"""
Recurrent layers
================

"Layers could be fully-connected, convolutional, recurrent", says the `lecture <../README.md>`__. Recurrent ones read a
sequence step by step and keep a *state* :math:`h`, a memory. How do three such cells work? Can they compress a series?
"""

# %%
# Three cells
# -----------
# A cell adds :math:`a = x W + b`, from the input, and :math:`s = h U + d`, from the state. The RNN makes a new state of
# the sum, :math:`h' = \tanh(a + s)`. The GRU and the LSTM have *gates* between 0 and 1, of the logistic function
# :math:`\sigma`, which mix old and new, entry by entry. Each gate has its own columns of :math:`W` and :math:`U`. The
# GRU has the gates r (reset) and z (keep), the LSTM i (input), f (forget) and o (output), and a second memory c.

from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit as sigma

from tinygen import broadcast_to, grad, models, nn, optim, plot, reshape, tanh
from tinygen.claims import claim


def step(name, a, s, h, c):
    if name == "RNN":
        return np.tanh(a + s), c
    if name == "GRU":
        (a_r, a_z, a_n), (s_r, s_z, s_n) = np.split(a, 3, axis=1), np.split(s, 3, axis=1)
        z = sigma(a_z + s_z)
        return (1 - z) * np.tanh(a_n + sigma(a_r + s_r) * s_n) + z * h, c
    i, f, g, o = np.split(a + s, 4, axis=1)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    return sigma(o) * np.tanh(c), c


rng = np.random.default_rng(0)
x = rng.normal(size=(4, 20, 3))  # 4 sequences of 20 steps, 3 numbers each
for name in ("RNN", "GRU", "LSTM"):
    layer, h, c, states = getattr(nn, name)(3, 5, rng=rng, dtype=np.float64), np.zeros((4, 5)), np.zeros((4, 5)), []
    W, U, b, d = (weight.numpy() for weight in layer.parameters())
    for t in range(20):
        h, c = step(name, x[:, t] @ W + b, h @ U + d, h, c)
        states.append(h)
    outputs = layer(x)[0].numpy()  # (4, 20, 5): the state after each step
    claim("A12", f"nn.{name} is the recursion in NumPy", outputs, np.stack(states, axis=1), atol=1e-12)
    if find_spec("torch"):
        import torch

        theirs = getattr(torch.nn, name)(3, 5, batch_first=True).double()
        theirs.load_state_dict({key: torch.from_numpy(array) for key, array in layer.to_torch().items()})
        claim("A12", f"nn.{name} equals PyTorch's", outputs, theirs(torch.from_numpy(x))[0].detach(), atol=1e-12)

# %%
# An autoencoder of series
# ------------------------
# The sines have a random frequency and phase, the heartbeats, five bumps each as in an ECG, a random rate and phase. So
# two numbers describe a series, but a shift in time moves it along a curve, and PCA only knows straight lines.
# One GRU reads eight samples per step; a dense layer turns its last state into the code. A second GRU writes the
# series, with the code in its first state and as its input. A gradient through many steps can be huge, so we *clip* it:
# where its norm is above 0.25, it is shortened to 0.25 and keeps its direction.

T, STEPS, CODE, LONGEST = 48, 6, 3, 0.25
BUMPS = ((-0.2, 0.025, 0.15), (-0.04, 0.02, -0.12), (0, 0.02, 1), (0.04, 0.02, -0.2), (0.25, 0.045, 0.3))


def phases(least, most, n=4500):
    return rng.uniform(least, most, (n, 1)) * np.arange(T) / T + rng.uniform(0, 1, (n, 1))  # in cycles, (n, T)


beat = phases(1.2, 2) % 1 - 0.4
bumps = [height * np.exp(-(((beat - middle) / width) ** 2) / 2) for middle, width, height in BUMPS]
series = {"sines": np.sin(2 * np.pi * phases(1, 4)), "heartbeats": 3 * sum(bumps)}


class SequenceAutoencoder(nn.Module):
    def __init__(self, hidden=48):
        self.reader, self.to_code = nn.GRU(T // STEPS, hidden, rng=rng), nn.Dense(hidden, CODE, rng=rng)
        self.writer, self.to_state = nn.GRU(CODE, hidden, rng=rng), nn.Dense(CODE, hidden, rng=rng)
        self.to_series = nn.Dense(hidden, T // STEPS, rng=rng)

    def forward(self, x):  # (N, T)
        _, last = self.reader(reshape(x, shape=(-1, STEPS, T // STEPS)))
        code = self.to_code(last)  # (1, N, CODE): GRUs may have several layers
        inputs = broadcast_to(reshape(code, shape=(-1, 1, CODE)), shape=(len(x), STEPS, CODE))
        return reshape(self.to_series(self.writer(inputs, tanh(self.to_state(code)))[0]), shape=(-1, T))


fig, axes = plt.subplots(2, 4, figsize=(11, 5), layout="constrained", width_ratios=(1, 1, 1, 1.2))
for row, (name, samples) in zip(axes, series.items()):
    (train, test), model, norms = np.split(samples.astype(np.float32), [4000]), SequenceAutoencoder(), []
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(0.01, total=600, warmup=20)
    for i in range(600):
        opt.lr = schedule(i)
        batch = train[rng.integers(0, len(train), 64)]
        grads, norm = optim.clip_by_norm(grad(((model(batch) - batch) ** 2).mean(), params), LONGEST)
        opt.step(grads)
        norms.append(norm)
    pca = models.pca(train, CODE)
    guesses = {"PCA": models.pca_reconstruct(test, pca.mean, pca.components), "GRU": model(test).numpy()}
    lost = {key: ((guess - test) ** 2).mean() / test.var() for key, guess in guesses.items()}
    claim("A12", f"{name}: share of the variance lost, below PCA's, held out", lost["GRU"], at_most=lost["PCA"])
    for k, ax in enumerate(row[:3]):
        ax.plot(test[k], color="silver", lw=4, label="held out")
        for key, style, colour in (("PCA", "--", plot.PALETTE[1]), ("GRU", "-", plot.PALETTE[0])):
            ax.plot(guesses[key][k], style, color=colour, label=key)
        ax.set(xlabel="sample", ylabel="value")
    row[1].set_title(f"{name}: of the variance PCA loses {lost['PCA']:.0%}, the GRUs {lost['GRU']:.0%}")
    row[3].plot(norms, ".", [0, 600], [LONGEST] * 2, "k:", ms=2)
    row[3].set(title="norm of the gradient", xlabel="training step", ylim=(0, 0.8))
fig.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
plot.show(fig, name="recurrent")

# %%
# PCA blurs series that differ in phase; the GRUs place each bump. The gradients above the dotted line were clipped.
# Try this: replace ``nn.GRU`` by ``nn.RNN``, or by ``nn.LSTM``, whose state is a pair (h, c). Which learns faster? Then
# read about `recurrent layers <../../docs/recurrent.md>`__, and why their gradients vanish or explode.
