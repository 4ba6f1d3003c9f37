"""tinygen: an autodiff engine and the generative models built on it, from scratch, to be read from front to back.

Reading order: tensor (an array and its recipe), op (what writes the recipe), grad (walking it backwards), ops (the
derivative rules), functional (losses), nn and optim (layers, optimizers), gradcheck (is a rule right?), models.
"""

import sys

from tinygen import functional, graph, nn, optim
from tinygen.derivatives import batch_jacobian, hessian, hvp, jacobian, jvp, vjp
from tinygen.errors import hints, names
from tinygen.functional import log_softmax, min, norm, softmax
from tinygen.grad import grad
from tinygen.gradcheck import GradientError, check
from tinygen.op import no_grad, op, trace
from tinygen.ops import *  # noqa: F403
from tinygen.ops import __all__ as _ops
from tinygen.tensor import OPS, Parameter, Tensor

__version__ = "0.1.0"
__all__ = [
    "OPS",
    "GradientError",
    "Parameter",
    "Tensor",
    "batch_jacobian",
    "check",
    "graph",
    "functional",
    "grad",
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
    *_ops,
]


def __getattr__(name: str):
    """Only called for a name that is not here."""
    raise hints.missing(sys.modules[__name__], name)


hints.point_elsewhere(Tensor, [*names.FUNCTIONS, *names.IN_PLACE, *_ops, "log_softmax", "norm", "softmax"])
for _name in ("tensor", "graph", "gradcheck"):  # functions elsewhere: PyTorch users write tinygen.tensor([1.0, 2.0])
    sys.modules[f"tinygen.{_name}"].__class__ = hints.NoFunction
