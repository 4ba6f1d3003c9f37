"""The networks of the lessons and of `examples/mnist`, with one training step each.

A step is written once for both libraries: `w` has the words of one of them (`words.py`, `torch_words.py`). It yields
each part that it trains with its loss, and continues after that part has moved.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygen import nn
from tinygen.models import GAN, VAE, Autoencoder, Diffusion

Arrays = dict[str, np.ndarray]


class Lesson(NamedTuple):
    """A network, its training step, and the shapes of the batch by name, channels last."""

    network: Callable[..., nn.Module]  # takes rng
    step: Callable[..., Iterator[tuple[Any, Any]]]
    inputs: dict[str, tuple[int, ...]]


Steps = Iterator[tuple[Any, Any]]  # the part that trains, and its loss

# -- training steps ----------------------------------------------------------------------------------------------------


def reconstruct(w: Any, net: Any, x: Any) -> Steps:
    yield net, w.mse(net.decoder(net.encoder(x)), x)


def classify(w: Any, net: Any, x: Any, target: Any) -> Steps:
    yield net, w.bce_with_logits(net(x), target)


def copy(w: Any, net: Any, x: Any) -> Steps:
    yield net, w.mse(net(x), x)


def bound(w: Any, net: Any, x: Any, eps: Any) -> Steps:
    """The negative ELBO of a VAE."""
    stats, k = net.encoder(x), eps.shape[1]
    mu, log_var = stats[:, :k], stats[:, k:]
    z = mu + w.exp(0.5 * log_var) * eps
    yield net, w.bce_with_logits(net.decoder(z), x) + w.gaussian_kl(mu, log_var)


def adversarial(w: Any, net: Any, x: Any, z: Any, *, penalty: float = 0.0) -> Steps:
    """The discriminator, then the generator on the same fakes; with `penalty`, R₁ on real examples."""
    generator, discriminator = net.generator, net.discriminator
    fake = generator(z)
    loss = w.softplus(-discriminator(x)).mean() + w.softplus(discriminator(fake.detach())).mean()
    yield discriminator, loss + penalty * w.r1_penalty(discriminator, x) if penalty else loss
    yield generator, w.softplus(-discriminator(fake)).mean()


def predict(w: Any, net: Any, x: Any, eps: Any, t: Any) -> Steps:
    """The loss of a diffusion model, at fixed amounts of noise."""
    yield net, w.mse(net.network(0.8 * x + 0.6 * eps, t), eps)


def remember(w: Any, net: Any, x: Any) -> Steps:
    """The lesson on recurrent networks: a GRU reads a series in pieces, another one writes it."""
    n, steps = x.shape[0], x.shape[1]
    code = net.to_code(w.last_state(net.reader, x))  # (1, N, code)
    inputs = w.broadcast_to(code.reshape((n, 1, code.shape[-1])), (n, steps, code.shape[-1]))
    yield net, w.mse(net.to_series(net.writer(inputs, w.tanh(net.to_state(code)))[0]), x)


# -- networks that are not models of the library -----------------------------------------------------------------------


def moons(*, rng: np.random.Generator) -> nn.Module:
    dense = partial(nn.Dense, rng=rng)
    return nn.Sequential(dense(2, 16, activation="tanh"), dense(16, 16, activation="tanh"), dense(16, 1))


def upsampler(*, rng: np.random.Generator) -> nn.Module:
    dense, conv = partial(nn.Dense, rng=rng), partial(nn.Conv2d, padding=1, rng=rng)
    code = [nn.Flatten(), dense(768, 8), dense(8, 512, activation="relu"), nn.Reshape((4, 4, 32))]
    return nn.Sequential(*code, nn.Upsample(2), conv(32, 16, 3, activation="relu"), nn.Upsample(2), conv(16, 3, 3))


class SequenceAutoencoder(nn.Module):
    """The parts of `remember`, with the sizes of the lesson."""

    def __init__(self, *, rng: np.random.Generator, piece: int = 8, hidden: int = 48, code: int = 3):
        self.reader, self.to_code = nn.GRU(piece, hidden, rng=rng), nn.Dense(hidden, code, rng=rng)
        self.writer, self.to_state = nn.GRU(code, hidden, rng=rng), nn.Dense(code, hidden, rng=rng)
        self.to_series = nn.Dense(hidden, piece, rng=rng)


# -- the table ---------------------------------------------------------------------------------------------------------


PIXELS, DIGITS = (8, 8, 1), (28, 28, 1)
LESSONS = {
    "two moons": Lesson(moons, classify, {"x": (500, 2), "target": (500, 1)}),
    "linear autoencoder": Lesson(partial(Autoencoder.linear, (64,), 8), reconstruct, {"x": (1797, 64)}),
    "dense autoencoder": Lesson(partial(Autoencoder.dense, PIXELS, [128], 16), reconstruct, {"x": (100, *PIXELS)}),
    "strides": Lesson(partial(Autoencoder.conv, PIXELS), reconstruct, {"x": (64, *PIXELS)}),
    "pooling": Lesson(partial(Autoencoder.conv, PIXELS, resize="pool"), reconstruct, {"x": (64, *PIXELS)}),
    "upsampling": Lesson(upsampler, copy, {"x": (64, 16, 16, 3)}),
    "recurrent": Lesson(SequenceAutoencoder, remember, {"x": (64, 6, 8)}),
    "VAE": Lesson(partial(VAE.dense, PIXELS, [128, 64], 2), bound, {"x": (100, *PIXELS), "eps": (100, 2)}),
    "GAN": Lesson(partial(GAN.dense, (2,), [64, 64, 64], 2), adversarial, {"x": (256, 2), "z": (256, 2)}),
    "diffusion in the plane": Lesson(
        partial(Diffusion.points, (2,)), predict, {"x": (256, 2), "eps": (256, 2), "t": (256,)}
    ),
    "diffusion of 8x8 digits": Lesson(
        partial(Diffusion.unet, PIXELS, 16), predict, {"x": (64, *PIXELS), "eps": (64, *PIXELS), "t": (64,)}
    ),
    "MNIST, convolutions": Lesson(partial(Autoencoder.conv, DIGITS), reconstruct, {"x": (32, *DIGITS)}),
    "MNIST, only convolutions": Lesson(
        partial(Autoencoder.conv, DIGITS, latent=None), reconstruct, {"x": (128, *DIGITS)}
    ),
    "MNIST, deep": Lesson(
        partial(Autoencoder.dense, DIGITS, (1000, 500, 250), 30, activation="silu"), reconstruct, {"x": (100, *DIGITS)}
    ),
    "MNIST, VAE": Lesson(partial(VAE.dense, DIGITS, (200, 200), 50), bound, {"x": (100, *DIGITS), "eps": (100, 50)}),
    "MNIST, GAN with R1": Lesson(
        partial(GAN.conv, DIGITS, (32, 64)), partial(adversarial, penalty=0.06), {"x": (64, *DIGITS), "z": (64, 64)}
    ),
    "MNIST, diffusion": Lesson(
        partial(Diffusion.unet, DIGITS, 16, multiples=(4, 8), middle=2, overview=True),
        predict,
        {"x": (32, *DIGITS), "eps": (32, *DIGITS), "t": (32,)},
    ),
}


def batch(lesson: Lesson) -> Arrays:
    """The batch, the same in every process: pixels and targets from 0 to 1, times below 1,000, normal noise."""
    rng, makers = np.random.default_rng(5), {}
    makers["t"] = lambda shape: rng.integers(1000, size=shape)
    makers["eps"] = makers["z"] = lambda shape: rng.standard_normal(shape, dtype=np.float32)
    makers["x"] = makers["target"] = lambda shape: rng.random(shape, dtype=np.float32)
    return {name: makers[name](shape) for name, shape in lesson.inputs.items()}
