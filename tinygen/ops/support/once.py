"""What several rules of an op have in common, computed once for all of them."""

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from tinygen.op import mode
from tinygen.tensor import Tensor, constant

Rule = Callable[[Tensor], Tensor]


def once(compute: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """`compute(g)` that isn't done again for the same g, as the rules of one op are all given.

    Not while gradients are recorded: an answer with a recipe, kept inside a rule, would tie that recipe into a circle.
    """
    last = None, None

    def answer(g):
        nonlocal last
        if mode.recording:
            return compute(g)
        if last[0] is not g.data:
            last = g.data, compute(g)
        return last[1]

    return answer


def fused(kernel: Callable[[ndarray], tuple[ndarray, ...]], *rules: Rule) -> list[Rule]:
    """`rules`, whose answers to the same g one `kernel` makes in one go; while gradients are recorded, each its own."""
    answers = once(lambda g: [constant(answer) for answer in kernel(g.data)])
    return [lambda g, i=i, rule=rule: rule(g) if mode.recording else answers(g)[i] for i, rule in enumerate(rules)]
