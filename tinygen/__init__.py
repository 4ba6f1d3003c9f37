"""tinygen: an automatic differentiation engine and generative models, from scratch, to be read from front to back.

Reading order: tensor (an array and its computation graph), op (a function that records itself in the graph), grad
(backpropagation), ops (the derivative rules), functional (losses), gradcheck (is a rule right?), nn and optim (layers,
optimizers), models. The folder `kernels` makes all this fast, and every reader may skip it.
"""

import sys

from tinygen import functional, graph, nn, ops, optim
from tinygen.derivatives import batch_jacobian, hessian, hvp, jacobian, jvp, vjp
from tinygen.errors import hints, names
from tinygen.functional import log_softmax, min, norm, softmax
from tinygen.grad import grad
from tinygen.gradcheck import GradientError, check
from tinygen.op import no_grad, op, trace
from tinygen.ops import *
from tinygen.tensor import OPS, Parameter, Tensor

__version__ = "0.1.0"
__all__ = [
    "OPS",
    "GradientError",
    "Parameter",
    "Tensor",
    "batch_jacobian",
    "check",
    "functional",
    "grad",
    "graph",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "min",
    "nn",
    "no_grad",
    "norm",
    "op",
    "optim",
    "softmax",
    "trace",
    "vjp",
]
__all__ += ops.__all__


def __getattr__(name: str):
    """Called only for a name that does not exist."""
    raise hints.missing(sys.modules[__name__], name)


hints.point_elsewhere(Tensor, [*names.FUNCTIONS, *names.IN_PLACE, *ops.__all__, "log_softmax", "norm", "softmax"])
for _name in ("tensor", "graph", "gradcheck"):  # functions elsewhere: PyTorch users write tinygen.tensor([1.0, 2.0])
    sys.modules[f"tinygen.{_name}"].__class__ = hints.NoFunction
