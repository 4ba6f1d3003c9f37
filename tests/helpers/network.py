"""A network that uses nearly every op, and a graph with every kind of derivative rule."""

import numpy as np

import tinygen as tg
from tinygen.ops.support.taps import Taps

IMAGES, KERNEL = (2, 6, 6, 3), (3, 3, 3, 4)
MASK, ROWS = np.array([True, False, True, True]), np.array([0, 2, 2])


def network(x, w, mask, rows, matrices):
    """One number from images x (2, 6, 6, 3) and kernels w (3, 3, 3, 4); its graph has saved arrays of every kind."""
    h = tg.conv2d(x, w, stride=(1, 2), padding=1, dilation=(2, 1))  # (2, 4, 3, 4)
    h = tg.silu(h) + tg.gelu(h) * tg.sigmoid(h) - tg.softplus(h) / (2.0 + tg.tanh(h) ** 2.0)
    h = tg.relu(h) + tg.leaky_relu(h) + abs(h) + tg.clip(h, low=-1, high=1) + tg.erf(h) + tg.sin(h) * tg.cos(h)
    h = tg.where(mask, h, tg.maximum(h, 0.1)) + tg.select(tg.minimum(h, 0.2), h, mask=mask)
    h = tg.avg_pool2d(tg.pad(h, widths=((0, 0), (1, 1), (0, 1), (0, 0))), kernel_size=2)  # (2, 3, 2, 4)
    h = tg.upsample(h, 2) + tg.upsample(h, 2, mode="bilinear")  # (2, 6, 4, 4)
    h = tg.resample(h, maps=tuple(map(Taps.of, matrices)))  # (2, 5, 3, 4)
    mean = tg.crop(x, widths=((0, 0), (0, 0), (0, 1), (0, 0))).mean()
    h = tg.conv_transpose2d(h, w, size=(7, 5)) + tg.broadcast_to(mean, shape=(2, 7, 5, 3))
    h = tg.max_pool2d(h, kernel_size=3, stride=2)[:, rows]  # (2, 3, 2, 3)
    h = tg.scatter(h, index=(slice(None), rows), shape=(2, 4, 2, 3))
    v = tg.flatten(h) @ tg.reshape(w, shape=(-1, 4))[:24].sum(axis=1, keepdims=True)  # (2, 1)
    v = tg.stack(v, tg.exp(-v * v), axis=1) + tg.concat(v, v).reshape(2, 2, 1).transpose(1, 0, 2)
    return tg.logsumexp(v) + v.max() + v.var() + tg.sqrt((v * v).sum()) + tg.log((v * v).sum() + 1.0)


def inputs(seed):
    """Random arguments of `network`."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=IMAGES), rng.normal(size=KERNEL)
    return x, w, MASK.copy(), ROWS.copy(), [rng.normal(size=(5, 6)), rng.normal(size=(3, 4))]
