r"""
When the code says nothing: posterior collapse
==============================================

A VAE has more to tune than an autoencoder: how much the KL divergence counts, from when on, and which prior it
compares with. Tuned badly, the encoder returns the prior for every image. When does this happen, and how do you see it?
"""

# %%
# A price for each nat
# --------------------
# The loss of a beta-VAE is :math:`-E_q[\log p(x|z)] + \beta\,\mathrm{KL}(q(z|x)\,\|\,p(z))`. The KL divergence is what
# the code says about the image, in nats, and beta is its price. At a higher price the model uses fewer nats and gets a
# worse image. Both must be monotone at the optimum: otherwise one of two models would be better at both prices.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.distributions import Normal, kl_divergence
from tinygen.evaluate.latents import active_units, unit_kl

digits = data.load_digits()
test = (np.random.default_rng(1).random(digits.test_images.shape) < digits.test_images).astype(np.float32)


def train(beta, *, ramp=1, widths=(64,), free_bits=0.0, steps=600):
    """A VAE of binary digits; beta rises from 0 during the first `ramp` steps."""
    rng = np.random.default_rng(0)
    model = models.VAE.dense((8, 8, 1), widths, 8, rng=rng)
    opt, price, rate = optim.Adam(model.parameters()), optim.warmup(beta, steps=ramp), optim.cosine(3e-3, total=steps)
    for step in range(steps):
        grey = digits.train_images[rng.integers(len(digits.train_images), size=100)]
        x = (rng.random(grey.shape) < grey).astype(np.float32)
        opt.lr = rate(step)
        loss = model.loss(x, rng, beta=price(step), free_bits=free_bits)
        opt.step(grad(loss, opt.params))
    return model


def terms(model):
    """Reconstruction and KL of the test images, in nats per image: means over 8 draws of the codes."""
    draws = [model.terms(test, np.random.default_rng(i)) for i in range(8)]
    return np.mean([[term.item() for term in draw] for draw in draws], axis=0)


prices = [0.25, 0.5, 1, 2, 4]
reconstruction, kl = np.transpose([terms(train(price, steps=400)) for price in prices])
claim("C12", "KL from beta = 0.25 to 4: the smallest fall, in nats", -np.diff(kl).max(), at_least=0)
claim("C12", "reconstruction error: the smallest rise, in nats", np.diff(reconstruction).min(), at_least=0)

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(kl, reconstruction, "o-", color=plot.PALETTE[0])
for price, x, y in zip(prices, kl, reconstruction):
    ax.annotate(f"beta = {price}", (x, y), xytext=(8, 4), textcoords="offset points")
ax.set(title="The higher its price, the less the code says", xlim=(-0.4, 1.2 * kl.max()), ylim=(16, 28.5))
ax.set(xlabel="KL, nats per image", ylabel="reconstruction error,\nnats per image")
plot.show(fig, name="prices")

# %%
# Too early a price
# -----------------
# At beta = 4 a code is not worth its price. Worse is a collapse where it would be. In the first steps the decoder can't
# read the code yet, so each nat is wasted, and the encoder learns to return the prior. Then the decoder has nothing to
# read, and it stays so. This happens to deep networks. Two remedies: raise beta slowly from 0 (*annealing*), or let
# the first λ nats of each latent be free (*free bits*), as in :math:`\sum_k \max(\lambda, \mathrm{KL}_k)`.
#
# A latent is *active* if the mean of q(z|x) varies from image to image, with a variance above 0.01.

deep, price = (64, 64, 64), 2
ways = {"full price at once": {}, "annealing": dict(ramp=400), "free bits": dict(free_bits=0.2)}
found = {name: train(price, widths=deep, **options) for name, options in ways.items()}
codes = {name: model.encode(test) for name, model in found.items()}
active = {name: active_units(mu) for name, (mu, _) in codes.items()}
losses = {name: terms(model) @ [1, price] for name, model in found.items()}
more = active["annealing"].sum() - active["full price at once"].sum()
claim("C12", "active latents that annealing keeps, and the full price at once does not", more, at_least=2)
saved = losses["full price at once"] - losses["annealing"]
claim("C12", "loss at this price, at once minus annealed, in nats per test image", saved, at_least=0)

kls = {name: unit_kl(mu, log_var) for name, (mu, log_var) in codes.items()}
title = "One network, one final price: what the eight latents say"
plot.show(plot.unit_bars(kls, active=active, title=title, width=960), name="latents")

# %%
# So the collapsed model is no optimum: at the same price, the annealed one has a lower loss. The loss alone doesn't
# show it, but ``diagnose`` looks at the codes, and says what to do.

for name, model in found.items():
    diagnoses = models.diagnose(model, test[:200], np.random.default_rng(2))
    print(f"{name}: loss {losses[name]:.2f}; {'; '.join(map(str, diagnoses)) or 'nothing found'}")

# %%
# Which prior?
# ------------
# A wider normal prior changes nothing: with N(0, s²), code and prior can both be divided by s, and the first layer of
# the decoder multiplies by s again. Only another *shape* of prior would be another model.

s, mu, log_var = 5.0, *np.random.default_rng(3).normal(size=(2, 1000))
zero, width = np.zeros(1000), np.full(1000, np.log(5.0**2))
wide = kl_divergence(Normal(mu, log_var=log_var), Normal(zero, log_var=width))
unit = kl_divergence(Normal(mu / s, log_var=log_var - width), Normal(zero, log_var=zero))
claim("C12", "KL of codes from N(0, 5²), less KL of codes / 5 from N(0, 1)", (wide - unit).numpy(), 0, atol=1e-12)

# %%
# Try this
# --------
# Which ramp is long enough? Try 50, 100 and 200 steps. And how many latents stay active if you train four times as long
# with the full price at once?
