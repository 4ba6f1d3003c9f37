"""The walk of backpropagation, step by step: which gradient arrives at a node, and what its rules send to the parents.

`grad` computes the gradient of each node. The rules of a node, called once more with this gradient, give its shares of
the gradients of its parents. The graph is kept. Values are those that the graph keeps for its rules, and those of named
tensors; `tg.trace` records all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np
from numpy import ndarray

from tinygen.errors import arguments
from tinygen.grad import grad
from tinygen.graph.nodes import Graph, Names
from tinygen.op import no_grad, takes_output
from tinygen.tensor import Node, Operand, Tensor, constant

Values = bool | list  # True, False, or the calls that `tg.trace` has recorded


@dataclass(frozen=True)
class Share:
    """What one edge carries: the share of the gradient of `parent` that comes from `child`."""

    child: Node
    parent: Node
    array: ndarray | None  # None without values


@dataclass
class Step:
    """The visit of one node, number 1 first. `arrived` are the shares that it received, `sent` those that it sends."""

    number: int
    node: Node
    value: ndarray | None = None  # None if no rule needs it, so that the graph doesn't keep it
    gradient: ndarray | None = None
    arrived: list[Share] = field(default_factory=list)
    sent: list[Share] = field(default_factory=list)


class Walk:
    """The steps of the backward pass from y, at most `limit` of them; `left` is the number of nodes without a step."""

    def __init__(self, y: Tensor, names: Names | None, values: Values, gy: Operand | None, limit: int):
        limit = arguments.whole("graph", "limit", limit, least=1)
        self.graph = Graph(y, names)
        shown = self.graph.nodes[: -limit - 1 : -1]  # the youngest first; whatever used one of them is shown too
        self.left = len(self.graph.nodes) - len(shown)
        self.has_values = values is not False
        self.steps = [Step(i + 1, node) for i, node in enumerate(shown)]
        self.step_of = {step.node: step for step in self.steps}
        if self.has_values:
            known = _values(y, self.graph, names, values if isinstance(values, list) else [])
            gradients = grad(y, [constant(np.empty(()), node) for node in shown], gy, retain_graph=True)
            for step, gradient in zip(self.steps, gradients):
                step.value, step.gradient = known.get(step.node), gradient.data
        for step in self.steps:
            for share in _shares(step):
                step.sent.append(share)
                if share.parent in self.step_of:
                    self.step_of[share.parent].arrived.append(share)


def _shares(step: Step) -> Iterator[Share]:
    """What the rules of a node send to each parent."""
    node = step.node
    y = None if node.output is None else constant(node.output, node)
    for parent, vjp in node.edges:
        array = None
        if step.gradient is not None:
            with no_grad(), np.errstate(divide="ignore", invalid="ignore"):
                g = constant(step.gradient)
                array = (vjp(g, y) if takes_output(vjp) else vjp(g)).data
        yield Share(node, parent, array)


# -- the values --------------------------------------------------------------------------------------------------------


def _values(y: Tensor, graph: Graph, names: Names | None, calls: list) -> dict[Node, ndarray]:
    """The value of each node, if it is known: from names, kept outputs, rules, traced calls."""
    known = {tensor.node: tensor.data for tensor in (names or {}).values()}
    for node in graph.nodes:
        if node.output is not None:
            known[node] = node.output
        for _, vjp in node.edges:
            known.update((tensor.node, tensor.data) for tensor in _tensors_in(vjp))
    for _, inputs, _, output in calls:
        known.update((tensor.node, tensor.data) for tensor in (*inputs, output))
    known[y.node] = y.data
    return {node: data for node, data in known.items() if node is not None}


def _tensors_in(rule: FunctionType) -> Iterator[Tensor]:
    """The tensors that a derivative rule keeps: in the variables and defaults that it refers to."""
    seen: set[int] = set()
    todo: list[Any] = [rule]
    while todo:
        held = todo.pop()
        if id(held) in seen:
            continue
        seen.add(id(held))
        if type(held) is Tensor:  # no Parameter: an optimizer may have replaced its data since
            yield held
        elif isinstance(held, FunctionType):
            todo += [*_cells(held), *(held.__defaults__ or ())]
        elif isinstance(held, tuple | list):
            todo += held


def _cells(function: FunctionType) -> Iterable[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a variable that was never set
            continue
