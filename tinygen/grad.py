"""Walking the recipe backwards: the gradient of any scalar, of any order.

The chain rule, summed over all paths from y to x, needs each node once: by the time a node is reached, every node that
used it has already sent its share, because a node is younger than its parents and the walk goes from young to old.
"""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from operator import attrgetter

import numpy as np

from tinygen.op import as_tensors, mode, no_grad, place_of, takes_output
from tinygen.tensor import Node, Tensor, array_of, constant


def grad(
    y: Tensor,
    xs: Iterable[Tensor] | Tensor,
    gy: Tensor | np.ndarray | None = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> list[Tensor] | Tensor:
    """The gradients of `y` with respect to each of `xs`, each of its x's shape and dtype: Σ gy · ∂y/∂x.

    `gy` weighs the entries of y and may be left out when y is a single number. An x that y doesn't depend on gets
    zeros. `create_graph=True` makes the gradients differentiable in turn. The walk drops the graph behind it unless
    `retain_graph` (by default: `create_graph`). Raises TypeError for a constant x or y, ValueError for a y of more than
    one entry without gy or a gy of another shape, and RuntimeError for a graph that was already dropped.
    """
    single = isinstance(xs, Tensor)
    targets = [xs] if single or not isinstance(xs, Iterable) else list(xs)
    _check(y, targets)
    gradients = {y.node: _cotangent(y, gy)}
    keep = create_graph if retain_graph is None else retain_graph
    recording = nullcontext() if create_graph else no_grad()
    with recording, np.errstate(divide="ignore", invalid="ignore"):  # at a pole the gradient itself says inf or nan
        _walk(y.node, {x.node for x in targets}, gradients, keep)
    found = [gradients[x.node] if x.node in gradients else constant(np.zeros(x.shape, x.dtype)) for x in targets]
    return found[0] if single else found


def _walk(root: Node, targets: set[Node], gradients: dict[Node, Tensor], keep: bool) -> None:
    """Send gradients from `root` towards `targets`; only nodes that lead to a target take part."""
    found = reachable(root)
    order = sorted([node for node in found if node.edges], key=attrgetter("birth"))
    leading = found
    if not targets.issuperset(found.difference(order)):  # some leaf is no target: leave out what leads only there
        leading = set(targets)
        for node in order:  # parents come first, so one look at them decides
            if not leading.isdisjoint(node.parents):
                leading.add(node)
        order = [node for node in order if not leading.isdisjoint(node.parents)]
    while order:  # from young to old: all that used a node have sent their shares before its turn comes
        node = order.pop()
        g = gradients[node] if node in targets else gradients.pop(node)
        output = None if node.output is None else constant(node.output, node)
        for parent, vjp in node.edges:
            if parent in leading:
                share = vjp(g) if output is None or not takes_output(vjp) else vjp(g, output)
                if (not isinstance(share, Tensor) or share.data.shape != parent.shape) and not _is_trusted(share):
                    raise _wrong_result(node, parent, vjp, share)
                gradients[parent] = gradients[parent] + share if parent in gradients else share
        if not keep:
            node.edges = node.output = None


def _is_trusted(share) -> bool:
    return mode.trusting and isinstance(share, Tensor | np.ndarray)


def _wrong_result(node: Node, parent: Node, vjp: Callable, share) -> Exception:
    who = f"{node.op.__name__}: expected the derivative rule at {place_of(vjp)} to return a Tensor of shape"
    if not isinstance(share, Tensor):
        hint = "compute it with tinygen's ops, not with .data"
        return TypeError(f"{who} {parent.shape}, got {type(share).__name__}: {hint}")
    hint = "sum over axes that the op broadcast, spread over axes that it summed"
    return ValueError(f"{who} {parent.shape}, got {share.shape}: {hint}")


def reachable(root: Node, who: str = "grad") -> set[Node]:
    """Every node that `root` was made from, and itself; a loop, not a recursion, so depth is no limit."""
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


_CONSTANT = "a constant; make it a Parameter or Tensor(..., requires_grad=True)"


def _check(y: Tensor, targets: list[Tensor]) -> None:
    if not isinstance(y, Tensor) or y.node is None:
        raise TypeError("grad: y is a constant; make the inputs Parameters or Tensor(..., requires_grad=True)")
    for i, x in enumerate(targets):
        if not isinstance(x, Tensor) or x.node is None:
            kind = "a Module; write model.parameters()" if hasattr(x, "parameters") else _CONSTANT
            raise TypeError(f"grad: xs[{i}] is {kind}")


def _cotangent(y: Tensor, gy) -> Tensor:
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


def backward(self: Tensor, gradient=None, *, retain_graph: bool = False) -> None:
    """Add the gradient of this tensor to the `.grad` of every variable behind it: `grad` with all leaves as its xs."""
    if self.node is None:
        raise TypeError("backward: this tensor is a constant; make the inputs Parameters")
    leaves = [constant(np.empty(()), node) for node in reachable(self.node) if node.op is None]
    for leaf, g in zip(leaves, grad(self, leaves, gradient, retain_graph=retain_graph)):
        leaf.node.grad = g if leaf.node.grad is None else leaf.node.grad + g


Tensor.backward = backward
