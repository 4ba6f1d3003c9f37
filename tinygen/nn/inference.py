"""Use a module without training it: a context in eval mode, and the outputs for many examples batch by batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.tree import Tree
from tinygen.op import no_grad


@contextmanager
def evaluating(*modules: Tree) -> Iterator[None]:
    """Inside, these modules and all below them are in eval mode; afterwards, even after an error, each is as before.

    Sampling, encoding and scoring run in it: they draw no dropout and change no running statistics. A part whose mode
    differed from the rest, such as a frozen BatchNorm, gets its own mode back; `train()` would not do that.
    """
    parts = [part for module in modules for _, part in module.named_modules()]
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, modes):
            part.training = mode


def in_batches(model: Tree, x: np.ndarray, batch_size: int, f: Callable | None = None) -> np.ndarray:
    """f(x) (by default model(x)) as an array: with the model in eval mode, batch by batch, without a graph."""
    f, batch_size = f or model, arguments.whole(type(model).__name__, "batch_size", batch_size, least=1)
    with evaluating(model), no_grad():
        return np.concatenate([f(x[i : i + batch_size]).numpy() for i in range(0, max(1, len(x)), batch_size)])
