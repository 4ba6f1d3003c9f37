"""A context in which modules are in eval mode; afterwards each is in the mode that it had before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygen.nn.module import Module


@contextmanager
def evaluating(*modules: "Module") -> Iterator[None]:
    """Inside, these modules and all below them are in eval mode; afterwards, even after an error, each is as it was.

    Sampling, encoding and scoring run in it, so that they draw no dropout and move no running statistics. A part that
    was in another mode than the whole, such as a frozen BatchNorm, keeps that mode: `train()` would not.
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
