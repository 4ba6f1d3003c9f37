"""All properties that are tested, each with the arguments that must have it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinygen.testing import derivatives, extremes, values
from tinygen.testing.case import Arrays, Case, Static

Measure = Callable[[Case, Arrays, Static, np.random.Generator], dict[str, float]]


@dataclass(frozen=True)
class Property:
    """`measure` tests one example; `arguments(case)` are the names to test, () if the property does not apply."""

    name: str
    measure: Measure
    arguments: Callable[[Case], tuple[str, ...]]

    @property
    def promise(self) -> str:
        return self.measure.__doc__ or ""


def _whole(case: Case) -> tuple[str, ...]:
    return ("*",)


def _each(case: Case) -> tuple[str, ...]:
    return case.arguments


def _linear(case: Case) -> tuple[str, ...]:
    return case.linear


def _if(flag: str) -> Callable[[Case], tuple[str, ...]]:
    return lambda case: ("*",) if getattr(case, flag) else ()


PROPERTIES: dict[str, Property] = {
    p.name: p
    for p in (
        Property("value", values.value, _whole),
        Property("order 1", derivatives.order_1, _each),
        Property("order 2", derivatives.order_2, lambda case: tuple(a for a in case.arguments if a not in case.added)),
        Property("adjoint", derivatives.adjoint, _linear),
        Property("exact", derivatives.exact, lambda case: case.linear if case.exact else ()),
        Property("cotangent", derivatives.cotangent, _each),
        Property("subgradient", derivatives.subgradient, _if("convex")),
        Property("types", values.types, _each),
        Property("empty", values.empty, _if("empty")),
        Property("broadcast", values.broadcast, _if("broadcasts")),
        Property("layout", values.layout, _whole),
        Property("precision", values.precision, _whole),
        Property("extremes", extremes.extremes, _if("elementwise")),
        Property("memory", values.memory, _whole),
        Property("repeat", values.repeat, _whole),
    )
}
