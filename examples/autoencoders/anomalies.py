r"""
Anomalies: what an autoencoder can't reconstruct
================================================

An autoencoder that was trained on ordinary days reconstructs ordinary days. A day with a storm comes back without its
storm, so the error is large, and raises an alarm. No storm needs a label for that. How good is the alarm?
"""

# %%
# Storms in daily fields
# ----------------------
# Each day has a map of the air pressure, with a season and smooth changes from day to day. On 2 % of the days a small
# storm, weaker than these changes, hides in the map. We train on eight years, storms included, and test on six others.
# Without storms, days are sums of 16 smooth waves, so a *linear* autoencoder with a code of 16 numbers can describe
# them: two matrices, :math:`\hat x = x W_e W_d`.

import matplotlib.pyplot as plt
import numpy as np

from tinygen import data, grad, models, optim, plot
from tinygen.claims import claim
from tinygen.evaluate.detection import alarm_rate, auroc, threshold_at
from tinygen.models import non_saturating


def fit(model, x, steps, lr):
    opt, rate = optim.Adam(model.parameters(), lr), optim.cosine(lr, total=steps)
    for step in range(steps):
        opt.lr = rate(step)
        opt.step(grad(model.loss(x[rng.integers(len(x), size=100)]), opt.params))
    return model


def squares(days):  # the squared error of each pixel, in hPa²
    x = ((days.fields - mean) / scale).reshape(len(days), 256)
    return scale**2 * (weather.reconstruct(x) - x) ** 2


rng = np.random.default_rng(0)
train, test = data.daily_weather(8 * 365, rng), data.daily_weather(6 * 365, rng)
mean, scale = train.fields.mean(axis=0), train.fields.std()
x = ((train.fields - mean) / scale).reshape(len(train), 256)
weather = fit(models.Autoencoder.linear((256,), 16, rng=rng), x, steps=2500, lr=1e-2)

# %%
# The score of a day is the sum of its squared errors. The baseline is the largest *z-score*, a pixel's deviation from
# its mean in standard deviations. The *AUROC* is the probability that a day with a storm has the higher score of two.

scores = {"autoencoder": squares(test).sum(axis=1)}
scores["z-score"] = np.abs((test.fields - mean) / train.fields.std(axis=0)).max(axis=(1, 2, 3))
area = {name: auroc(score[~test.storm], score[test.storm]) for name, score in scores.items()}
claim("B20", "AUROC of the autoencoder's error", area["autoencoder"], at_least=0.95)
claim("B20", "AUROC of the autoencoder less that of the z-score", area["autoencoder"] - area["z-score"], at_least=0.1)

# %%
# When to raise an alarm
# ----------------------
# A threshold trades missed storms for false alarms. We choose a false-alarm rate of 5 %: the threshold is the score
# that 5 % of the days of 20 quiet years exceed. On the quiet days of the test, the rate should be the same up to
# chance. Its exact 95 % interval says how much chance may do; one test in twenty misses it.

quiet = squares(data.daily_weather(20 * 365, rng, storms=0.0)).sum(axis=1)
threshold = threshold_at(quiet, 0.05)
false, hits = (alarm_rate(scores["autoencoder"][days], threshold) for days in (~test.storm, test.storm))
print(f"false alarms {false.share:.3f} ({false.low:.3f} to {false.high:.3f}), storms found {hits.share:.3f}")
distance = max(false.low - 0.05, 0.05 - false.high)
claim("B20", "distance of 5 % from the interval of the measured rate, below 0 inside", distance, at_most=0)

fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
units, ticks = ("squared error of a day, hPa²", "largest deviation, sd"), ([50, 100, 200], [0.5, 1, 2, 4])
for ax, (name, score), unit, at in zip(axes, scores.items(), units, ticks):
    bins = np.geomspace(score.min(), score.max(), 40)
    for color, kind, days in zip(plot.PALETTE, ("no storm", "storm"), (~test.storm, test.storm)):
        ax.hist(score[days], bins, density=True, alpha=0.7, color=color, label=kind)
    ax.set(title=f"{name}: AUROC {area[name]:.3f}", xscale="log", xlabel=unit, ylabel="density of days", yticks=[])
    ax.set_xticks(at, labels=at)
    ax.minorticks_off()
axes[0].axvline(threshold, color="black", ls=":", label="5 % false alarms")
axes[0].legend(frameon=False)
plot.show(fig, name="scores")

# %%
# The error of each pixel also shows *where* the storm is. Each map of these four has its own range of colours.

typical = np.argsort(test.depth)[-test.storm.sum() :][5:-5]  # without the weakest and the deepest
fig, axes = plt.subplots(2, 4, figsize=(8, 4.3), layout="constrained")
for day, pair in zip(typical[:: len(typical) // 3], axes.T):
    pair[0].set_title(f"storm of {test.depth[day]:.1f} hPa", fontsize=9)
    for ax, field in zip(pair, (test.fields[day], squares(test)[day])):
        ax.imshow(field.reshape(16, 16))
        ax.plot(test.centre[day, 1], test.centre[day, 0], "o", mfc="none", mec="white", ms=22)
        ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("pressure")
axes[1, 0].set_ylabel("squared error")
fig.suptitle("The error shows the storm (circle), also where the pressure hides it")
plot.show(fig, name="storms")

# %%
# Fakes
# -----
# Can this score expose fakes? A `GAN <../adversarial/gan_ring.py>`__ learns to imitate digits, better and better.

digits = data.load("digits")
real, gan = digits.train_images, models.GAN.dense((8, 8, 1), [128, 128], latent=16, rng=rng)
coder = fit(models.Autoencoder.dense((8, 8, 1), [128], 16, rng=rng), real, steps=800, lr=3e-3)
G, D, rows, found = gan.generator, gan.discriminator, {"real": digits.test_images[:8]}, []
g_opt, d_opt = (optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.99)) for net in (G, D))
for step in range(1, 1001):
    batch, fake = real[rng.integers(len(real), size=64)], G(gan.noise(64, rng))
    d_opt.step(grad(non_saturating.d_loss(D(batch), D(fake.detach())), d_opt.params))
    g_opt.step(grad(non_saturating.g_loss(D(fake)), g_opt.params))
    if step in (50, 200, 1000):
        sets = digits.test_images, np.clip(gan.sample(500, rng), 0, 1)
        found.append(auroc(*(((coder.reconstruct(each) - each) ** 2).sum(axis=(1, 2, 3)) for each in sets)))
        rows[f"step {step}: AUROC {found[-1]:.3f}"] = sets[1][:8]
claim("B20", "AUROC of fakes after 50, 200 and 1,000 steps of the GAN", found, at_least=0.9)
plot.show(plot.image_rows(rows, title="The better the fakes, the harder to detect"), name="fakes")

# %%
# Try this: give the autoencoder of the weather a code of 64 numbers. Why does it miss more storms?
