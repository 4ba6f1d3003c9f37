"""Which op is to blame: after a failed check, each op call is checked by itself, with the same inputs.

A wrong first derivative is the first op whose rule is wrong. A wrong second derivative has two possible causes: rules
are made of ops, so one of those may have a wrong rule; only if all of them are right, a rule itself can't be
differentiated, because something in it is a plain number that should be a Tensor.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygen.grad import grad, place_of
from tinygen.gradcheck.compare import Outcome, compare
from tinygen.gradcheck.limits import DIRECTIONS, FULL, LIMITS
from tinygen.gradcheck.point import Arrays, Point, first, names_of, normal, second
from tinygen.gradcheck.report import Row
from tinygen.gradcheck.verdict import words
from tinygen.op import trace
from tinygen.tensor import Tensor

_LEAK = "something in it is plain numbers (.data, .numpy(), detach) where an op on Tensors belongs"


class Call(NamedTuple):
    """One op call as it was recorded."""

    op: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    settings: dict
    output: Tensor
    title: str  # "`mul` (op call 3 of 7)"

    @property
    def live(self) -> list[int]:
        """The inputs that gradients flow to; the rules for the others are not used."""
        return [i for i, x in enumerate(self.inputs) if x.requires_grad]

    @property
    def names(self) -> list[str]:
        names = names_of(self.op, len(self.inputs))
        return [f"{names[i]} {self.inputs[i].shape}" for i in self.live]

    def rule(self, j: int) -> str:
        """Where the rule for the live input j is written."""
        node = self.output.node
        return f"\n  its rule: {place_of(node.edges[j][1])}" if node is not None else ""

    @property
    def arrays(self) -> Arrays:
        return [self.inputs[i].data for i in self.live]

    def alone(self, *xs: Tensor) -> Tensor:
        """The op once more, as a function of its live inputs."""
        inputs = list(self.inputs)
        for i, x in zip(self.live, xs):
            inputs[i] = x
        return self.op(*inputs, **self.settings)


def blame(f: Callable, arrays: Arrays, row: Row, rng: np.random.Generator) -> str:
    """A sentence on which op made `row` fail, and how, or that no single op did."""
    with trace() as forward:
        first(f, arrays)
    with trace() as traced:  # at order 2 these are the calls of f, then those of its rules
        point = first(f, arrays) if row.order == 1 else second(f, arrays, row.output, _cotangent(f, arrays, row, rng))
    y = point.outputs[row.output if row.order == 1 else row.argument]
    calls = [
        Call(op, inputs, settings, output, _title(op, i, len(forward)))
        for i, (op, inputs, settings, output) in enumerate(traced)
    ]
    if not any(call.live for call in calls):
        return "blame: no op: the result doesn't come from ops on the arguments of f, so no gradient flows to them"
    if row.verdict == "not finite":
        return _not_finite(calls, y, rng)
    for call in calls:
        if call.live and (phrase := _first_order(call, row.verdict, rng)):
            return f"blame: {call.title}: {phrase}"
    for call in calls[: len(forward)] if row.order == 2 else []:
        if call.live and (phrase := _second_order(call, row.verdict, rng)):
            return f"blame: {call.title}: {phrase}"
    if row.verdict != "wrong":
        return ""
    return _layout(calls, y, rng) or (
        f"blame: no op: every op call ({len(calls)}) is right on its own, so between them something leaves the "
        "graph (.data, .numpy(), .detach(), no_grad), and its part of the derivative is lost"
    )


def _title(op: Callable, number: int, forward: int) -> str:
    if number >= forward:
        return f"`{op.__name__}` (called by a rule)"
    return f"`{op.__name__}`" + (f" (op call {number + 1} of {forward})" if forward > 1 else "")


def _cotangent(f: Callable, arrays: Arrays, row: Row, rng: np.random.Generator) -> np.ndarray:
    return normal(rng, first(f, arrays).outputs[row.output].shape)


def _first_order(call: Call, verdict: str, rng: np.random.Generator) -> str:
    point = first(call.alone, call.arrays)
    found = _matching(point, LIMITS["order 1"], verdict, rng)
    if found is None:
        return ""
    _, j, outcome = found
    if verdict == "kink":
        value = call.arrays[j][outcome.entry] if outcome.entry is not None else np.nan
        return f"its argument {call.names[j]} is on a kink at entry {outcome.entry}, where it is {value:.3g}"
    if verdict == "undecided":
        return f"rounding hides its derivative in {call.names[j]}"
    return f"its derivative in {call.names[j]} {words(point, 0, j, call.names, rng)}{call.rule(j)}"


def _second_order(call: Call, verdict: str, rng: np.random.Generator) -> str:
    point = second(call.alone, call.arrays, 0, normal(rng, call.output.shape))
    found = _matching(point, LIMITS["order 2"], verdict, rng)
    if found is None:
        return ""
    k, j, _ = found
    by = [*call.names, "the incoming gradient"]
    text = words(point, k, j, by, rng)
    return (
        f"its first derivative in {by[k]} is right, but the derivative of that by {by[j]} {text}: {_LEAK}{call.rule(k)}"
    )


def _matching(point: Point, limit: float, verdict: str, rng) -> tuple[int, int, Outcome] | None:
    found = compare(point, rng, limit=limit, full=FULL, directions=DIRECTIONS)
    return next((each for each in found if each[2].verdict == verdict), None)


def _incoming(calls: list[Call], y: Tensor, rng: np.random.Generator) -> list[tuple[Call, Tensor]]:
    """The calls that lead to y, last first, each with its incoming gradient."""
    reached = [call for call in calls if call.output.requires_grad]
    if not y.requires_grad:
        return []
    gradients = grad(y, [call.output for call in reached], normal(rng, y.shape), retain_graph=True)
    return list(zip(reached, gradients))[::-1]


def _not_finite(calls: list[Call], y: Tensor, rng: np.random.Generator) -> str:
    """The first op that turns finite numbers into infinity or NaN, in the forward pass, else in the backward pass."""
    with np.errstate(all="ignore"):
        if not np.isfinite(y.data).all():
            for call in calls:
                if all(np.isfinite(x.data).all() for x in call.inputs) and not np.isfinite(call.output.data).all():
                    return f"blame: {call.title}: its value is not finite, though its inputs are"
        for call, g in _incoming(calls, y, rng):
            if not np.isfinite(g.data).all():
                continue
            for j, d in enumerate(first(call.alone, call.arrays).pull(0, g)):
                if not np.isfinite(d).all():
                    return f"blame: {call.title}: {_pole(call, j, d, g.data)}{call.rule(j)}"
    return "blame: no op: all values and gradients are finite at the point, but not next to it: move it off the edge"


def _pole(call: Call, j: int, d: np.ndarray, g: np.ndarray) -> str:
    entry = tuple(int(i) for i in np.argwhere(~np.isfinite(d))[0])
    x = call.arrays[j][entry]
    text = f"its derivative in {call.names[j]} is {d[entry]} at entry {entry}, where the input is {x:.3g}"
    if g.shape == d.shape and g[entry] == 0:
        text += (
            "; the incoming gradient is 0 there, so the result must be 0, or `where` can't protect the branch that it "
            "did not take: multiply with ops.gate, divide with ops.ratio"
        )
    return text


def _layout(calls: list[Call], y: Tensor, rng: np.random.Generator) -> str:
    """A rule that is right for a contiguous gradient, and wrong for a view with other strides."""
    for call, g in _incoming(calls, y, rng):
        point = first(call.alone, call.arrays)
        as_it_comes, in_order = point.pull(0, g), point.pull(0, Tensor(g.data))
        for name, a, b in zip(call.names, as_it_comes, in_order):
            if np.abs(a - b).max(initial=0) > 1e-10 * np.abs(b).max(initial=0):
                return (
                    f"blame: {call.title}: its derivative in {name} depends on how the incoming gradient is stored in "
                    f"memory: it is right for a copy, but here that is a view with strides {g.data.strides}"
                    f"{call.rule(call.names.index(name))}"
                )
    return ""
