"""The ops: plain rules in reading order, and three files for speed.

Read `shape`, `elementwise`, `activation`, `reduce`, `linalg`, `conv`, `norm`, `pool`, `resample`, `resize`, `gamma`.
`backward` and `fused` hold ops that exist for speed and are not exported, and `fast_rules` exchanges plain rules for
faster ones behind their names; `support` holds what several rules share.
"""

from typing import TYPE_CHECKING

from tinygen.ops import backward, fast_rules, fused
from tinygen.ops.activation import *
from tinygen.ops.conv import *
from tinygen.ops.elementwise import *
from tinygen.ops.gamma import *
from tinygen.ops.linalg import *
from tinygen.ops.norm import *
from tinygen.ops.pool import *
from tinygen.ops.reduce import *
from tinygen.ops.resample import *
from tinygen.ops.resize import *
from tinygen.ops.shape import *
from tinygen.ops.support import array_protocol, notebook, operators
from tinygen.tensor import OPS

COMPOSITIONS = {
    "batch_norm",
    "flatten",
    "layer_norm",
    "resize",
    "upsample",
    "where",
}  # call several ops

FOR_SPEED = {backward.__name__, fused.__name__}

if not TYPE_CHECKING:  # type checkers take all names
    __all__ = [
        name
        for name, value in list(globals().items())
        if name in COMPOSITIONS or (value is OPS.get(name, "") and value.__module__ not in FOR_SPEED)
    ]
