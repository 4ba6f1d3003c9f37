"""The words of the sheet in PyTorch, and its rows as calls, in either layout; `words.py` has the same in tinygen."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tinygen.bench import lessons, rows
from tinygen.bench import words as tinygen_words
from tinygen.bench.counterpart import counterpart
from tinygen.bench.rows import Row
from tinygen.bench.words import Call

# -- layers and optimizers with the arguments of tinygen ---------------------------------------------------------------


def activated(layer: type[nn.Module]) -> Callable[..., nn.Module]:
    """The layer with the argument `activation`."""

    class Activated(layer):
        activation: Callable[[Tensor], Tensor]

        def forward(self, x):
            return self.activation(super().forward(x))

    def make(*arguments: Any, activation: str | None = None, **settings: Any) -> nn.Module:
        made = (Activated if activation else layer)(*arguments, **settings)
        if activation:
            made.activation = getattr(F, activation)
        return made

    return make


def upsample(factor: float, **settings: Any) -> nn.Module:
    return nn.Upsample(scale_factor=factor, **settings)


# -- functions with the arguments and the results of tinygen -----------------------------------------------------------


def summed(loss: Callable, **settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss, summed over each example and averaged over the batch."""
    return lambda x, target: loss(x, target, reduction="sum", **settings) / len(x)


def gaussian_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var).sum() / len(mu)


def r1_penalty(discriminator: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return g.flatten(1).square().sum(1).mean()


WORDS = {
    **vars(F),
    **vars(torch),
    **vars(nn),
    **{name: activated(getattr(nn, name)) for name in ("Conv2d", "GroupNorm", "LayerNorm")},
    "Dense": activated(nn.Linear),
    "BatchNorm": activated(nn.BatchNorm2d),
    "InstanceNorm": activated(nn.InstanceNorm2d),
    **{name: partial(getattr(nn, name), batch_first=True) for name in ("RNN", "GRU", "LSTM")},
    "Upsample": upsample,
    **{name: partial(partial, getattr(torch.optim, name), fused=True) for name in rows.OPTIMIZERS},
    **tinygen_words.SLICES,
    "CHANNELS": 1,
    "bce_with_logits": summed(F.binary_cross_entropy_with_logits),
    "cross_entropy": F.cross_entropy,
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "gaussian_kl": gaussian_kl,
    "huber": summed(F.huber_loss),
    "l1": summed(F.l1_loss),
    "last_state": lambda layer, x: layer(x)[1],
    "log_softmax": partial(torch.log_softmax, dim=-1),
    "max": torch.amax,
    "mse": summed(F.mse_loss),
    "mul_transposed": lambda x, y: x.mT * y,
    "pad": lambda x, n: F.pad(x, (n, n, n, n)),
    "r1_penalty": r1_penalty,
    "softmax": partial(torch.softmax, dim=-1),
    "stack": lambda *xs, axis: torch.stack(xs, axis),
    "var": partial(torch.var, correction=0),
}


# -- rows as calls -----------------------------------------------------------------------------------------------------


def build(row: Row, mode: str) -> tuple[Call, list[float]]:
    """The call to time, and the Euclidean norms of its results, or the first losses of a lesson."""
    if row.kind == "lesson":
        call = training(lessons.LESSONS[row.text], mode)
        return call, [loss for _ in range(3) for loss in call()]
    call = optimizer(row) if row.kind == "optimizer" else forward_and_backward(row, mode)
    return call, [] if row.random else [float(y.detach().double().norm()) for y in call()]


def forward_and_backward(row: Row, mode: str) -> Call:
    """The result of a row and its gradients, those of a layer's weights last."""

    def moved(array: np.ndarray) -> Tensor:
        return in_layout(array, mode, images=row.images)

    function, layer = rows.compiled(row, WORDS, {k: torch.from_numpy(a) for k, a in rows.constants(row).items()})
    inputs = [moved(x).requires_grad_() for x in rows.variables(row).values()]
    wanted = list(inputs)
    if layer:
        _, ours = rows.compiled(row, tinygen_words.words(), {})
        layer.load_state_dict({name: torch.from_numpy(a) for name, a in ours.to_torch().items()}, strict=False)
        layer.to(memory_format=layout(mode))
        wanted += layer.parameters()

    def forward() -> Tensor:
        y = function(*inputs)
        return y[0] if isinstance(y, tuple) else y

    shape = tuple(forward().shape)
    g = moved(rows.direction(row, (shape[0], *shape[2:], shape[1]) if row.images else shape))

    def call() -> list[Tensor]:
        y = forward()
        return [y, *torch.autograd.grad(y, wanted, g)]

    return call


def optimizer(row: Row) -> Call:
    """One step; returns the parameters."""
    made, _ = rows.compiled(row, WORDS, {})
    params = [nn.Parameter(torch.from_numpy(x.copy())) for x in rows.variables(row)["x"]]
    for p, g in zip(params, rows.gradients(row)):
        p.grad = torch.from_numpy(g)
    opt = made(params)

    def call() -> list[nn.Parameter]:
        opt.step()
        return params

    return call


def training(lesson: lessons.Lesson, mode: str) -> Call:
    """One training step by the fused Adam; returns the losses."""
    channels = lesson.inputs["x"][-1]
    ours = lesson.network(rng=np.random.default_rng(0))
    net = counterpart(ours, channels, last=mode == "channels_last").to(memory_format=layout(mode))  # pyright: ignore[reportCallIssue]
    batch = {name: in_layout(array, mode, images=array.ndim == 4) for name, array in lessons.batch(lesson).items()}
    w, optimizers = SimpleNamespace(**WORDS), {}

    def call() -> list[float]:
        losses = []
        for part, loss in lesson.step(w, net, **batch):
            if part not in optimizers:
                params = list(part.parameters())
                optimizers[part] = params, torch.optim.Adam(params, fused=True)
            params, opt = optimizers[part]
            opt.zero_grad(set_to_none=True)
            loss.backward(inputs=params)  # unlike `autograd.grad`, this gives gradients the layout of the weights
            opt.step()
            losses.append(loss.item())
        return losses

    return call


def layout(mode: str) -> torch.memory_format:
    return torch.channels_last if mode == "channels_last" else torch.contiguous_format


def in_layout(array: np.ndarray, mode: str, *, images: bool) -> Tensor:
    """An array as a tensor; images with the channels first, in the layout of this mode."""
    tensor = torch.from_numpy(array)
    if not images:
        return tensor
    tensor = tensor.movedim(-1, 1)
    return tensor.contiguous(memory_format=layout(mode) if tensor.ndim == 4 else torch.contiguous_format)
