r"""
The bottleneck: how much fits through
=====================================

The best code, says the `lecture <../README.md>`__, "maximizes the mutual information I(X; Z) subject to a constraint
on the complexity of Z". How much does a code of a given size lose, and how is that measured?
"""

# %%
# Error against code size
# -----------------------
# The size "controls the trade-off between information loss and generalization". We take only 500 digits, to make the
# latter hard. PCA with K numbers loses the variances that it leaves out: their *spectrum* tells its training error.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import logsumexp

from tinygen import Parameter, data, exp, functional, grad, models, optim, plot
from tinygen.claims import claim

digits, sizes = data.load("digits"), np.array([2, 4, 8, 16, 32])
sets = {"train": digits.train_images[:500], "test": digits.test_images}
train, (mean, components, spectrum) = sets["train"], models.pca(sets["train"], 64)
left_out = spectrum.sum() - np.cumsum(spectrum)  # with 1, 2, ... numbers
methods = {"autoencoder": [], "PCA": [lambda x, k=k: models.pca_reconstruct(x, mean, components[:k]) for k in sizes]}
for latent in sizes:
    rng = np.random.default_rng(0)
    model = models.Autoencoder.dense((8, 8, 1), [128], latent, rng=rng)
    opt, rate = optim.Adam(model.parameters()), optim.cosine(5e-3, total=1000)
    for step in range(1000):
        opt.lr = rate(step)
        opt.step(grad(model.loss(train[rng.integers(500, size=100)]), opt.params))
    methods["autoencoder"].append(model.reconstruct)
pairs = [(name, what) for name in methods for what in sets]  # with squared errors per image
errors = {(a, b): np.array([functional.mse(f(sets[b]), sets[b]).item() for f in methods[a]]) for a, b in pairs}
claim("B8", "PCA: training error is the variance left out", errors["PCA", "train"], left_out[sizes - 1], rtol=1e-5)
gain = errors["PCA", "test"] / errors["autoencoder", "test"]
claim("B8", "test error of PCA / of the autoencoder, 2, 4 and 8 numbers", gain[:3], at_least=1)
claim("B8", "the same, 32 numbers", gain[-1], at_most=1)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, what), row in errors.items():
    ax.loglog(sizes, row, "o-" if what == "test" else "o--", color=plot.PALETTE[name == "PCA"], label=f"{name}, {what}")
ax.loglog(np.arange(2, 41), left_out[1:40], ":", color="black", label="variance left out by PCA")
ax.set(title="The autoencoder is ahead with small codes, behind with large ones", xlabel="numbers in the code, K")
ax.set(ylabel="squared error per image", xticks=sizes, xticklabels=sizes)
ax.minorticks_off()
ax.legend(frameon=False)
plot.show(fig, name="code_size")

# %%
# A larger code loses less, on new images too. But more and more of what it learns is about these 500 images only.
#
# How much information is in a code?
# ----------------------------------
# A code without noise may hold infinitely much. So let there be noise, and let x be Gaussian with variances λ, the code
# :math:`z = x W + \text{noise}`, the decoder :math:`\hat x = z V`, and the loss that of a *β-VAE* with pixels of
# variance s²: :math:`E\|x - \hat x\|^2 / (2 s^2)` (*distortion*), and β times the KL divergence of :math:`q(z|x)` from
# N(0, I) (*rate*, in nats). The best code floods the variances up to :math:`\theta = \beta s^2` (*water-filling*, Cover
# & Thomas, chapter 10): what is under water is lost, and each λ above costs :math:`\tfrac12 \log(\lambda/\theta)`.

variances, s2 = np.array([8, 3.4, 1.6, 1, 0.65, 0.42, 0.28]), 1.0
D, levels = 7, np.sqrt(variances[1:-1] * variances[2:])  # five levels, each between two variances


def terms(W, V, log_noise):  # rate and distortion, exactly
    noise, rest = exp(log_noise), np.eye(D) - W @ V
    rate = (variances @ W**2 + noise - log_noise - 1).sum() / 2
    return rate, (variances @ rest**2).sum() + (noise @ V**2).sum()


channels = []
for level in levels:
    rng = np.random.default_rng(0)
    opt = optim.Adam([Parameter(0.3 * rng.normal(size=size)) for size in ((D, D), (D, D), D)])
    schedule, beta = optim.cosine(0.2, total=800), level / s2
    for step in range(800):
        opt.lr, (rate, distortion) = schedule(step), terms(*opt.params)
        opt.step(grad(distortion / (2 * s2) + beta * rate, opt.params))
    channels.append(opt.params)
rates, distortions = np.transpose([[term.item() for term in terms(*each)] for each in channels])
lost, kept = np.minimum(variances, levels[:, None]), np.log(np.maximum(variances / levels[:, None], 1)) / 2
claim("B9", "rate is that of water-filling, 5 values of beta", rates, kept.sum(axis=1), rtol=0.02)
claim("B9", "distortion is that of water-filling, 5 values of beta", distortions, lost.sum(axis=1), rtol=0.02)

# %%
# Here I(X; Z) is :math:`\tfrac12 \log\det(1 + W^T \Lambda W N^{-1})`, with the variances Λ of x and N of the noise. In
# general one can bound it: how much more probable is z given its own x than in the mean over a batch of K? If that mean
# has its own x, this is too small (*InfoNCE*); without, it is too large (Poole et al. 2019).

rng, K, information, bounds = np.random.default_rng(1), 1024, [], []
for W, _, log_noise in [[p.numpy() for p in each] for each in channels]:
    W = W / np.exp(log_noise / 2)  # now the noise has variance 1
    information.append(np.linalg.slogdet(np.eye(D) + W.T * variances @ W)[1] / 2)
    for _ in range(16):
        mu = rng.normal(size=(K, D)) * np.sqrt(variances) @ W
        log_p = (mu + rng.normal(size=(K, D))) @ mu.T - (mu**2).sum(axis=1) / 2  # of z_i given x_j, and a constant
        own, others = np.diag(log_p), np.where(np.eye(K), -np.inf, log_p)
        bounds.append([(own - logsumexp(p, axis=1)).mean() + np.log(n) for p, n in ((log_p, K), (others, K - 1))])
bounds = np.reshape(bounds, (5, 16, 2))
(lower, upper), (low_se, high_se) = bounds.mean(axis=1).T, bounds.std(axis=1, ddof=1).T / 4
low, high = lower - 4 * low_se - information, upper + 4 * high_se - information
claim("B9", "I(X; Z) lies between the bounds ± 4 s.e.: by how many nats", np.minimum(-low, high), at_least=0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
theta = np.geomspace(0.25, 8, 200)[:, None]
limit = np.log(np.maximum(variances / theta, 1)).sum(axis=1) / 2, np.minimum(variances, theta).sum(axis=1)
left.plot(*limit, color="black", label="water-filling: no code can do better")
left.plot(rates, distortions, "o", color=plot.PALETTE[1], label="trained, 5 values of β")
left.set(title="Training reaches the limit", xlabel="rate in nats", ylabel="distortion")
right.fill_between(information, low, high, color=plot.PALETTE[6])
right.plot(information, 0 * lower, "o-", color="black")
right.set(title="Bounds from batches ± 4 s.e., less I(X; Z)", xlabel="I(X; Z) in nats", ylabel="nats")
left.legend(frameon=False)
plot.show(fig, name="information")

# %%
# What does the slide leave out? *Complexity*: with the rate, its sentence is *rate-distortion* theory, as here. And
# *relevance*: the information bottleneck (Tishby, Pereira & Bialek 1999) keeps what Z says about a third variable Y.
# Without Y, every invertible change of a code is as good as the code.
# Try this: print W for the smallest and for the largest β. Which directions are dropped first?
