"""The whole battery for one op in one call, `check_op(my_op, sample, oracle)`: no test framework needed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from tinygen.errors.hints import did_you_mean
from tinygen.io.table import columns
from tinygen.tensor import Tensor
from tinygen.testing.case import Case
from tinygen.testing.coverage import SHARES
from tinygen.testing.large import large
from tinygen.testing.measure import Failure
from tinygen.testing.properties import PROPERTIES, Property

LARGE = Property("large", large, lambda case: ("*",))  # without a minimum: some samples can't be enlarged
LARGE_EXAMPLES = 1  # each costs as much as all the small ones
PATIENCE = 30  # draws per requested example before the samples are refused


@dataclass
class Shown:
    """How many examples tested a property for an argument, and the largest error among them."""

    examples: int = 0
    worst: float = 0.0


class Passed(dict[tuple[str, str], Shown]):
    """What `check_op` found for each (property, argument), "*" for the whole op; print shows it as a table."""

    def __init__(self, op: str, shown: dict[tuple[str, str], Shown]):
        super().__init__(shown)
        self.op = op

    def __repr__(self) -> str:
        head = "property", "argument", "examples", "largest error"
        rows = [(prop, name, str(seen.examples), f"{seen.worst:.1e}") for (prop, name), seen in self.items()]
        return "\n".join([f"{self.op}: all properties hold", columns([head, *rows])])


def check_op(
    op: Callable[..., Tensor],
    sample: Callable,
    oracle: Callable,
    *,
    examples: int = 25,
    seed: int = 0,
    **flags: Any,
) -> Passed:
    """Test your own op for all properties that the ops of tinygen are tested for.

    `sample(rng)` draws `(arrays, static)`: float64 inputs off kinks and poles, and a dict of keyword arguments.
    `oracle(*arrays, **static)` is the same function in plain NumPy. `flags` are those of `Case`: `linear=("x",)`,
    `exact`, `flat`, `convex`, `view`, `analytic=False` if the oracle can't take complex numbers. Every property that
    applies is tested for each argument with `examples` examples that can fail. Returns the number of examples and the
    largest error by (property, argument), which print shows as a table. Raises AssertionError at the first example that
    breaks a property, or if too few samples can fail. Broadcast inputs and empty arrays are tested if the samples
    contain them.
    """
    known = [name for name in signature(Case).parameters if name not in ("op", "sample", "oracle")]
    for name in flags:
        if name not in known:
            raise TypeError(f"check_op: expected flags among {', '.join(known)}, got {name}{did_you_mean(name, known)}")
    case = Case(op=op, sample=sample, oracle=oracle, **flags)
    _check_sample(case, sample(np.random.default_rng(seed)))
    shown = {}
    for prop in PROPERTIES.values():
        found = attempt(case, prop, examples, seed) if prop.name in SHARES else show(case, prop, examples, seed)
        shown.update({(prop.name, name): seen for name, seen in found.items()})
    attempt(case, LARGE, examples, seed, enough=LARGE_EXAMPLES)
    return Passed(case.name, shown)


def _check_sample(case: Case, drawn: Any) -> None:
    """Refuse what `sample` returned unless it is a pair of float64 arrays and a dict."""
    pair = drawn if isinstance(drawn, tuple) and len(drawn) == 2 else (None, None)
    if not (isinstance(pair[0], tuple | list) and isinstance(pair[1], dict)):
        got = (
            f"({', '.join(type(part).__name__ for part in drawn)})"
            if isinstance(drawn, tuple)
            else type(drawn).__name__
        )
        hint = "write sample=lambda rng: ((rng.normal(size=(2, 3)),), {}), a tuple of arrays and a dict of settings"
        raise TypeError(f"check_op: expected sample(rng) to return (arrays, settings), got {got}: {hint}")
    for i, a in enumerate(pair[0]):
        if not isinstance(a, np.ndarray) or a.dtype != np.float64:
            kind = getattr(a, "dtype", type(a).__name__)
            raise TypeError(f"check_op: expected sample(rng) to draw float64 arrays, got {kind} for {case.argument(i)}")


def show(case: Case, prop: Property, examples: int, seed: int) -> dict[str, Shown]:
    """Test a property of a case with `examples` examples per argument; {} if it does not apply."""
    shown = {name: Shown() for name in prop.arguments(case)}
    for i in range(PATIENCE * examples):
        if all(seen.examples >= examples for seen in shown.values()):
            return shown
        _once(case, prop, seed, i, shown)
    for name, seen in shown.items():
        if seen.examples < examples:
            raise AssertionError(
                f'{case.name}: "{prop.name}" was tested for {name} by {seen.examples} of {PATIENCE * examples} '
                f"samples, expected {examples}: draw samples with entries that make this property fail if it is broken"
            )
    return shown


def attempt(case: Case, prop: Property, tries: int, seed: int, *, enough: float = math.inf) -> dict[str, Shown]:
    """Test a property on up to `tries` samples, until `enough` of them could have failed."""
    shown = {name: Shown() for name in prop.arguments(case)}
    for i in range(tries if shown else 0):
        if all(seen.examples >= enough for seen in shown.values()):
            break
        _once(case, prop, seed, i, shown)
    return shown


def _once(case: Case, prop: Property, seed: int, i: int, shown: dict[str, Shown]) -> None:
    rng = np.random.default_rng([seed, i])
    arrays, static = case.sample(rng)
    try:
        found = prop.measure(case, arrays, static, rng)
    except Failure as failure:
        failure.add_note(f'  property "{prop.name}": {prop.promise}\n  example {i} of seed {seed}')
        raise
    for name, error in found.items():
        shown[name].examples += 1
        shown[name].worst = max(shown[name].worst, error)
