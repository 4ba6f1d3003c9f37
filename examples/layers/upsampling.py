r"""
Upsampling, and the checkerboard
================================

A decoder can also enlarge without weights, by putting new pixels between the old ones. The `lecture <../README.md>`__
lists five modes, "more commonly used than transposed convolutions". What do they compute, and why are they preferred?
"""

# %%
# Between the pixels
# ------------------
# Pixels are squares whose outer edges stay in place. If n pixels become m, the centre of the new pixel i is at
# :math:`t = (i + \tfrac12)\, n/m - \tfrac12` on the old grid. *Nearest* takes one old pixel, *linear* draws a line
# between two, and *cubic* a smooth curve through four. Bilinear, bicubic and trilinear do so along each of two or three
# axes. With ``align_corners``, the centres of the outermost pixels stay in place instead.

import importlib.util

import matplotlib.pyplot as plt
import numpy as np

import tinygen as tg
from tinygen import data, functional, grad, nn, optim, plot
from tinygen.claims import claim

rng = np.random.default_rng(0)
row, digit = rng.uniform(0, 1, (1, 1, 6, 1)), data.load_digits().train_images[:1]
fig, axes = plt.subplots(2, 3, figsize=(9, 5.6), layout="constrained")
for (above, below), mode in zip(axes.T, ("nearest", "bilinear", "bicubic")):
    above.plot(np.arange(96) / 16 - 15 / 32, tg.resize(row, (1, 96), mode=mode).numpy().ravel(), "-", row.ravel(), "o")
    above.set(title=f"{mode}, × 16 and × 8", xlabel="old pixel", ylabel="value", ylim=(-0.2, 1.2))
    below.imshow(tg.resize(digit, 64, mode=mode)[0].numpy(), cmap="gray_r")
plot.show(fig, name="modes")
slide = nn.Upsample(2, mode="nearest")(np.array([[[[2.0], [0.0]], [[3.0], [4.0]]]])).numpy()[0, :, :, 0]
claim("A7", "2 × 2 becomes the matrix on the slide", slide, [[2, 2, 0, 0], [2, 2, 0, 0], [3, 3, 4, 4], [3, 3, 4, 4]])

# %%
# Each mode is a matrix along each axis, by definition: row i has the weights of the old pixels, which depend on their
# distances d from t; the cubic weights are Keys' (1981) with a = -0.75. Beyond the borders, the last pixel repeats.
# The images have three channels: a constant, which must stay constant, a slope, which linear modes keep, and noise.


def matrix(cubic, n, t, a=-0.75):  # (M, N), for new pixels at t (M,)
    d = np.abs(t[:, None] - np.arange(-2, n + 2))  # (M, N + 4)
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    w = np.where(d <= 1, near, np.where(d < 2, far, 0)) if cubic else np.maximum(0, 1 - d)
    return np.column_stack([w[:, :3].sum(axis=1), w[:, 3:-3], w[:, -3:].sum(axis=1)])


errors = {name: [] for name in ("constants stay", "slopes stay", "they are these matrices", "they are PyTorch's")}
axes_of = {"nearest": 2, "linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
for mode, align in [(mode, align) for mode in axes_of for align in (False, True) if mode != "nearest" or not align]:
    old, new = (5, 7, 4)[: axes_of[mode]], (8, 6, 11)[: axes_of[mode]]
    ts = [np.arange(m) * (n - 1) / (m - 1) if align else (np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(old, new)]
    x = expected = np.stack([np.full(old, 0.7), np.indices(old).sum(axis=0), rng.normal(size=old)], axis=-1)[None]
    y = tg.resize(x, new, mode=mode, align_corners=align).numpy()
    errors["constants stay"].append(y[..., 0] - 0.7)
    kept = sum(np.ix_(*[np.clip(t, 0, n - 1) for n, t in zip(old, ts)]))  # the slope at the new pixels
    errors["slopes stay"] += [y[..., 1] - kept] * ("linear" in mode)
    if mode != "nearest":
        for axis, (n, t) in enumerate(zip(old, ts), start=1):
            expected = np.moveaxis(np.tensordot(matrix(mode == "bicubic", n, t), expected, (1, axis)), 0, axis)
        errors["they are these matrices"].append(y - expected)
    if importlib.util.find_spec("torch"):
        import torch  # channels first

        layer = torch.nn.Upsample(new, mode=mode, align_corners=align or None)
        errors["they are PyTorch's"].append(y - np.moveaxis(layer(torch.tensor(np.moveaxis(x, -1, 1))).numpy(), 1, -1))
for name in filter(errors.get, errors):
    claim("A8", f"modes: {name}", [np.abs(error).max() for error in errors[name]], 0, atol=1e-12)

# %%
# The checkerboard
# ----------------
# With kernel size 3 and stride 2, a transposed convolution adds one, two or four copies of the kernel in a pixel, so a
# constant image becomes a checkerboard. Upsampling and then a convolution treat all pixels alike. The pattern has the
# highest frequency of the grid, the *Nyquist frequency* of half a cycle per pixel; we measure the energy there.


def at_nyquist(images):  # (N, H, W, C), relative to the energy at frequency 0
    energy = (np.abs(np.fft.fft2(images, axes=(1, 2))) ** 2).sum(axis=(0, 3))[::8, ::8]  # (2, 2) of 16 × 16
    return energy.sum() / energy[0, 0] - 1


constant, ones = np.ones((1, 16, 16, 1)), np.ones((3, 3, 1, 1))
transposed = tg.conv_transpose2d(constant, ones, size=(32, 32), stride=2, padding=1).numpy()[:, 8:24, 8:24]
resized = tg.conv2d(tg.upsample(constant, 2), ones, padding=1).numpy()[:, 8:24, 8:24]
claim("A9", "transposed convolution of a constant: energy at Nyquist", at_nyquist(transposed), at_least=0.1)
claim("A9", "upsampling and convolution of a constant: energy at Nyquist", at_nyquist(resized), at_most=1e-12)

# %%
# Does it matter in a network? Two autoencoders of small shapes have equally many weights and differ only in how they
# enlarge. Before training, the checkerboard is strong. Training removes most of it, and in the end both err alike.

twice = dict(stride=2, padding=1, output_padding=1)
ways = {"transposed convolution": lambda a, b, **options: [nn.ConvTranspose2d(a, b, 3, **twice, **options)]}
ways["upsampling"] = lambda a, b, **options: [nn.Upsample(2), nn.Conv2d(a, b, 3, padding=1, **options)]
train, test = data.shapes(1000, rng)[0], data.shapes(200, rng)[0]  # (N, 16, 16, 3)
fig, axes = plt.subplots(2, 6, figsize=(12, 4.8), layout="constrained")
for line, (way, enlarge), flat in zip(axes, ways.items(), (transposed, resized)):
    rng, relu = np.random.default_rng(0), dict(activation="relu")
    layers = [nn.Flatten(), nn.Dense(768, 8, rng=rng), nn.Dense(8, 512, rng=rng, **relu), nn.Reshape((4, 4, 32))]
    model = nn.Sequential(*layers, *enlarge(32, 16, rng=rng, **relu), *enlarge(16, 3, rng=rng))
    opt, pictures = optim.Adam(model.parameters(), lr=2e-3), {f"{way}\nof a constant": flat}
    pictures["its spectrum,\n0 in the middle"] = np.fft.fftshift(np.abs(np.fft.fft2(flat, axes=(1, 2))), axes=(1, 2))
    for step in range(301):
        if step in (0, 30, 300):
            y, error = model(test).numpy(), functional.mse(model(test), test).item()
            pictures[f"step {step}, error {error:.1f}\nat Nyquist {at_nyquist(y):.0e}"] = y
        batch = train[rng.integers(0, len(train), 64)]
        opt.step(grad(functional.mse(model(batch), batch), opt.params))
    for ax, (title, images) in zip(line, (pictures | {"test image": test}).items()):
        ax.imshow((images - images.min())[3 % len(images)] / (np.ptp(images) or 1), cmap="gray")
        ax.set(title=title, xticks=[], yticks=[])
plot.show(fig, name="checkerboard")

# %%
# Try this
# --------
# With kernel size 4 and ``padding=1``, is there a checkerboard? Then read `Upsampling <../../docs/upsampling.md>`__.
#
# Exercises: `layers <../../docs/exercises.md#layers>`__.
