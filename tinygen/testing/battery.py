"""The whole battery for one op in one call, `check_op(my_op, sample, oracle)`: no test framework needed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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


def check_op(
    op: Callable[..., Tensor],
    sample: Callable,
    oracle: Callable,
    *,
    examples: int = 25,
    seed: int = 0,
    **flags: Any,
) -> dict[tuple[str, str], Shown]:
    """Test your own op for all properties that the ops of tinygen are tested for.

    `sample(rng)` draws `(arrays, static)`: float64 inputs off kinks and poles, and a dict of keyword arguments.
    `oracle(*arrays, **static)` is the same function in plain NumPy. `flags` are those of `Case`: `linear=("x",)`,
    `exact`, `flat`, `convex`, `view`, `analytic=False` if the oracle can't take complex numbers. Every property that
    applies is tested for each argument with `examples` examples that can fail. Returns the number of examples and the
    largest error by (property, argument). Raises AssertionError at the first example that breaks a property, or if too
    few samples can fail. Broadcast inputs and empty arrays are tested if the samples contain them.
    """
    case = Case(op=op, sample=sample, oracle=oracle, **flags)
    shown = {}
    for prop in PROPERTIES.values():
        found = attempt(case, prop, examples, seed) if prop.name in SHARES else show(case, prop, examples, seed)
        shown.update({(prop.name, name): seen for name, seen in found.items()})
    attempt(case, LARGE, examples, seed, enough=LARGE_EXAMPLES)
    return shown


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
