r"""
The variational autoencoder
===========================

A model of images with two numbers each: a *code* z is drawn from the prior N(0, I), and a network, the *decoder*, turns
it into an image, :math:`x \sim N(\mathrm{decoder}(z), \sigma_x^2)`. Which codes belong to an image? Fitting a density
for every single image would take long. A second network, the *encoder*, learns to do it in one step: it returns the
mean and the variance of :math:`q(z|x)`. This is *amortised* inference. Both networks raise the evidence lower bound,

.. math:: \log p(x) \ge E_{q(z|x)}[\log p(x|z)] - \mathrm{KL}(q(z|x) \,\|\, p(z)).

Draws are :math:`z = \mu + \sigma\epsilon`, so gradients reach the encoder. What do the two terms do?
"""

# %%
# The loop
# --------
# Both terms are in nats per image: sums over pixels and codes. With means over pixels, their sum would be no bound.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, nn, no_grad, optim, plot
from tinygen.claims import claim

rng, digits = np.random.default_rng(0), data.load_digits()
encoder = [nn.Dense(64, 128, activation="tanh", rng=rng), nn.Dense(128, 64, activation="tanh", rng=rng)]
decoder = [nn.Dense(2, 64, activation="tanh", rng=rng), nn.Dense(64, 128, activation="tanh", rng=rng)]
encoder = nn.Sequential(nn.Flatten(), *encoder, nn.Dense(64, 4, rng=rng))  # two means and two log-variances
decoder = nn.Sequential(*decoder, nn.Dense(128, 64, activation="sigmoid", rng=rng), nn.Reshape((8, 8, 1)))
model = models.GaussianVAE(encoder, decoder, latent=2)


def train(model, images, steps, lr):  # a generator: the step after each update
    opt, rate = optim.Adam(model.parameters()), optim.cosine(lr, total=steps, warmup=50)
    for step in range(1, steps + 1):
        opt.lr = rate(step)
        loss = model.loss(images[rng.integers(len(images), size=100)], rng)
        opt.step(grad(loss, opt.params))
        yield step


history = []
for step in train(model, digits.train_images, 1200, 6e-3):
    if step % 50 == 0:
        with no_grad():
            history.append([step, *(term.item() for term in model.terms(digits.test_images, rng))])

# %%
# The first term pulls the codes of different images apart. The second pulls all codes to the prior: it is the price, in
# nats, of what a code says about its image.

step, reconstruction, kl = np.array(history).T
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
names = ("reconstruction, -E log p(x|z)", "KL(q(z|x) ‖ p(z))", "their sum, -ELBO")
for curve, name, color, style in zip((reconstruction, kl, reconstruction + kl), names, plot.PALETTE, ("-", "-", "--")):
    ax.plot(step, curve, style, color=color, label=name)
ax.set(title="Codes cost a few nats, and save many", xlabel="step", ylabel="nats per test image", ylim=(-20, 60))
ax.legend(frameon=False)
plot.show(fig, name="terms")

# %%
# Each point is a code, with its image. The dots are the codes of test images, the circles 1 and 2 sd of the prior.

codes, _ = model.encode(digits.test_images)
plot.show(plot.explorer(model, codes, digits.test_labels, title="A plane of digits"), name="plane")

# %%
# A linear VAE knows the answer
# -----------------------------
# With linear networks the model is *probabilistic PCA*: x is normal with the covariance :math:`W W^T + \sigma_x^2 I`,
# and :math:`p(z|x) = N(M^{-1} W^T x, \sigma_x^2 M^{-1})` with :math:`M = W^T W + \sigma_x^2 I`. The likelihood is
# largest if the columns of W are the principal components, times :math:`\sqrt{\lambda_i - \sigma_x^2}`, and
# :math:`\sigma_x^2` is the mean of the other eigenvalues (Tipping and Bishop 1999). Then M is diagonal, so the encoder
# can return exactly the posterior, and each draw gives :math:`p(x|z) p(z) / q(z|x) = p(x)`: no gap.

mean = digits.train_images.mean(axis=0).ravel().astype(np.float64)
X, X_test = (images.reshape(-1, 64) - mean for images in (digits.train_images, digits.test_images))
values, vectors = np.linalg.eigh(X.T @ X / len(X))  # ascending
noise = values[:-2].mean()
W = vectors[:, -2:] * np.sqrt(values[-2:] - noise)  # (64, 2)
m, C = (W * W).sum(axis=0) + noise, W @ W.T + noise * np.eye(64)  # the diagonal of M; the covariance of x
log_p = -0.5 * ((X_test @ np.linalg.inv(C) * X_test).sum(axis=1) + np.linalg.slogdet(2 * np.pi * C)[1])  # (N,)
exact, trained = (models.GaussianVAE.dense((64,), (), 2, rng=rng, dtype=np.float64) for _ in range(2))
exact.decoder.parameters()[0].data, exact.log_var.data = W.T, np.array(np.log(noise))
for p, value in zip(exact.encoder.parameters(), (np.hstack([W / m, 0 * W]), np.append(0 * m, np.log(noise / m)))):
    p.data = value
gaps = np.abs(exact.log_weights(X_test, 10, rng).numpy() - log_p)
claim("C9", "linear VAE from the formula: gap in nats, the largest of ten draws for each image", gaps, at_most=1e-6)
for _ in train(trained, X, 1500, 0.02):
    pass
W, b = (p.numpy() for p in trained.decoder.parameters())  # (2, 64)
M = (W @ W.T) / np.exp(trained.log_var.item()) + np.eye(2)  # the inverse of the covariance of p(z|x)
mu, log_var = trained.encode(X)
d = mu - (X - b) @ W.T @ np.linalg.inv(M) / np.exp(trained.log_var.item())  # from the mean of p(z|x)
kl = 0.5 * (np.exp(log_var) @ np.diag(M) + (d @ M * d).sum(axis=1) - 2 - np.linalg.slogdet(M)[1] - log_var.sum(axis=1))
claim("C9", "linear VAE, trained: gap = KL(q(z|x) ‖ p(z|x)), mean in nats", kl.mean(), at_most=0.01)

# %%
# Bounds with k samples
# ---------------------
# For other networks the gap is unknown. The mean of k ratios :math:`p(x|z) p(z) / q(z|x)` before the logarithm gives a
# bound that never falls with k in expectation, and tends to :math:`\log p(x)` (Burda et al. 2016).

ks = 2 ** np.arange(9)
bounds = np.stack([model.log_likelihood(digits.test_images, k, rng) for k in ks])  # (9, N)
rises, better = np.diff(bounds, axis=0), bounds[-1] - log_p
errors, least = rises.std(axis=1) / np.sqrt(len(log_p)), 4 * better.std() / np.sqrt(len(log_p))
claim("C11", "rise of the bound when k doubles, in standard errors", rises.mean(axis=1) / errors, at_least=-4)
claim("C11", "bound of the VAE with k = 256 - log p(x) of PCA, in nats", better.mean(), at_least=least)

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
ax.semilogx(ks, bounds.mean(axis=1), "o-", base=2, color=plot.PALETTE[0], label="VAE: bound")
ax.axhline(log_p.mean(), ls=":", color="black", label="probabilistic PCA: exact")
ax.set(title="More samples, a better bound", xlabel="samples k per image", ylabel="log p(x), nats per test image")
ax.legend(frameon=False)
plot.show(fig, name="bounds")

# %%
# Try this: give both networks four latents. Which of the two terms changes more?
#
# Exercises: `VAEs <../../docs/exercises.md#vaes>`__.
