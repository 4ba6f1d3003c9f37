"""What a walk over a graph is graded on: the gradients of a few programs, and how it gets them."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, call
from tinygen.op import no_grad
from tinygen.ops.elementwise import exp
from tinygen.tensor import Node, Tensor, constant


def _product(a, b):
    return a * b, (a, b)


def _used_twice(a, b):
    b = a + a
    return b * b, (a,)


def _two_lengths(a, b):
    b = a * a
    return a + b, (a,)


def _three_lengths(a, b):
    b = a * a
    c = b * b
    return a + (b + c * c), (a,)


def _through_its_output(a, b):
    b = exp(a)
    return b * b, (a,)


def _inner_target(a, b):
    b = a * a
    return b * a, (a, b)


def _root(a, b):
    c = a * a
    return c, (c, a)


def _unused(a, b):
    return (a * a) * exp(b), (a,)


def _unreached(a, b):
    return exp(a), (a, b)


def _quotient(a, b):
    return exp(a) / (b * b + 1), (a, b)


def _nothing(a, b):
    return exp(a), (b,)


def _total(a, b):
    return (exp(a) * b).sum(), (a, b)


DEPTH = 3000  # calls of functions inside each other that a walk may make, whatever a learner's file allows
PROGRAMS: dict[str, Callable] = {  # what is computed from a and b, for which targets
    "c = a * b, for a and b": _product,
    "b = a + a, c = b * b, for a": _used_twice,
    "b = a * a, c = a + b, for a": _two_lengths,
    "b = exp(a), c = b * b, for a": _through_its_output,
    "b = a * a, c = b * a, for a and b": _inner_target,
    "c = a * a, for c and a": _root,
    "c = (a * a) * exp(b), for a": _unused,
    "c = exp(a), for a and b": _unreached,
    "c = exp(a), for b": _nothing,
    "b = a * a, c = b * b, d = a + (b + c * c), for a": _three_lengths,
    "c = exp(a) / (b * b + 1), for a and b": _quotient,
    "c = (exp(a) * b).sum(), for a and b": _total,
}


def _walked(walk: Callable, y: Tensor, targets: tuple[Tensor, ...], g: np.ndarray, keep: bool) -> list[Tensor] | None:
    """The gradients that a walk finds, zeros for targets that it doesn't reach; None if it returns nothing."""
    nodes: list[Any] = [x.node for x in targets]
    found = walk(y.node, set(nodes), constant(g), keep)
    if found is None or found is ...:
        return None
    if not isinstance(found, dict):
        raise TypeError(f"expected a dictionary from nodes to their gradients, got {type(found).__name__}")
    return [found[n] if n in found else constant(np.zeros(x.shape, x.dtype)) for n, x in zip(nodes, targets)]


def gradients_of(walk: Callable) -> Callable:
    """The gradients of a program; with order=2, those of the sum of their squares."""

    def gradients(program, a, b, order=1):
        a, b = (Tensor(each, requires_grad=True) for each in (a, b))
        y, targets = PROGRAMS[program](a, b)
        g = np.linspace(1, 2, y.size, dtype=y.dtype).reshape(y.shape)
        if order == 1:
            with no_grad():
                return _walked(walk, y, targets, g, False)
        first = _walked(walk, y, targets, g, True)
        if first is None:
            return None
        total = Tensor(np.zeros((), y.dtype))
        for each in first:
            total = total + (each * each).sum()
        if not total.requires_grad:
            return [np.zeros(a.shape)] * 2  # all that a gradient depends on was lost
        with no_grad():
            return _walked(walk, total, (a, b), np.ones((), y.dtype), False)

    return gradients


def program(rng: np.random.Generator, size: int) -> Arguments:
    """A program, and its arguments."""
    program = in_turn(rng, size, [*PROGRAMS])
    shape = ((), (2,), (2, 3))[size % 3]
    return call(program, uniform(rng, shape), uniform(rng, shape))


def program_twice(rng: np.random.Generator, size: int) -> Arguments:
    """The same, for gradients of gradients."""
    return Arguments(program(rng, size).args, {"order": 2})


def _one() -> tuple[Tensor, Any]:
    """A variable, and its node."""
    x = Tensor(np.ones(()), requires_grad=True)
    return x, x.node


def _twice(counter: list, x: Node) -> Node:
    """A node of x + x, whose rules count how often they are called."""

    def rule(g):
        counter.append(1)
        return g

    return Node(_twice, [(x, rule), (x, rule)], None, x.shape)


def calls_of(walk: Callable) -> Callable:
    """How many rules a walk calls for a chain of sums x + x; the targets are x and a sum in the middle."""

    def rule_calls(sums):
        counter, (_, x) = [], _one()
        chain = [x]
        for _ in range(sums):
            chain.append(_twice(counter, chain[-1]))
        walk(chain[-1], {x, chain[sums // 2]}, constant(np.ones(())), False)
        return len(counter)

    return rule_calls


def unused_calls_of(walk: Callable) -> Callable:
    """How many rules a walk calls that lead to no target."""

    def rule_calls_of_unused_branches():
        counter, (a, target), (_, b) = [], _one(), _one()
        side = constant(np.ones(()), _twice(counter, b))  # leads to b alone
        y: Any = (a * side).node
        walk(y, {target}, constant(np.ones(())), False)
        return len(counter)

    return rule_calls_of_unused_branches


def deep(walk: Callable) -> Callable:
    """The gradient through a long chain of ops; RuntimeError for a walk that raises Python's limit of recursion."""

    def gradient_through(ops):
        a, _ = _one()
        y = a
        for _ in range(ops):
            y = -y
        before = sys.getrecursionlimit()
        limit = min(before, DEPTH)
        sys.setrecursionlimit(limit)
        try:
            with no_grad():
                found = _walked(walk, y, (a,), np.ones(()), False)
            if sys.getrecursionlimit() != limit:
                raise RuntimeError(
                    "expected a loop, got a recursion with a higher limit: its depth is that of the graph"
                )
        finally:
            sys.setrecursionlimit(before)
        return None if found is None else found[0]

    return gradient_through


def dropped(walk: Callable) -> Callable:
    """How many of two nodes with edges, and of one variable, a walk drops."""

    def dropped_nodes_and_variables(keep):
        a, variable = _one()
        b = exp(a)
        inner: list[Any] = [b.node, (b * b).node]
        with no_grad():
            walk(inner[1], {variable}, constant(np.ones(())), keep)
        lost = [node.edges is None and node.output is None for node in inner]
        return np.array([sum(lost), variable.edges is None])

    return dropped_nodes_and_variables
