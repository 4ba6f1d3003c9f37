"""Dropout, noise that keeps features from relying on each other."""

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.module import Module
from tinygen.tensor import Tensor, constant


class Dropout(Module):
    """In training each entry is 0 with probability p, else divided by 1 - p; in eval mode x itself.

    So the expectation stays the same (Srivastava et al. 2014). All draws come from `rng`. Its state is not an array,
    so it is not in `state_dict`: `Module.generators` finds it, and the checkpoint of a run keeps it beside the weights.

    Args:
        p: probability of 0, at least 0 and below 1.
        rng: generator for the draws.

    >>> layer = tg.nn.Dropout(0.5, rng=np.random.default_rng(0)).eval()
    >>> layer(tg.Tensor([1.0, 2.0]))
    Tensor([1., 2.], shape=(2,), float32)
    """

    def __init__(self, p: float, *, rng: np.random.Generator):
        arguments.generator("Dropout", rng)
        self.p, self.rng = arguments.real("Dropout", "p", p, least=0, below=1), rng

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = self.rng.random(x.shape, dtype=np.float32) >= self.p
        return x * constant(kept / x.dtype.type(1 - self.p))

    def settings(self) -> str:
        return str(self.p)
