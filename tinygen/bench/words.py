"""The words of the sheet in tinygen, and its rows as calls. `torch_words.py` has the same in PyTorch."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygen import functional, nn, ops, optim
from tinygen.bench import lessons, rows
from tinygen.bench.rows import Row
from tinygen.grad import grad
from tinygen.models.gan import r1_penalty
from tinygen.tensor import Parameter, Tensor

Call = Callable[[], list[Any]]  # returns tensors, or the losses of a lesson

SLICES = {  # the same in both libraries
    "middle": lambda x: x[:, 1:-1],
    "every_other": lambda x: x[:, ::2],
    "rows": lambda x, order: x[order],
}


def words() -> dict[str, Any]:
    """All words by name; the weights of layers come from the same seed in every process."""
    rng = np.random.default_rng(0)

    def seeded(layer: Callable) -> Callable:
        return partial(layer, rng=rng) if "rng" in signature(layer).parameters else layer

    return {
        **vars(ops),
        **{name: word for name, word in vars(functional).items() if not name.startswith("_")},
        **{name: seeded(getattr(nn, name)) for name in nn.__all__ if name[0].isupper()},
        **{name: partial(partial, getattr(optim, name)) for name in rows.OPTIMIZERS},
        "CHANNELS": -1,
        "float64": np.float64,
        "broadcast_to": lambda x, shape: ops.broadcast_to(x, shape=shape),
        **SLICES,
        "last_state": lambda layer, x: layer(x)[1],
        "mul_transposed": lambda x, y: x.transpose(0, 2, 1) * y,
        "pad": lambda x, n: ops.pad(x, widths=((0, 0), (n, n), (n, n), (0, 0))),
        "r1_penalty": r1_penalty,
    }


def build(row: Row) -> tuple[Call, list[float]]:
    """The call to time, and the Euclidean norms of its results, or the first losses of a lesson."""
    if row.kind == "lesson":
        call = training(lessons.LESSONS[row.text])
        return call, [loss for _ in range(3) for loss in call()]
    call = optimizer(row) if row.kind == "optimizer" else forward_and_backward(row)
    return call, [] if row.random else [float(np.linalg.norm(y.data.astype(np.float64))) for y in call()]


def forward_and_backward(row: Row) -> Call:
    """The result of a row and its gradients, those of a layer's weights last."""
    constants = {name: Tensor(a) if a.dtype.kind == "f" else a for name, a in rows.constants(row).items()}
    function, layer = rows.compiled(row, words(), constants)
    inputs = [Parameter(x) for x in rows.variables(row).values()]
    wanted = [*inputs, *(layer.parameters() if layer else [])]

    def forward() -> Tensor:
        y = function(*inputs)
        return y[0] if isinstance(y, tuple) else y  # a recurrent layer: the states

    g = Tensor(rows.direction(row, forward().shape))

    def call() -> list[Tensor]:
        y = forward()
        return [y, *grad(y, wanted, g)]

    return call


def optimizer(row: Row) -> Call:
    """One step; returns the parameters."""
    made, _ = rows.compiled(row, words(), {})
    params, grads = [Parameter(x) for x in rows.variables(row)["x"]], rows.gradients(row)
    opt = made(params)

    def call() -> list[Parameter]:
        opt.step(grads)
        return params

    return call


def training(lesson: lessons.Lesson) -> Call:
    """One training step by Adam; returns the losses."""
    w, optimizers, net = SimpleNamespace(**words()), {}, lesson.network(rng=np.random.default_rng(0))
    batch = {name: Tensor(a) if a.dtype.kind == "f" else a for name, a in lessons.batch(lesson).items()}

    def call() -> list[float]:
        losses = []
        for part, loss in lesson.step(w, net, **batch):
            if part not in optimizers:
                optimizers[part] = optim.Adam(part.parameters())
            opt = optimizers[part]
            opt.step(grad(loss, opt.params))
            losses.append(loss.item())
        return losses

    return call
