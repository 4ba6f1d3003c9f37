"""The workloads of the benchmark in PyTorch: the same networks, weights and batches, in each of its modes.

Modes: "nchw", the default layout; "channels_last"; "eager" for networks without images; "compiled", by torch.compile.
Adam is the fused implementation.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tinygen.bench.torch_networks import DCGAN, ConvAutoencoder, DenseVAE, PointDenoiser, UNet
from tinygen.bench.workloads import Arrays, Step, part

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
    g_opt = torch.optim.Adam(net.generator.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
    d_opt = torch.optim.Adam(net.discriminator.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)

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


COUNTERPARTS = {
    "conv_ae": (ConvAutoencoder, train_autoencoder),
    "vae_mlp": (DenseVAE, train_vae),
    "dcgan": (DCGAN, train_gan),
    "unet_ddpm": (UNet, diffusion(2e-4)),
    "mlp_ddpm_2d": (PointDenoiser, diffusion(1e-3)),
}


def build(name: str, arrays: Arrays, mode: str) -> Step:
    """The training step of a workload in PyTorch, starting from the weights in `arrays`."""
    batch = {key: images_first(torch.from_numpy(a), layout(mode)) for key, a in part(arrays, "batch").items()}
    _, trainer = COUNTERPARTS[name]
    return trainer(new_network(name, arrays, mode), batch, compiler(mode))


def build_autoencoder(arrays: Arrays, mode: str) -> Callable[[np.ndarray], float]:
    """The training step of conv_ae as a function of the batch (N, H, W, C), for a whole epoch."""
    step = autoencoder_step(new_network("conv_ae", arrays, mode), compiler(mode))
    return lambda x: step(images_first(torch.from_numpy(x), layout(mode)))


def warm_up() -> None:
    """Train a convolution with two parameters: some modules of a library are imported only at their first use."""
    net = nn.Conv2d(1, 1, 1)
    minimise(lambda x: net(x).sum(), net.parameters(), 1e-3)(torch.zeros(1, 1, 1, 1))


def new_network(name: str, arrays: Arrays, mode: str) -> nn.Module:
    network, _ = COUNTERPARTS[name]
    net = network(last=mode == "channels_last")
    weights = part(arrays, "weight")
    if mode != "channels_last":
        weights |= {key: channels_first(weights[key], axis) for key, axis in FLAT_AXES.get(name, {}).items()}
    result = net.load_state_dict({key: torch.from_numpy(a) for key, a in weights.items()}, strict=False)
    if result.unexpected_keys or not all(key.endswith("num_batches_tracked") for key in result.missing_keys):
        raise ValueError(f"{name}: the weights don't fit the network in PyTorch: {result}")
    return net.to(memory_format=layout(mode))


def layout(mode: str) -> torch.memory_format:
    return torch.channels_last if mode == "channels_last" else torch.contiguous_format


def compiler(mode: str) -> Callable:
    return torch.compile if mode == "compiled" else lambda f: f


def images_first(x: torch.Tensor, memory_format: torch.memory_format) -> torch.Tensor:
    """Images (N, H, W, C) as (N, C, H, W) in this layout; other arrays as they are."""
    return x.permute(0, 3, 1, 2).contiguous(memory_format=memory_format) if x.ndim == 4 else x


# Weights of layers before or after a flattened 7x7 feature map, and their axis for it: tinygen has the order (H, W, C).
FLAT_AXES = {
    "conv_ae": {"encoder.3.weight": 1, "decoder.0.weight": 0, "decoder.0.bias": 0},
    "dcgan": {"generator.0.weight": 0, "generator.0.bias": 0, "discriminator.5.weight": 1},
}


def channels_first(array: np.ndarray, axis: int) -> np.ndarray:
    """Reorder an axis of length 7·7·C from (H, W, C) to (C, H, W)."""
    maps = np.moveaxis(array, axis, -1)
    maps = maps.reshape(*maps.shape[:-1], 7, 7, -1)
    maps = np.moveaxis(maps, -1, -3).reshape(*maps.shape[:-3], -1)
    return np.ascontiguousarray(np.moveaxis(maps, -1, axis))
