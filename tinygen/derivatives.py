"""Derivatives of functions of arrays: vjp, jvp, Jacobians, hvp and Hessian, each a few lines over `grad`.

f takes Tensors and returns a Tensor, computed with tinygen's ops; x is an array or a Tensor. If x is a variable, the
results stay in its graph: with `create_graph=True` they can be part of a loss. Every function raises TypeError if f is
not a function or returns something other than a Tensor.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tinygen.errors.arguments import shown
from tinygen.errors.calls import explained
from tinygen.grad import grad
from tinygen.ops import reshape, stack
from tinygen.tensor import Tensor

Array = np.ndarray | Tensor
LARGEST = 2**32  # bytes of a Jacobian


@explained
def vjp(f: Callable[..., Tensor], *xs: Array) -> tuple[Tensor, Callable[..., list[Tensor]]]:
    """The value y = f(*xs), and its vector-Jacobian product as a function `pull(g, create_graph=False)`.

    `pull` maps a cotangent g of the shape of y to the list of Jᵀ g, one gradient of the shape of each x. It can be
    called any number of times.

    >>> y, pull = tg.vjp(tg.exp, np.array([0.0, 0.0]))
    >>> pull(np.array([1.0, 3.0]))
    [Tensor([1., 3.], shape=(2,), float64)]
    """
    variables = [_variable(x) for x in xs]
    y = _value("vjp", f, *variables)
    return y, _pullback(y, variables)


@explained
def jvp(
    f: Callable[..., Tensor], xs: Sequence[Array], ts: Sequence[Array], *, create_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """The value f(*xs), and the Jacobian-vector product J t: the change of f when each x moves along its tangent t.

    `ts` has a tangent of the same shape for each of `xs`, else ValueError. J t has the shape of f(*xs). It takes two
    backward passes: Jᵀ g is linear in g, so its derivative with respect to g, in the direction t, is J t.

    >>> y, moved = tg.jvp(lambda x: x * x, [np.array([1.0, 2.0])], [np.array([1.0, 0.5])])
    >>> moved  # 2x · t
    Tensor([2., 2.], shape=(2,), float64)
    """
    if isinstance(xs, Array) or isinstance(ts, Array):
        given = shown(xs if isinstance(xs, Array) else ts)
        raise TypeError(f"jvp: expected xs and ts to be lists, got {given}: write jvp(f, [x], [t])")
    shapes, tangents = [np.shape(_plain(x)) for x in xs], [np.shape(_plain(t)) for t in ts]
    if shapes != tangents:
        raise ValueError(f"jvp: expected one t for each x and of its shape, got xs {shapes} and ts {tangents}")
    variables = [_variable(x) for x in xs]
    y = _value("jvp", f, *variables)
    g = Tensor(np.zeros(y.shape, y.dtype), requires_grad=True)  # any value will do
    moved = _zeros(y.shape, y)
    for pulled, t in zip(_pullback(y, variables)(g, create_graph=True), ts):
        if pulled.requires_grad:
            moved = moved + grad(pulled, [g], t, create_graph=create_graph, retain_graph=True)[0]
    return y, moved


@explained
def jacobian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """The Jacobian ∂f(x)/∂x: the axes of f(x) first, then the axes of x. One backward pass for each entry of f(x).

    For a batch its shape is (N, K, N, ...), and nearly all entries are 0: `batch_jacobian` computes the others. With
    `create_graph=True` the result is recorded, so that it has gradients. Raises ValueError for more than 4 GiB.

    >>> tg.jacobian(lambda x: x * x, np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], shape=(2, 2), float64)
    """
    x = _variable(x)
    y = _value("jacobian", f, x)
    shape, size = y.shape + x.shape, y.size * x.size * y.dtype.itemsize
    if size > LARGEST:
        raise ValueError(
            f"jacobian: expected at most {LARGEST / 2**30:g} GiB, got {shape}, {size / 2**30:.3g} GiB: "
            "for one Jacobian per example write batch_jacobian(f, x)"
        )
    pull = _pullback(y, [x])
    rows = [pull(unit.reshape(y.shape), create_graph=create_graph)[0] for unit in np.eye(y.size, dtype=y.dtype)]
    return reshape(stack(*rows), shape=shape) if rows else _zeros(shape, x)


@explained
def batch_jacobian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """The Jacobian of each example, ∂f(x)ₙ/∂xₙ, for x (N, ...) and f(x) (N, K, ...): shape (N, K, ...) + x.shape[1:].

    All examples share one backward pass for each entry of f(x)ₙ. Raises ValueError if f mixes examples, as BatchNorm
    does in training mode, because then an example has no Jacobian of its own.

    >>> tg.batch_jacobian(lambda x: x * x, np.ones((5, 2))).shape
    (5, 2, 2)
    """
    x = _variable(x)
    y = _value("batch_jacobian", f, x)
    if not x.ndim or y.shape[:1] != x.shape[:1]:
        raise ValueError(f"batch_jacobian: expected f to map (N, ...) to (N, ...), got {x.shape} to {y.shape}")
    pull = _pullback(y, [x])
    first = np.zeros(y.shape, y.dtype)  # a cotangent of example 0 only, with a different weight for each of its outputs
    first[:1] = np.arange(1, first[:1].size + 1).reshape(first[:1].shape)
    if pull(first)[0].numpy()[1:].any():
        raise ValueError(
            "batch_jacobian: expected each row of f(x) to depend on its own row of x only, got an f that mixes "
            "examples: write jacobian(f, x), or put its layers in eval mode"
        )
    units = np.eye(math.prod(y.shape[1:]), dtype=y.dtype)
    repeated = [np.broadcast_to(unit.reshape(y.shape[1:]), y.shape) for unit in units]
    rows = [pull(unit, create_graph=create_graph)[0] for unit in repeated]
    shape = y.shape + x.shape[1:]
    return reshape(stack(*rows, axis=1), shape=shape) if rows else _zeros(shape, x)


@explained
def hvp(f: Callable[[Tensor], Tensor], x: Array, v: Array, *, create_graph: bool = False) -> Tensor:
    """The Hessian-vector product H v of a scalar f at x, for v of the shape of x, at the price of two gradients.

    The result has the shape of x; the Hessian itself is never computed. Raises ValueError if f is not scalar.

    >>> tg.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 10.0]))  # 6x · v
    Tensor([  6., 120.], shape=(2,), float64)
    """
    x = _variable(x)
    return _pullback(_gradient("hvp", f, x), [x])(v, create_graph=create_graph)[0]


@explained
def hessian(f: Callable[[Tensor], Tensor], x: Array, *, create_graph: bool = False) -> Tensor:
    """All second derivatives of a scalar f at x, of shape x.shape + x.shape. Raises ValueError if f is not scalar.

    >>> tg.hessian(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], shape=(2, 2), float64)
    """
    return jacobian(lambda x: _gradient("hessian", f, x), x, create_graph=create_graph)


# -- what they share ---------------------------------------------------------------------------------------------------


def _value(who: str, f: Callable[..., Tensor], *xs: Tensor) -> Tensor:
    """f(*xs), which must be a Tensor."""
    if not callable(f):
        raise TypeError(f"{who}: expected f to be a function, got {shown(f)}: write {who}(lambda x: ..., x)")
    y = f(*xs)
    if not isinstance(y, Tensor):
        raise TypeError(f"{who}: expected f to return a Tensor, got {shown(y)}: compute it with tinygen's ops")
    return y


def _pullback(y: Tensor, variables: list[Tensor]) -> Callable[..., list[Tensor]]:
    """The function g -> [Jᵀ g for each variable]; zeros if y is a constant."""

    def pull(g: Array, *, create_graph: bool = False) -> list[Tensor]:
        if not y.requires_grad:
            return [_zeros(x.shape, x) for x in variables]
        return list(grad(y, variables, g, create_graph=create_graph, retain_graph=True))

    return pull


def _gradient(who: str, f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """f'(x) for a scalar f, with its graph."""
    y = _value(who, f, x)
    if y.size != 1:
        raise ValueError(f"{who}: expected f to return one number, got shape {y.shape}: sum it, or take jacobian")
    return grad(y, [x], create_graph=True)[0] if y.requires_grad else _zeros(x.shape, x)


def _variable(x: Array) -> Tensor:
    """A variable with the numbers of x; if x has a graph already, it stays connected to it."""
    if isinstance(x, Tensor) and x.requires_grad:
        return reshape(x, shape=x.shape)  # a node of its own, because the same x may be passed twice
    return Tensor(x, requires_grad=True)


def _plain(x: Array) -> np.ndarray:
    return x.data if isinstance(x, Tensor) else x


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return Tensor(np.zeros(shape, like.dtype))
