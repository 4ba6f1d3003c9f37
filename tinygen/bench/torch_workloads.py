"""The five workloads on PyTorch: the same networks, weights and batches, in any of its modes.

Modes: "nchw", its default layout; "channels_last"; "compiled", by torch.compile. Adam is the fused one throughout.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tinygen.bench.workloads import Arrays, Step, part

# -- networks: attributes are named as in tinygen, so that weights fit by name ----------------------------------------


class Rows(nn.Module):
    """Images to rows, without a copy in either layout: in the order (C, H, W) of NCHW, else in (H, W, C)."""

    def __init__(self, last: bool):
        super().__init__()
        self.last = last

    def forward(self, x):
        return (x.permute(0, 2, 3, 1) if self.last else x).flatten(1)


class Images(nn.Module):
    """Rows to images: the inverse of `Rows`."""

    def __init__(self, last: bool, height: int, width: int, channels: int):
        super().__init__()
        self.last, self.first_shape, self.last_shape = last, (channels, height, width), (height, width, channels)

    def forward(self, x):
        return x.unflatten(1, self.last_shape).permute(0, 3, 1, 2) if self.last else x.unflatten(1, self.first_shape)


class BentConv2d(nn.Conv2d):
    """A convolution and the ReLU after it under one name, as in tinygen's twin."""

    def forward(self, x):
        return F.relu(super().forward(x))


class BentConvTranspose2d(nn.ConvTranspose2d):
    def forward(self, x):
        return F.relu(super().forward(x))


class ConvAutoencoder(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.encoder = nn.Sequential(
            BentConv2d(1, 32, 3, stride=2, padding=1),
            BentConv2d(32, 64, 3, stride=2, padding=1),
            Rows(last),
            nn.Linear(3136, 16),
            nn.ReLU(),
            nn.Linear(16, 10),
        )
        self.decoder = nn.Sequential(
            nn.Linear(10, 3136),
            nn.ReLU(),
            Images(last, 7, 7, 64),
            BentConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1),
            BentConvTranspose2d(64, 32, 3, stride=2, padding=1, output_padding=1),
            nn.ConvTranspose2d(32, 1, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class DenseVAE(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.encode = nn.Linear(784, 400)
        self.mu, self.log_var = nn.Linear(400, 20), nn.Linear(400, 20)
        self.decode, self.logits = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x, eps):
        h = F.relu(self.encode(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.exp(0.5 * log_var) * eps
        return self.logits(F.relu(self.decode(z))), mu, log_var


class BentBatchNorm(nn.BatchNorm2d):
    """BatchNorm and the activation after it under one name, as in tinygen's twin."""

    def __init__(self, channels: int, activation: nn.Module):
        super().__init__(channels)
        self.activation = activation

    def forward(self, x):
        return self.activation(super().forward(x))


class DCGAN(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(64, 6272),
            Images(last, 7, 7, 128),
            BentBatchNorm(128, nn.ReLU()),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            BentBatchNorm(64, nn.ReLU()),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, stride=2, padding=1),
            BentBatchNorm(128, nn.LeakyReLU(0.2)),
            Rows(last),
            nn.Linear(6272, 1),
        )


def sinusoidal_embedding(t, features: int):
    half = features // 2
    angles = t[:, None] * torch.exp(-math.log(10_000) / half * torch.arange(half))
    return torch.cat([torch.sin(angles), torch.cos(angles)], 1)


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, time: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, inputs), nn.GroupNorm(8, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class UNet(nn.Module):
    def __init__(self, last: bool, c: int = 32):
        super().__init__()
        self.channels, hidden = c, 4 * c
        self.time = nn.Sequential(nn.Linear(c, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.conv_in = nn.Conv2d(1, c, 3, padding=1)
        self.down1 = ResidualBlock(c, c, hidden)
        self.halve1 = nn.Conv2d(c, c, 3, stride=2, padding=1)
        self.down2 = ResidualBlock(c, 2 * c, hidden)
        self.halve2 = nn.Conv2d(2 * c, 2 * c, 3, stride=2, padding=1)
        self.middle = ResidualBlock(2 * c, 2 * c, hidden)
        self.double2 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2 * c, 2 * c, 3, padding=1))
        self.up2 = ResidualBlock(4 * c, c, hidden)
        self.double1 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1))
        self.up1 = ResidualBlock(2 * c, c, hidden)
        self.norm_out = nn.GroupNorm(8, c)
        self.conv_out = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, x, t):
        time = self.time(sinusoidal_embedding(t, self.channels))
        wide = self.down1(self.conv_in(x), time)
        half = self.down2(self.halve1(wide), time)
        h = self.middle(self.halve2(half), time)
        h = self.up2(torch.cat([self.double2(h), half], 1), time)
        h = self.up1(torch.cat([self.double1(h), wide], 1), time)
        return self.conv_out(F.silu(self.norm_out(h)))


class PointDenoiser(nn.Module):
    def __init__(self, last: bool):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n, 128) for n in (34, 128, 128)])
        self.last = nn.Linear(128, 2)

    def forward(self, x, t):
        h = torch.cat([x, sinusoidal_embedding(t, 32)], 1)
        for layer in self.layers:
            h = F.gelu(layer(h))
        return self.last(h)


# -- training steps ----------------------------------------------------------------------------------------------------


def minimise(loss: Callable, params, lr: float) -> Callable[..., float]:
    opt = torch.optim.Adam(params, lr, fused=True)

    def step(*inputs) -> float:
        opt.zero_grad(set_to_none=True)
        value = loss(*inputs)
        value.backward()
        opt.step()
        return value.item()

    return step


def autoencoder_step(net, maybe_compile) -> Callable[..., float]:
    def loss(x):
        return F.mse_loss(net(x), x, reduction="sum") / len(x)

    return minimise(maybe_compile(loss), net.parameters(), 1e-3)


def train_autoencoder(net, batch, maybe_compile) -> Step:
    return partial(autoencoder_step(net, maybe_compile), batch["x"])


def train_vae(net, batch, maybe_compile) -> Step:
    def loss(x, eps):
        logits, mu, log_var = net(x, eps)
        reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (reconstruction + 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum()) / len(x)

    return partial(minimise(maybe_compile(loss), net.parameters(), 1e-3), batch["x"], batch["eps"])


def train_gan(net, batch, maybe_compile) -> Step:
    def loss_of_discriminator(real, fake):
        return F.softplus(-net.discriminator(real)).mean() + F.softplus(net.discriminator(fake)).mean()

    def loss_of_generator(fake):
        return F.softplus(-net.discriminator(fake)).mean()

    generate, d_loss, g_loss = map(maybe_compile, (net.generator, loss_of_discriminator, loss_of_generator))
    adam = dict(lr=2e-4, betas=(0.5, 0.999), fused=True)
    g_opt = torch.optim.Adam(net.generator.parameters(), **adam)
    d_opt = torch.optim.Adam(net.discriminator.parameters(), **adam)

    def step() -> float:
        fake = generate(batch["z"])
        d_opt.zero_grad(set_to_none=True)
        d = d_loss(batch["real"], fake.detach())
        d.backward()
        d_opt.step()
        net.discriminator.requires_grad_(False)
        g_opt.zero_grad(set_to_none=True)
        g = g_loss(fake)
        g.backward()
        g_opt.step()
        net.discriminator.requires_grad_(True)
        return d.item() + g.item()

    return step


def diffusion(lr: float) -> Callable:
    def train(net, batch, maybe_compile) -> Step:
        def loss(x, t, eps, signal, noise):
            return F.mse_loss(net(signal * x + noise * eps, t), eps, reduction="sum") / len(x)

        inputs = [batch[name] for name in ("x", "t", "eps", "signal", "noise")]
        return partial(minimise(maybe_compile(loss), net.parameters(), lr), *inputs)

    return train


TWINS = {
    "conv_ae": (ConvAutoencoder, train_autoencoder),
    "vae_mlp": (DenseVAE, train_vae),
    "dcgan": (DCGAN, train_gan),
    "unet_ddpm": (UNet, diffusion(2e-4)),
    "mlp_ddpm_2d": (PointDenoiser, diffusion(1e-3)),
}


def build(name: str, arrays: Arrays, mode: str) -> Step:
    """The training step of a workload on PyTorch, beginning at the weights in `arrays`."""
    batch = {key: images_first(torch.from_numpy(a), layout(mode)) for key, a in part(arrays, "batch").items()}
    _, trainer = TWINS[name]
    return trainer(new_network(name, arrays, mode), batch, compiler(mode))


def build_autoencoder(arrays: Arrays, mode: str) -> Callable[[np.ndarray], float]:
    """The step of conv_ae for a batch (N, H, W, C) that is given to it: for a whole epoch."""
    step = autoencoder_step(new_network("conv_ae", arrays, mode), compiler(mode))
    return lambda x: step(images_first(torch.from_numpy(x), layout(mode)))


def wake() -> None:
    """Train a convolution of two weights: a library imports some of its parts only when they are first used."""
    net = nn.Conv2d(1, 1, 1)
    minimise(lambda x: net(x).sum(), net.parameters(), 1e-3)(torch.zeros(1, 1, 1, 1))


def new_network(name: str, arrays: Arrays, mode: str) -> nn.Module:
    network, _ = TWINS[name]
    net = network(last=mode == "channels_last")
    weights = part(arrays, "weight")
    if mode != "channels_last":
        weights |= {key: channels_first(weights[key], axis) for key, axis in FLAT_AXES.get(name, {}).items()}
    unfit = net.load_state_dict({key: torch.from_numpy(a) for key, a in weights.items()}, strict=False)
    if unfit.unexpected_keys or not all(key.endswith("num_batches_tracked") for key in unfit.missing_keys):
        raise ValueError(f"{name}: the weights don't fit the PyTorch twin: {unfit}")
    return net.to(memory_format=layout(mode))


def layout(mode: str) -> torch.memory_format:
    return torch.channels_last if mode == "channels_last" else torch.contiguous_format


def compiler(mode: str) -> Callable:
    return torch.compile if mode == "compiled" else lambda f: f


def images_first(x: torch.Tensor, memory_format: torch.memory_format) -> torch.Tensor:
    """(N, H, W, C) to (N, C, H, W) in the layout; anything else as it is."""
    return x.permute(0, 3, 1, 2).contiguous(memory_format=memory_format) if x.ndim == 4 else x


# Weights beside a flattened 7x7 map, and the axis that runs over it: in the order (H, W, C) in tinygen.
FLAT_AXES = {
    "conv_ae": {"encoder.3.weight": 1, "decoder.0.weight": 0, "decoder.0.bias": 0},
    "dcgan": {"generator.0.weight": 0, "generator.0.bias": 0, "discriminator.5.weight": 1},
}


def channels_first(array: np.ndarray, axis: int) -> np.ndarray:
    """An axis of length 7·7·C that runs over (H, W, C), put in the order (C, H, W)."""
    maps = np.moveaxis(array, axis, -1)
    maps = maps.reshape(*maps.shape[:-1], 7, 7, -1)
    maps = np.moveaxis(maps, -1, -3).reshape(*maps.shape[:-3], -1)
    return np.ascontiguousarray(np.moveaxis(maps, -1, axis))
