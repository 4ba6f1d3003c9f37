"""Layers and the trees that hold them.

Read tree, module, sequential, init, dense, conv, conv1d, norm, activation, named_activation; then pool, shape, dropout,
embedding, recurrent; summary, debug (on watching), inference and torch are tools around a model.
"""

import sys

from tinygen.errors import hints
from tinygen.nn import init
from tinygen.nn.activation import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from tinygen.nn.conv import Conv2d, ConvTranspose2d
from tinygen.nn.conv1d import Conv1d, ConvTranspose1d
from tinygen.nn.debug import finite
from tinygen.nn.dense import Dense
from tinygen.nn.dropout import Dropout
from tinygen.nn.embedding import Embedding
from tinygen.nn.inference import evaluating
from tinygen.nn.module import Module
from tinygen.nn.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from tinygen.nn.pool import AvgPool2d, MaxPool2d, Upsample
from tinygen.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tinygen.nn.sequential import Sequential
from tinygen.nn.shape import Flatten, PixelShuffle, Reshape
from tinygen.nn.watching import watch

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AvgPool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GroupNorm",
    "Identity",
    "InstanceNorm",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2d",
    "Module",
    "PixelShuffle",
    "RNNCell",
    "ReLU",
    "Reshape",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Upsample",
    "evaluating",
    "finite",
    "init",
    "watch",
]


def __getattr__(name: str):
    """Only called for a name that is not here."""
    raise hints.missing(sys.modules[__name__], name)
