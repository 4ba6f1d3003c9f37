"""Generative adversarial networks: a generator maps noise to examples, a discriminator classifies real and fake ones.

    min over G  max over D   L(G, D) = E_x[log D(x)] + E_z[log(1 - D(G(z)))],    z ~ N(0, I)    (Goodfellow et al. 2014)

A discriminator returns logits s, so D = σ(s): log D = -softplus(-s) and log(1 - D) = -softplus(s) stay accurate where D
is near 0 or 1. The training loop, in full:

    fake = gan.generator(gan.noise(n, rng))
    d_loss = non_saturating.d_loss(gan.discriminator(real), gan.discriminator(fake.detach()))
    d_opt.step(grad(d_loss, d_params))
    g_loss = non_saturating.g_loss(gan.discriminator(fake))
    g_opt.step(grad(g_loss, g_params))  # gradients of G's parameters only: D is constant in this step
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.functional import norm
from tinygen.grad import grad
from tinygen.models.shapes import check_image_shape, check_shape
from tinygen.nn.inference import in_batches
from tinygen.ops import relu, softplus
from tinygen.tensor import Tensor, array_of

# -- objectives: what each network minimises ---------------------------------------------------------------------------


class Objective(NamedTuple):
    """`d_loss(real, fake)` and `g_loss(fake)`, each the mean of a function of logits: (N, 1) or any other shape."""

    d_loss: Callable[[Tensor, Tensor], Tensor]
    g_loss: Callable[[Tensor], Tensor]


def classification(real: Tensor, fake: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(G(z))), in nats: classification with the label 1 for real and 0 for fake."""
    return softplus(-real).mean() + softplus(fake).mean()


minimax = Objective(classification, lambda fake: -softplus(fake).mean())
"""Zero-sum: G minimises E log(1 - D(G(z))), whose slope in the logit is -D, almost 0 where D detects the fake."""


def deception(fake: Tensor) -> Tensor:
    """-E log D(G(z)), in nats: fakes with the label 1. Its slope in the logit is D - 1, largest for a detected fake."""
    return softplus(-fake).mean()


non_saturating = Objective(classification, deception)
"""G minimises -E log D(G(z)), which has large gradients where D detects the fake."""

least_squares = Objective(
    lambda real, fake: 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean(),
    lambda fake: 0.5 * ((fake - 1) ** 2).mean(),
)
"""The logits themselves are fitted to 1 and 0 (Mao et al. 2017, equation 9)."""

hinge = Objective(lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(), lambda fake: -fake.mean())
"""Logits beyond ±1 on the right side have no loss (Lim & Ye 2017)."""

wasserstein = Objective(lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean())
"""A critic f instead of a classifier: -d_loss is W₁ for the best f of slope <= 1 (Arjovsky et al. 2017, eq. 2).

`gradient_penalty` keeps the slope near 1.
"""


# -- penalties on the slope of the discriminator, with gradients of gradients ------------------------------------------


def slopes(discriminator: Callable[[Tensor], Tensor], x: Tensor | np.ndarray) -> Tensor:
    """‖∇ₓ s(x)‖ (N,) at each of the examples x (N, ...), differentiable with respect to the weights of s.

    One backward pass serves the batch if each logit depends on one example only, so without BatchNorm.
    """
    x = Tensor(array_of(x), requires_grad=True)
    g = grad(discriminator(x).sum(), x, create_graph=True)
    return norm(g.reshape(len(g), -1), axis=1)


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor | np.ndarray,
    fake: Tensor | np.ndarray,
    rng: np.random.Generator,
    *,
    slope: float = 1.0,
) -> Tensor:
    """E (‖∇ₓ s(x)‖ - slope)² at random points between real and fake examples (N, ...) (Gulrajani et al. 2017, eq. 3).

    WGAN-GP adds it to the loss of the critic with weight 10. With `slope` 0 it also stabilises the other objectives
    (Thanh-Tung et al. 2019). Raises ValueError if the shapes differ.
    """
    real, fake = array_of(real), array_of(fake)
    if real.shape != fake.shape:
        raise ValueError(f"gradient_penalty: expected as many fake examples as real, got {real.shape}, {fake.shape}")
    t = rng.random((len(real), *[1] * (real.ndim - 1))).astype(real.dtype)
    return ((slopes(discriminator, t * real + (1 - t) * fake) - slope) ** 2).mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor | np.ndarray) -> Tensor:
    """R₁ = E ‖∇ₓ s(x)‖² at real examples (N, ...); add it with weight γ/2 (Mescheder et al. 2018, equation 9).

    With it training converges near the optimum; without it, training may circle around the optimum.
    """
    return (slopes(discriminator, real) ** 2).mean()


# -- the model ---------------------------------------------------------------------------------------------------------


class GAN(nn.Module):
    """A generator from noise (N, K) to examples (N, ...), and a discriminator from examples to logits (N, 1).

    K is called `latent`. Each network has its own optimizer. `GAN.dense` builds both networks.

    Args:
        generator: module from noise to examples.
        discriminator: module from examples to logits.
        latent: size K of the noise.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.GAN.dense((2,), [16], latent=2, rng=rng)
    >>> model.sample(5, rng).shape
    (5, 2)
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, *, latent: int):
        (latent,) = arguments.sizes(type(self).__name__, latent=latent)
        self.generator, self.discriminator, self.latent = generator, discriminator, latent

    # -- networks ------------------------------------------------------------------------------------------------------

    @classmethod
    def dense(
        cls,
        shape: Sequence[int],
        widths: Sequence[int],
        latent: int,
        *,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """Dense layers of the given widths in both networks, for points (D,) or examples of any shape.

        The generator has ReLU and no activation on its output, the discriminator LeakyReLU with slope 0.2.
        """
        shape, widths = check_shape("GAN.dense", shape), arguments.several("GAN.dense", "widths", widths)
        size, same = math.prod(shape), dict[str, Any](rng=rng, dtype=dtype)
        leaky = dict(**same, activation="leaky_relu", negative_slope=0.2)
        generator = [nn.Dense(n, m, activation="relu", **same) for n, m in pairwise([latent, *widths])]
        discriminator = [nn.Flatten(), *(nn.Dense(n, m, **leaky) for n, m in pairwise([size, *widths]))]
        generator += [nn.Dense([latent, *widths][-1], size, **same), nn.Reshape(shape)]
        discriminator += [nn.Dense([size, *widths][-1], 1, **same)]
        return cls(nn.Sequential(*generator), nn.Sequential(*discriminator), latent=latent)

    @classmethod
    def conv(
        cls,
        shape: Sequence[int],
        channels: tuple[int, int] = (64, 128),
        latent: int = 64,
        *,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """DCGAN: 4x4 convolutions with stride 2 for images (H, W, C) in [0, 1] (after Radford et al. 2016).

        The generator doubles H/4 x W/4 maps twice, with BatchNorm and ReLU. The discriminator halves twice, with
        LeakyReLU, and ends in a dense layer over the whole image, because strokes that are right one by one need not
        form a digit. It has no BatchNorm, so that each logit depends on one image only. `channels` are those of the
        feature maps at half and at quarter size. For (28, 28, 1) the networks have 540,225 and 1,738,433 parameters.
        Raises ValueError unless 4 divides H and W.
        """
        height, width, colours = check_image_shape("GAN.conv", shape, divisor=4)
        half, quarter = arguments.several("GAN.conv", "channels", channels, count=2)
        (latent,) = arguments.sizes("GAN.conv", latent=latent)
        maps = (height // 4, width // 4, quarter)
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        first = dict(**same, init=nn.init.normal(0.02))  # as in the paper; BatchNorm corrects the scale
        leaky = dict(**same, activation="leaky_relu", negative_slope=0.2)
        resize: dict[str, Any] = dict(stride=2, padding=1)
        generator = nn.Sequential(
            nn.Dense(latent, math.prod(maps), **first),
            nn.Reshape(maps),
            nn.BatchNorm(quarter, activation="relu", dtype=dtype),
            nn.ConvTranspose2d(quarter, half, 4, **resize, **first),  # (N, H/2, W/2, 64)
            nn.BatchNorm(half, activation="relu", dtype=dtype),
            nn.ConvTranspose2d(half, colours, 4, **resize, **first),  # (N, H, W, C)
            nn.Sigmoid(),
        )
        discriminator = nn.Sequential(
            nn.Conv2d(colours, half, 4, **resize, **leaky),  # (N, H/2, W/2, 64)
            nn.Conv2d(half, quarter, 4, **resize, **leaky),  # (N, H/4, W/4, 128)
            nn.Flatten(),
            nn.Dense(math.prod(maps), 2 * quarter, **leaky),
            nn.Dense(2 * quarter, 1, **same),
        )
        return cls(generator, discriminator, latent=latent)

    # -- sampling ------------------------------------------------------------------------------------------------------

    def forward(self, z: Tensor | np.ndarray) -> Tensor:
        """G(z), the examples (N, ...) for noise z (N, K)."""
        return self.generator(z)

    @explained
    def noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n random inputs of the generator, (n, K), from N(0, I)."""
        n = arguments.whole("noise", "n", n, least=0)
        return rng.standard_normal((n, self.latent), dtype=self.parameters()[0].dtype)

    @explained
    def sample(self, n: int, rng: np.random.Generator, *, batch_size: int = 500) -> np.ndarray:
        """n new examples (n, ...), in eval mode: BatchNorm uses its running statistics and doesn't update them."""
        return in_batches(self.generator, self.noise(n, rng), batch_size)

    @explained
    def rejection_sample(
        self, n: int, rng: np.random.Generator, *, quantile: float = 0.99, batch_size: int = 500
    ) -> np.ndarray:
        """n new examples by rejection: each is accepted with probability exp(s - m) (after Azadi et al. 2019).

        For the optimal discriminator exp(s) = p / q, the ratio of the densities of data and generator, so accepted
        examples are closer to p. In theory m is the largest logit; here it is a quantile of 5,000 logits, because one
        extreme example would otherwise cause most others to be rejected. Raises ValueError if the logits are not
        finite.
        """

        def logits(x: np.ndarray) -> np.ndarray:
            return in_batches(self.discriminator, x, batch_size)[:, 0]  # (N,)

        n = arguments.whole("rejection_sample", "n", n, least=0)
        m = np.quantile(logits(self.sample(5000, rng, batch_size=batch_size)), quantile)
        if not np.isfinite(m):
            raise ValueError(f"rejection_sample: expected finite logits of the discriminator, got {m}")
        kept = [self.sample(0, rng)]
        while sum(map(len, kept)) < n:
            x = self.sample(batch_size, rng, batch_size=batch_size)
            kept.append(x[rng.random(len(x)) < np.exp(np.minimum(logits(x) - m, 0))])
        return np.concatenate(kept)[:n]
