"""A module with parts of all kinds, the names of its arrays, and a batch for it."""

import numpy as np

import tinygen as tg
from tinygen import nn


class Branches(nn.Module):
    """Everything that a tree may contain: a list, a dict, a tuple, bare Parameters, a nested buffer, a module twice."""

    def __init__(self, seed=0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.scale = tg.Parameter(rng.normal(size=3).astype(dtype))
        self.blocks = [nn.Dense(3, 3, rng=rng, dtype=dtype), nn.Dense(3, 3, rng=rng, bias=False, dtype=dtype)]
        self.heads = {"mu": nn.Dense(3, 2, rng=rng, dtype=dtype), "log_var": nn.Dense(3, 2, rng=rng, dtype=dtype)}
        self.norm = nn.BatchNorm(3, dtype=dtype)
        self.shifts = (tg.Parameter(np.zeros(3, dtype)), tg.Parameter(np.ones(3, dtype)))
        self.again = self.blocks[0]
        self.dropout = nn.Sequential(nn.ReLU(), inner=nn.Dropout(0.5, rng=rng))

    def forward(self, x):
        for block in [*self.blocks, self.again]:
            x = block(x * self.scale + self.shifts[0] * self.shifts[1])
        x = self.dropout(self.norm(x))
        return self.heads["mu"](x), self.heads["log_var"](x)


PARAMETERS = [
    "scale",
    "shifts.0",
    "shifts.1",
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.1.weight",
    "heads.mu.weight",
    "heads.mu.bias",
    "heads.log_var.weight",
    "heads.log_var.bias",
    "norm.weight",
    "norm.bias",
]
BUFFERS = ["norm.running_mean", "norm.running_var"]


def batch(seed, n=4, d=3, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)
