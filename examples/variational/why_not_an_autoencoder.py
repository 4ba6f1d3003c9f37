r"""
Why not just an autoencoder?
============================

The decoder of an autoencoder turns codes into digits. So draw a code from N(0, I), decode it, and there is a new digit.
This mostly fails. The `lecture <../README.md>`__ blames the "deterministic mapping from input to latent space", which
limits the "ability to generate diverse and novel samples". What exactly goes wrong, and what does a variational
autoencoder change?
"""

# %%
# Two networks of the same size
# -----------------------------
# Both have the same layers, 16 numbers as code, and the same loss for the reconstruction, in nats. The VAE adds two
# things. Its codes are random, :math:`z = \mu(x) + \sigma(x)\,\epsilon`. And :math:`\mathrm{KL}(q(z|x) \,\|\, N(0, I))`
# pulls them to the distribution from which new codes will be drawn.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import chi

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate import metrics
from tinygen.evaluate.classifier import load_classifier

rng, digits = np.random.default_rng(0), data.load_digits()
plain = models.Autoencoder.dense((8, 8, 1), [128, 64], 16, activation="relu", loss="bce", rng=rng)
vae = models.VAE.dense((8, 8, 1), [128, 64], 16, activation="relu", rng=rng)
for model in (plain, vae):
    opt, rate = optim.Adam(model.parameters()), optim.cosine(2e-3, total=2000, warmup=50)
    for step in range(2000):
        opt.lr = rate(step)
        loss = model.loss(digits.train_images[rng.integers(len(digits.train_images), size=100)], rng=rng)
        opt.step(grad(loss, opt.params))

# %%
# New digits
# ----------
# A classifier of real digits decides: an image is *clear* if one class has a probability of at least 0.9. A third
# kind of sample is fairer to the autoencoder: its codes come from a normal density with the mean and the covariance of
# the codes of the training images. The *precision* is the share of samples that lie among real digits, measured with
# the features of the classifier; the *recall* is the share of real digits that lie among the samples.

N, classifier = 1000, load_classifier(digits, quiet=True)
codes, (mu, log_var) = plain.encode(digits.train_images), vae.encode(digits.train_images)
noise = rng.standard_normal((N, 16), dtype=np.float32)
fitted = codes.mean(axis=0) + noise @ np.linalg.cholesky(np.cov(codes.T)).T.astype(np.float32)
samples = {
    "autoencoder, z ~ N(0, I)": plain.decode(noise),
    "autoencoder, z ~ fitted": plain.decode(fitted),
    "VAE, z ~ N(0, I)": vae.decode(noise),
    "real test digits": digits.test_images,
}
clear, real = {}, classifier.features(digits.test_images)
print(f"{'':26} clear  precision  recall")
for name, images in samples.items():
    features = classifier.features(images)
    clear[name] = 100 * np.mean(classifier.probabilities(features).max(axis=1) >= 0.9)
    among = metrics.precision_recall(classifier.features(digits.train_images[:360]), features[:360])
    print(f"{name:26} {clear[name]:4.0f} %  {among.precision:9.2f}  {among.recall:6.2f}")
points = clear["VAE, z ~ N(0, I)"] - clear["autoencoder, z ~ N(0, I)"]
claim("C1 C13", "clear samples: VAE - autoencoder, in points of a hundred", points, at_least=30)

fig, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for line, model, name in zip(axes, (plain, vae), ("autoencoder", "VAE")):
    drawn = samples[f"{name}, z ~ N(0, I)"]
    panels = {"test digits": digits.test_images, "reconstructions": model.reconstruct(digits.test_images)}
    panels[f"samples, {clear[f'{name}, z ~ N(0, I)']:.0f} % clear"] = drawn
    for ax, (title, images) in zip(line, panels.items()):
        ax.imshow(1 - plot.tiled(1 - images[:36], columns=6), cmap="gray")
        ax.set(title=title, xticks=[], yticks=[])
    line[0].set_ylabel(name, fontsize=12)
fig.suptitle("Both reconstruct; only the VAE can sample")
plot.show(fig, name="samples")

# %%
# Where are the codes?
# --------------------
# The decoder knows the codes that it was trained with, and no others. Draws from N(0, I) in 16 dimensions lie at a
# distance of about 4 from the origin. The loss of the autoencoder doesn't say where codes should be; they lie further
# out, in some directions more than in others. The codes of the VAE are where the draws will be.

draws = mu + np.exp(log_var / 2) * rng.standard_normal(mu.shape)
far = np.linspace(0, 18, 200)
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name, z, color in (("autoencoder", codes, plot.PALETTE[0]), ("VAE", draws, plot.PALETTE[1])):
    ax.hist(np.linalg.norm(z, axis=1), 60, range=(0, 18), density=True, color=color, alpha=0.6, label=f"codes, {name}")
ax.plot(far, chi(16).pdf(far), color="black", label="draws from N(0, I)")
ax.set(title="New codes are drawn where the VAE has codes", xlabel="distance of the code from 0", ylabel="density")
ax.legend(frameon=False)
plot.show(fig, name="codes")

# %%
# A fitted normal density repairs most of the samples, because it asks where the codes are. Its samples are even more
# diverse than those of the VAE, whose decoder returns mean images. But nothing in the loss of the autoencoder promises
# that a normal density fits its codes, and without one there is no :math:`p(x)`.
#
# Try this: 2 or 64 numbers as code. Which samples become worse, and which hardly change?
