r"""
Where are all the codes together?
=================================

New images are decoded from codes that are drawn from the prior p(z) = N(0, I). So the codes of all images together, the
*aggregate posterior* :math:`q(z) = E_{p(x)}[q(z|x)]`, should be distributed as the prior; the q(z|x) of a single image
need not be. How far from the prior are the codes of an autoencoder and of a VAE? And can that distance be the loss?
"""

# %%
# A distance between two samples
# ------------------------------
# The *maximum mean discrepancy* (MMD) compares two samples by a kernel k, which is large for points that are close:
#
# .. math:: \mathrm{MMD}^2 = E[k(z, z')] + E[k(y, y')] - 2\, E[k(z, y)],
#
# for independent codes z, z' and draws y, y' from the prior. It is 0 if both have one distribution. The *Wasserstein
# autoencoder* (WAE) adds it to the error of the reconstruction, for the codes of a batch and as many draws.

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim

rng, digits, steps = np.random.default_rng(0), data.load_digits(), 800
networks = dict(shape=(8, 8, 1), widths=[128, 64], latent=2, activation="tanh", rng=rng)
trained = {
    "autoencoder": models.Autoencoder.dense(**networks, loss="bce"),
    "VAE": models.VAE.dense(**networks),
    "WAE": models.WassersteinAutoencoder.dense(**networks, loss="bce", weight=20),
}


def codes_of(model, images):  # a draw from q(z|x) for each image; q of an autoencoder is a single point
    codes = model.encode(images)
    if isinstance(model, models.VAE):
        mu, log_var = codes
        codes = mu + np.exp(log_var / 2) * rng.standard_normal(mu.shape, dtype=mu.dtype)
    return codes


moments, history = [round(steps * (i / 19) ** 2) for i in range(20)], {name: [] for name in trained}
for name, model in trained.items():
    opt, rate = optim.Adam(model.parameters()), optim.cosine(4e-3, total=steps, warmup=50)
    for step in range(steps + 1):
        if step in moments:
            history[name].append(codes_of(model, digits.train_images))
        opt.lr = rate(step)
        loss = model.loss(digits.train_images[rng.integers(len(digits.train_images), size=100)], rng)
        opt.step(grad(loss, opt.params))

# %%
# Three answers
# -------------
# The autoencoder puts codes where they are easy to tell apart; nothing holds them. The VAE pulls each q(z|x) to the
# prior, so all codes are near it too, but neighbours overlap. The WAE pulls only all codes together: each image may
# keep a point of its own. The dotted circles are one and two standard deviations of the prior.

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
angle = np.linspace(0, 2 * np.pi, 100)
dots, classes = [], np.array(plot.PALETTE)[digits.train_labels]
for ax, name in zip(axes, trained):
    dots.append(ax.scatter(*history[name][-1].T, s=3, c=classes))
    ax.plot(np.outer(np.cos(angle), [1, 2]), np.outer(np.sin(angle), [1, 2]), ":", color="black")
    ax.set(title=name, xlabel="z₁", ylabel="z₂", xlim=(-10, 10), ylim=(-10, 10), aspect="equal")


def frames():
    for now in zip(*history.values()):
        for dot, codes in zip(dots, now):
            dot.set_offsets(codes)
        yield fig


plot.show(plot.film(frames(), fps=4, captions=[f"step {step}" for step in moments]), name="codes")

# %%
# In numbers, for the codes of test images, which no network has seen. ``models.mmd`` estimates the square without bias:
# for two samples from the prior itself it is positive or negative, and shows how large an estimate is by chance.

test = digits.test_images
normal = [rng.standard_normal((len(test), 2)) for _ in range(20)]
chance = np.std([models.mmd(a, b).item() for a, b in pairwise(normal)])
squares = {name: models.mmd(codes_of(model, test), normal[0]).item() for name, model in trained.items()}
print(f"{'':12} MMD² (by chance ± {chance:.3f})  squared error per image")
for name, model in trained.items():
    print(f"{name:12} {squares[name]:24.3f} {((model.reconstruct(test) - test) ** 2).sum() / len(test):24.2f}")
claim(
    "S4 C13", "MMD² of the autoencoder - 5² MMD² of the WAE", squares["autoencoder"] - 25 * squares["WAE"], at_least=0
)

# %%
# Try this
# --------
# - Use ``weight=1`` and ``weight=1000``. What does each do to the codes, and to the reconstructions?
# - Draw samples from all three: ``model.decode(normal[0].astype(np.float32))``. Which are digits?
# - Look up `aggregate posterior <../../docs/glossary.md#aggregate-posterior>`__.
