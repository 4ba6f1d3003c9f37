"""The five workloads of the benchmark in tinygen: a network, a batch, and one training step.

A batch and its noise are sampled once and used in every step, so only the training is measured. `torch_workloads.py`
has the same workloads in PyTorch.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from tinygen import grad, nn, optim
from tinygen.bench.networks import DCGAN, DenseVAE
from tinygen.functional import bce_with_logits, gaussian_kl, mse
from tinygen.models import Autoencoder, PointDenoiser, UNet
from tinygen.ops import softplus
from tinygen.tensor import Tensor

Arrays = dict[str, np.ndarray]
Step = Callable[[], float]  # trains once and returns the loss

Name = Literal["conv_ae", "vae_mlp", "dcgan", "unet_ddpm", "mlp_ddpm_2d"]

T = 1000  # noise levels of the two diffusion models


class Workload(NamedTuple):
    """A network, its batch, and how it is trained: `trainer(network, batch)` returns the step."""

    network: Callable[..., nn.Module]  # takes rng
    batch: Callable[[np.random.Generator, int], Arrays]  # by name, images (N, H, W, C)
    trainer: Callable[[Any, Arrays], Step]
    batch_size: int
    images: bool = True  # images have two layouts in PyTorch


# -- batches -----------------------------------------------------------------------------------------------------------


def images(rng: np.random.Generator, n: int) -> Arrays:
    return {"x": rng.random((n, 28, 28, 1), dtype=np.float32)}


def rows_and_codes(rng: np.random.Generator, n: int) -> Arrays:
    return {"x": rng.random((n, 784), dtype=np.float32), "eps": normal(rng, n, 20)}


def reals_and_noise(rng: np.random.Generator, n: int) -> Arrays:
    return {"real": rng.uniform(-1, 1, (n, 28, 28, 1)).astype(np.float32), "z": normal(rng, n, 64)}


def noisy(*shape: int) -> Callable[[np.random.Generator, int], Arrays]:
    """Batches for a diffusion model: data x, times t, noise eps, and the coefficients of both at these times."""

    def batch(rng: np.random.Generator, n: int) -> Arrays:
        alpha_bar = np.cumprod(1 - np.linspace(1e-4, 0.02, T))  # the linear schedule of Ho et al. 2020
        t = rng.integers(0, T, n)
        ones = [1] * len(shape)
        return {
            "x": normal(rng, n, *shape),
            "t": t,
            "eps": normal(rng, n, *shape),
            "signal": np.sqrt(alpha_bar[t]).astype(np.float32).reshape(n, *ones),
            "noise": np.sqrt(1 - alpha_bar[t]).astype(np.float32).reshape(n, *ones),
        }

    return batch


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


# -- training steps ----------------------------------------------------------------------------------------------------


def minimise(loss: Callable[..., Tensor], params: list, lr: float) -> Callable[..., float]:
    """The training step of every network but a GAN: loss, gradient, Adam; it returns the loss."""
    opt = optim.Adam(params, lr)

    def step(*inputs) -> float:
        value = loss(*inputs)
        opt.step(grad(value, params))
        return value.item()

    return step


def train_autoencoder(net: Autoencoder, batch: Arrays) -> Step:
    x = Tensor(batch["x"])
    return partial(minimise(net.loss, net.parameters(), 1e-3), x)


def train_vae(net: DenseVAE, batch: Arrays) -> Step:
    x, eps = Tensor(batch["x"]), Tensor(batch["eps"])

    def loss() -> Tensor:
        logits, mu, log_var = net(x, eps)
        return bce_with_logits(logits, x) + gaussian_kl(mu, log_var)

    return minimise(loss, net.parameters(), 1e-3)


def train_gan(net: DCGAN, batch: Arrays) -> Step:
    """One step of the discriminator, then one of the generator on the same fakes; returns the sum of both losses."""
    real, z = Tensor(batch["real"]), Tensor(batch["z"])
    g_params, d_params = net.generator.parameters(), net.discriminator.parameters()
    g_opt, d_opt = (optim.Adam(params, 2e-4, betas=(0.5, 0.999)) for params in (g_params, d_params))

    def step() -> float:
        fake = net.generator(z)
        d_loss = softplus(-net.discriminator(real)).mean() + softplus(net.discriminator(fake.detach())).mean()
        d_opt.step(grad(d_loss, d_params))
        g_loss = softplus(-net.discriminator(fake)).mean()  # -log D(fake), the non-saturating loss
        g_opt.step(grad(g_loss, g_params))  # no gradient for the parameters of D
        return d_loss.item() + g_loss.item()

    return step


def diffusion(lr: float) -> Callable[[nn.Module, Arrays], Step]:
    """Training steps of a network that predicts the noise (Ho et al. 2020, algorithm 1)."""

    def train(net: nn.Module, batch: Arrays) -> Step:
        x, t, eps, signal, noise = (batch[name] for name in ("x", "t", "eps", "signal", "noise"))

        def loss() -> Tensor:
            x_t = Tensor(signal * x + noise * eps)
            return mse(net(x_t, t), eps)

        return minimise(loss, net.parameters(), lr)

    return train


WORKLOADS: dict[Name, Workload] = {
    "conv_ae": Workload(partial(Autoencoder.conv, (28, 28, 1)), images, train_autoencoder, 128),
    "vae_mlp": Workload(DenseVAE, rows_and_codes, train_vae, 128, images=False),
    "dcgan": Workload(DCGAN, reals_and_noise, train_gan, 64),
    "unet_ddpm": Workload(UNet, noisy(28, 28, 1), diffusion(2e-4), 64),
    "mlp_ddpm_2d": Workload(PointDenoiser, noisy(2), diffusion(1e-3), 256, images=False),
}


def arrays(name: Name, *, seed: int = 0, batch_size: int | None = None) -> Arrays:
    """Initial weights and batch of a workload by name, "weight.NAME" and "batch.NAME"; weights have PyTorch's axes."""
    workload, rng = WORKLOADS[name], np.random.default_rng(seed)
    weights = workload.network(rng=rng).to_torch()
    batch = workload.batch(rng, batch_size or workload.batch_size)
    return {f"weight.{key}": array for key, array in weights.items()} | {f"batch.{k}": a for k, a in batch.items()}


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays to an `.npz` file for the workers."""
    np.savez(path, allow_pickle=False, **arrays)


def part(arrays: Arrays, kind: str) -> Arrays:
    """The arrays of one kind, "weight" or "batch", by NAME."""
    return {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{kind}.")}


def build(name: Name, arrays: Arrays) -> Step:
    """The training step of a workload in tinygen, starting from the weights in `arrays`."""
    return WORKLOADS[name].trainer(new_network(name, arrays), part(arrays, "batch"))


def new_network(name: Name, arrays: Arrays) -> Any:
    """The network of a workload with the weights in `arrays`."""
    net = WORKLOADS[name].network(rng=np.random.default_rng(0))
    net.from_torch(part(arrays, "weight"))
    return net


def build_autoencoder(arrays: Arrays) -> Callable[[np.ndarray], float]:
    """The training step of conv_ae as a function of the batch (N, H, W, C), for a whole epoch."""
    net = new_network("conv_ae", arrays)
    return minimise(net.loss, net.parameters(), 1e-3)


def warm_up() -> None:
    """Train a convolution with two parameters: some modules of a library are imported only at their first use.

    The image is so large that the compiled kernels serve, for which numba is imported.
    """
    net = nn.Conv2d(1, 1, 1, rng=np.random.default_rng(0))
    minimise(lambda x: net(x).sum(), net.parameters(), 1e-3)(np.zeros((1, 32, 32, 1), np.float32))


# -- floating-point operations of a step -------------------------------------------------------------------------------


def flops(name: Name, arrays: Arrays) -> float:
    """Multiplications and additions in the matrix products and convolutions of one step.

    Forward pass, weight gradient and input gradient need the same number; a layer on data needs no input gradient.
    """
    net = new_network(name, arrays)
    with nn.watch() as calls:
        WORKLOADS[name].trainer(net, part(arrays, "batch"))()
    layers = [(call, layer_flops(call)) for call in calls]
    total = sum(work * (2 + requires_grad(call.inputs[0])) for call, work in layers)
    if isinstance(net, DCGAN):  # in the last of its three passes, D gets no weight gradient
        total -= sum(work for call, work in layers if call.module in list(net.discriminator)) / 3
    return total


def layer_flops(call: Any) -> float:
    """Those of the forward pass of a layer; a transposed convolution multiplies no zeros."""
    layer, x, y = call.module, call.inputs[0], call.output
    if isinstance(layer, nn.Dense):
        return 2 * x.size * layer.out_features
    if isinstance(layer, nn.Conv2d):
        return 2 * y.size * math.prod(layer.kernel_size) * layer.in_channels
    if isinstance(layer, nn.ConvTranspose2d):
        return 2 * x.size * math.prod(layer.kernel_size) * layer.out_channels
    return 0


def requires_grad(x: object) -> bool:
    return isinstance(x, Tensor) and x.requires_grad
