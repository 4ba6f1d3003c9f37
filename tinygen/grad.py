"""Backpropagation: the gradients of a value with respect to the variables it was computed from, at any order.

The chain rule sums over all paths from y to x, yet the walk visits each node once: a node is younger than its parents,
and the walk goes from young to old, so every node that used it has already sent its share.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, overload

import numpy as np

from tinygen.errors.calls import explained
from tinygen.op import as_tensors, mode, takes_output
from tinygen.tensor import Node, Operand, Tensor, array_of, constant


@overload
def grad(
    y: Tensor, xs: Tensor, gy: Operand | None = None, *, create_graph: bool = ..., retain_graph: bool | None = ...
) -> Tensor: ...


@overload
def grad(
    y: Tensor,
    xs: Iterable[Tensor],
    gy: Operand | None = None,
    *,
    create_graph: bool = ...,
    retain_graph: bool | None = ...,
) -> list[Tensor]: ...


@explained
def grad(
    y: Tensor,
    xs: Iterable[Tensor] | Tensor,
    gy: Operand | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> list[Tensor] | Tensor:
    """The gradients Σ gy · ∂y/∂x of `y` with respect to each of `xs`, each with the shape and dtype of its x.

    `gy` weighs the entries of y and may be left out if y is a single number. An x that y doesn't depend on gets zeros.
    With `create_graph=True` the gradients are recorded, so that they have gradients too. The walk drops the graph
    unless `retain_graph` is true (by default it is `create_graph`). Raises TypeError for a constant x or y, ValueError
    for a y of several entries without gy or a gy of another shape, and RuntimeError for a graph that was dropped.

    >>> w = tg.Parameter([1.0, 2.0])
    >>> tg.grad((w * w).sum(), w)
    Tensor([2., 4.], shape=(2,), float32)
    """
    single = isinstance(xs, Tensor)
    targets = [xs] if single or not isinstance(xs, Iterable) else list(xs)
    root, ends = _nodes(y, targets)
    keep, before = create_graph if retain_graph is None else retain_graph, mode.recording
    mode.recording = before and create_graph
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # at a pole the gradient itself is inf or nan
            gradients = _walk(root, set(ends), _cotangent(y, gy), keep)
    finally:
        mode.recording = before
    found = [gradients[n] if n in gradients else constant(np.zeros(x.shape, x.dtype)) for n, x in zip(ends, targets)]
    return found[0] if single else found


def _walk(root: Node, targets: set[Node], g: Tensor, keep: bool) -> dict[Node, Tensor]:
    """The gradients of `targets`, from `g`, that of `root`; unless `keep`, each node that it visits loses its edges."""
    order, leading = _between(root, targets)
    gradients = {root: g}
    while order:
        node = order.pop()  # the youngest of those that are left
        g = gradients[node] if node in targets else gradients.pop(node)
        y = None if node.output is None else constant(node.output, node)
        for parent, vjp in node.edges:
            if parent in leading:
                share = vjp(g) if y is None or not takes_output(vjp) else vjp(g, y)
                if type(share) is not Tensor or share.data.shape != parent.shape:
                    check_share(node, parent, vjp, share)
                gradients[parent] = gradients[parent] + share if parent in gradients else share
        if not keep:
            node.edges = node.output = None
    return gradients


def _between(root: Node, targets: set[Node]) -> tuple[list[Node], set[Node]]:
    """The nodes to walk, from old to young, and the set of all nodes that lead to a target, targets included."""
    found = reachable(root)
    order = sorted([node for node in found if node.edges], key=attrgetter("birth"))
    if targets.issuperset(found.difference(order)):  # every leaf is a target, so everything leads to one
        return order, found
    leading = set(targets)
    for node in order:  # parents come first, so one look at them decides
        if not leading.isdisjoint(node.parents):
            leading.add(node)
    return [node for node in order if not leading.isdisjoint(node.parents)], leading


def reachable(root: Node, who: str = "grad") -> set[Node]:
    """Every node that `root` was computed from, and itself; a loop, not a recursion, so depth is no limit."""
    found, todo = {root}, [root]
    while todo:
        node = todo.pop()
        if node.edges is None:
            raise RuntimeError(
                f"{who}: the graph behind this {node.op.__name__} was already walked and dropped: "
                "pass retain_graph=True to the first call, or compute the value again"
            )
        for parent, _ in node.edges:
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


def backward(self: Tensor, gradient: Operand | None = None, *, retain_graph: bool = False) -> None:
    """Add the gradient of this tensor to the `.grad` of every variable behind it: `grad` with all leaves as its xs."""
    if self.node is None:
        raise TypeError("backward: this tensor is a constant; make the inputs Parameters")
    given = "nothing" if gradient is None else np.shape(array_of(gradient))
    if given != self.shape and not (gradient is None and self.size == 1):
        hint = "sum the tensor to one number, or pass the weights of its entries"
        raise ValueError(f"backward: expected a gradient of shape {self.shape}, got {given}: {hint}")
    leaves = [node for node in reachable(self.node, "backward") if node.op is None]
    targets = [constant(np.empty(()), leaf) for leaf in leaves]
    for leaf, g in zip(leaves, grad(self, targets, gradient, retain_graph=retain_graph)):
        leaf.grad = g if leaf.grad is None else leaf.grad + g


Tensor.backward = backward

# -- checks ------------------------------------------------------------------------------------------------------------


def _nodes(y: Tensor, targets: list[Tensor]) -> tuple[Node, list[Node]]:
    """The nodes of y and of the targets; raises TypeError for constants."""
    if callable(y):
        raise TypeError("grad: expected a Tensor y, got a function: write grad(f(x), x)")
    if not isinstance(y, Tensor) or y.node is None:
        hint = "make the inputs Parameters; if y comes from grad, pass create_graph=True to that call"
        raise TypeError(f"grad: y is a constant; {hint}")
    ends = []
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or x.node is None:
            a_constant = "a constant; make it a Parameter or Tensor(..., requires_grad=True)"
            kind = "a Module; write model.parameters()" if hasattr(x, "parameters") else a_constant
            raise TypeError(f"grad: xs[{i}] is {kind}")
        ends.append(x.node)
    return y.node, ends


def _cotangent(y: Tensor, gy: Operand | None) -> Tensor:
    """The gradient with respect to y itself: gy, or 1 if y is a single number."""
    if gy is None:
        if y.size != 1:
            raise ValueError(
                f"grad: y has shape {y.shape}, not one entry; sum it, or pass gy of that shape to weigh its entries"
            )
        return constant(np.ones(y.shape, y.dtype))
    if np.shape(array_of(gy)) != y.shape:
        raise ValueError(f"grad: gy has shape {np.shape(array_of(gy))} but y has {y.shape}")
    gy = as_tensors((gy, y))[0]
    return gy if gy.dtype == y.dtype else gy.astype(y.dtype)


def check_share(node: Node, parent: Node, vjp: Callable, share: Any) -> None:
    """Raise unless a rule returned a Tensor of the shape of its input; `examining` lets wrong results through."""
    if mode.trusting and isinstance(share, Tensor | np.ndarray):
        return
    who = f"{node.op.__name__}: expected the derivative rule at {place_of(vjp)} to return a Tensor of shape"
    if not isinstance(share, Tensor):
        hint = "compute it with tinygen's ops, not with .data"
        raise TypeError(f"{who} {parent.shape}, got {type(share).__name__}: {hint}")
    if share.shape != parent.shape:
        hint = "sum over axes that the op broadcast, spread over axes that it summed"
        raise ValueError(f"{who} {parent.shape}, got {share.shape}: {hint}")


def place_of(function: Any) -> str:
    """The file and line of a function, as tracebacks and editors write them."""
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
