"""From gradients to better parameters: the update rules, learning-rate schedules, clipping, averages of weights."""

import sys

from tinygen.errors import hints
from tinygen.optim.adam import Adam, AdamW
from tinygen.optim.clip import clip_by_norm
from tinygen.optim.ema import EMA
from tinygen.optim.optimizer import Optimizer
from tinygen.optim.rmsprop import RMSprop
from tinygen.optim.schedules import Schedule, cosine, step_decay, warmup
from tinygen.optim.sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "clip_by_norm",
    "cosine",
    "step_decay",
    "warmup",
]


def __getattr__(name: str):
    """Only called for a name that is not here."""
    raise hints.missing(sys.modules[__name__], name)
