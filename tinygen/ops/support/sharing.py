"""Derivative rules by a kernel while nothing is recorded; work that several rules of one op share is done once."""

from collections.abc import Callable, Iterable
from typing import Any

from numpy import ndarray

from tinygen.op import mode
from tinygen.tensor import Tensor, constant

Rule = Callable[[Tensor], Tensor]


def once(compute: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """`compute(g)`, remembered for the last g, because all rules of an op are called with the same one.

    Nothing is remembered while gradients are recorded: the graph of a result kept inside a rule would be a cycle.
    """
    last = None, None

    def remembered(g):
        nonlocal last
        if mode.recording:
            return compute(g)
        if last[0] is not g.data:
            last = g.data, compute(g)
        return last[1]

    return remembered


def quick(kernel: Callable[[ndarray], ndarray], rule: Rule) -> Rule:
    """`rule`, whose result `kernel` makes from the array of g, unless gradients are recorded."""
    return lambda g: rule(g) if mode.recording else constant(kernel(g.data))


def jointly(compute: Callable[[Tensor], list[Tensor]], n: int) -> list[Rule]:
    """The n rules of an op whose gradients `compute(g)` returns all together."""
    gradients = once(compute)
    return [lambda g, i=i: gradients(g)[i] for i in range(n)]


def shared(kernel: Callable[[ndarray], Iterable[ndarray]], *rules: Rule) -> list[Rule]:
    """`rules` whose results one call of `kernel` makes; while gradients are recorded, each rule makes its own."""
    results = once(lambda g: [constant(array) for array in kernel(g.data)])
    return [lambda g, i=i, rule=rule: rule(g) if mode.recording else results(g)[i] for i, rule in enumerate(rules)]
