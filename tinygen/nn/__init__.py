"""Layers and the tree that holds them: read module, sequential, init, conv, layers, embedding, norm, activation."""

import sys

from tinygen.errors import hints
from tinygen.nn import init, tables
from tinygen.nn.activation import ELU, GELU, Identity, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from tinygen.nn.conv import Conv2d, ConvTranspose2d
from tinygen.nn.embedding import Embedding
from tinygen.nn.finite import finite
from tinygen.nn.inference import evaluating
from tinygen.nn.layers import AvgPool2d, Dense, Dropout, Flatten, MaxPool2d, Reshape, Upsample
from tinygen.nn.module import Module
from tinygen.nn.norm import BatchNorm, GroupNorm, LayerNorm
from tinygen.nn.sequential import Sequential
from tinygen.nn.watch import watch

__all__ = [
    "ELU",
    "GELU",
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2d",
    "Module",
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
