"""tinygen: an automatic differentiation engine and generative models, from scratch, to be read from front to back.

Reading order: tensor (an array and its computation graph), op (a function that records itself in the graph), grad
(backpropagation), ops (the derivative rules), functional (losses), gradcheck (is a rule right?), nn and optim (layers,
optimizers), models. The folder `kernels` makes all this fast, and every reader may skip it. The page docs/backprop.md
begins with an engine of 40 lines, and has the full reading order in two speeds.
"""

import sys
from typing import TYPE_CHECKING

from tinygen.errors import interrupt  # first: Ctrl-C during the imports of a command leaves no traceback

# isort: off
from tinygen import functional as functional, graph as graph, nn as nn, ops as ops, optim as optim
from tinygen.derivatives import (
    batch_jacobian as batch_jacobian,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    vjp as vjp,
)
from tinygen.errors import hints, names
from tinygen.explain import conv_matrix as conv_matrix, explain_conv_transpose as explain_conv_transpose
from tinygen.functional import log_softmax as log_softmax, min as min, norm as norm, softmax as softmax
from tinygen.grad import grad as grad
from tinygen.gradcheck import GradientError as GradientError, check as check
from tinygen.op import no_grad as no_grad, op as op, trace as trace
from tinygen.ops import *
from tinygen.tensor import OPS as OPS, Parameter as Parameter, Tensor as Tensor

__version__ = "0.1.0"

if not TYPE_CHECKING:  # type checkers take all names of tinygen.ops, and those imported as themselves
    __all__ = """
        OPS GradientError Parameter Tensor batch_jacobian check conv_matrix explain_conv_transpose functional grad graph
        hessian hvp jacobian jvp log_softmax min nn no_grad norm op optim softmax trace vjp
    """.split()
    __all__ += ops.__all__

    def __getattr__(name: str):
        """Called only for a name that does not exist."""
        raise hints.missing(sys.modules[__name__], name)

    hints.point_elsewhere(Tensor, [*names.FUNCTIONS, *names.IN_PLACE, *ops.__all__, "log_softmax", "norm", "softmax"])

for _name in ("tensor", "graph", "gradcheck"):  # functions elsewhere: PyTorch users write tinygen.tensor([1.0, 2.0])
    sys.modules[f"tinygen.{_name}"].__class__ = hints.NoFunction
