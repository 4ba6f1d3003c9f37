"""Derivatives as functions of functions: vjp, jvp, jacobians, hvp and hessian, each a few lines over `grad`.

Inputs are arrays or Tensors. A Tensor that is a variable already stays in its graph: with `create_graph=True` what
comes out can be part of a loss.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinygen.grad import grad
from tinygen.ops import reshape, stack
from tinygen.tensor import Tensor

Array = np.ndarray | Tensor
MOST = 2**32  # bytes of a Jacobian


def vjp(f: Callable[..., Tensor], *xs: Array) -> tuple[Tensor, Callable[..., list[Tensor]]]:
    """f(*xs), and the map `pull(g, create_graph=False)` from the gradient of that to the gradients of all xs: Jᵀ g."""
    variables = [_variable(x) for x in xs]
    y = f(*variables)

    def pull(g: Array, *, create_graph: bool = False) -> list[Tensor]:
        if not y.requires_grad:
            return [_zeros(x.shape, x) for x in variables]
        return grad(y, variables, g, create_graph=create_graph, retain_graph=True)

    return y, pull


def jvp(
    f: Callable[..., Tensor], xs: Sequence[Array], ts: Sequence[Array], *, create_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """f(*xs), and how it changes when each x moves along its t: J t.

    Jᵀ g is linear in g, so its derivative by g, pulled back along t, is J t: two backward passes make a forward one.
    Raises ValueError unless every x has a t of its shape.
    """
    shapes, moves = [np.shape(_plain(x)) for x in xs], [np.shape(_plain(t)) for t in ts]
    if shapes != moves:
        raise ValueError(f"jvp: expected one t for each x and of its shape, got xs {shapes} and ts {moves}")
    y, pull = vjp(f, *xs)
    g = Tensor(np.zeros(y.shape, y.dtype), requires_grad=True)  # any g will do
    moved = _zeros(y.shape, y)
    for pulled, t in zip(pull(g, create_graph=True), ts):
        if pulled.requires_grad:
            moved = moved + grad(pulled, g, t, create_graph=create_graph, retain_graph=True)
    return y, moved


def jacobian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """∂f(x)/∂x with the axes of f(x) first, then those of x: one backward pass for each entry of f(x).

    For a batch that is (N, K, N, ...), nearly all of it zeros: `batch_jacobian` is per example. Raises ValueError for
    a Jacobian above 4 GiB.
    """
    x = _variable(x)
    y, pull = vjp(f, x)
    size = y.size * x.size * y.dtype.itemsize
    if size > MOST:
        shape = y.shape + x.shape
        raise ValueError(
            f"jacobian: expected at most {MOST / 2**30:g} GiB, got {shape}, {size / 2**30:.3g} GiB: "
            "for one Jacobian per example write batch_jacobian(f, x)"
        )
    rows = [pull(unit.reshape(y.shape), create_graph=create_graph)[0] for unit in np.eye(y.size, dtype=y.dtype)]
    return reshape(stack(*rows), shape=y.shape + x.shape) if rows else _zeros(y.shape + x.shape, x)


def batch_jacobian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """∂f(x)ₙ/∂xₙ for each example n along the first axis: the axes of f(x), then those of one example, (N, K, ...).

    All examples share one backward pass for each entry of an example's f. Raises ValueError where f mixes examples, as
    BatchNorm does in training, because then they have no derivatives of their own.
    """
    x = _variable(x)
    y, pull = vjp(f, x)
    if not x.ndim or y.shape[:1] != x.shape[:1]:
        raise ValueError(f"batch_jacobian: expected f to map (N, ...) to (N, ...), got {x.shape} to {y.shape}")
    first = np.zeros(y.shape, y.dtype)  # a cotangent of example 0 alone, with a weight of its own for each output
    first[:1] = np.arange(1, first[:1].size + 1).reshape(first[:1].shape)
    if pull(first)[0].numpy()[1:].any():
        raise ValueError(
            "batch_jacobian: expected each row of f(x) to need its own row of x alone, but f mixes examples: "
            "write jacobian(f, x), or put its layers in eval mode"
        )
    units = np.eye(math.prod(y.shape[1:]), dtype=y.dtype)
    along = [np.broadcast_to(unit.reshape(y.shape[1:]), y.shape) for unit in units]
    rows = [pull(unit, create_graph=create_graph)[0] for unit in along]
    shape = y.shape + x.shape[1:]
    return reshape(stack(*rows, axis=1), shape=shape) if rows else _zeros(shape, x)


def hvp(f: Callable[[Tensor], Tensor], x: Array, v: Array, *, create_graph: bool = False) -> Tensor:
    """The Hessian of a scalar f at x, times v, at the price of two gradients and without the Hessian."""
    _, pull = vjp(_gradient(f), x)
    return pull(v, create_graph=create_graph)[0]


def hessian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """All second derivatives of a scalar f at x: x's axes twice."""
    return jacobian(_gradient(f), x, create_graph=create_graph)


def _gradient(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """x -> f'(x), differentiable once more."""

    def gradient(x: Tensor) -> Tensor:
        y = f(x)
        return grad(y, x, create_graph=True) if y.requires_grad else _zeros(x.shape, x)

    return gradient


def _variable(x: Array) -> Tensor:
    """A variable with x's numbers; behind it, if x is one already, comes x."""
    if isinstance(x, Tensor) and x.requires_grad:
        return reshape(x, shape=x.shape)  # a node of its own: the same x may be passed twice
    return Tensor(x, requires_grad=True)


def _plain(x: Array) -> np.ndarray:
    return x.data if isinstance(x, Tensor) else x


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return Tensor(np.zeros(shape, like.dtype))
