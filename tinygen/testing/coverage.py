"""The coverage table: how many examples have tested each property of each op and argument, and where there are too few.

A test that never ran passes, and so does one that ran on empty arrays only. The table counts only examples that can
fail: arrays with entries, finite numbers, and a derivative that is not zero everywhere.
"""

import math
from collections import Counter
from collections.abc import Iterable

from tinygen.testing.case import Case
from tinygen.testing.properties import PROPERTIES, Property

PROFILES = ("quick", "full", "long")
MINIMA = {  # examples that can fail, per argument (or op), in each profile
    "value": (10, 100, 1000),
    "order 1": (10, 200, 2000),
    "order 2": (10, 100, 1000),
    "adjoint": (10, 500, 2000),
    "exact": (10, 500, 2000),
    "cotangent": (10, 100, 1000),
    "subgradient": (40, 1000, 10_000),
    "types": (10, 100, 1000),
    "empty": (60, 1000, 10_000),
    "broadcast": (60, 1000, 10_000),
    "layout": (10, 100, 1000),
    "precision": (10, 100, 1000),
    "extremes": (10, 100, 1000),
    "memory": (10, 100, 1000),
    "repeat": (10, 100, 1000),
}
SHARES = {"empty": 0.10, "broadcast": 0.30}  # the minimum of these is a share of all examples that were drawn


class Coverage:
    """Examples counted by (op, argument, property)."""

    def __init__(self):
        self.shown: Counter[tuple[str, str, str]] = Counter()
        self.tried: Counter[tuple[str, str]] = Counter()

    def add(self, op: str, property: str, arguments: Iterable[str]) -> None:
        """Count one example of `property`, and the arguments that it tested."""
        self.tried[op, property] += 1
        self.shown.update((op, argument, property) for argument in arguments)

    def pack(self) -> list[list]:
        """All counts as plain lists, to send from one process to another."""
        return [[[*key, n] for key, n in counter.items()] for counter in (self.shown, self.tried)]

    def merge(self, packed: list[list]) -> None:
        """Add the counts that another process has packed."""
        for counter, rows in zip((self.shown, self.tried), packed):
            counter.update({tuple(key): n for *key, n in rows})

    def missing(self, cases: Iterable[Case], profile: str) -> list[str]:
        """One message for each cell with fewer examples than the profile requires."""
        found = []
        for case in cases:
            waived = {waiver.property for waiver in case.waivers}
            for prop in PROPERTIES.values():
                for argument in prop.arguments(case) if prop.name not in waived else ():
                    shown, least = self.shown[case.name, argument, prop.name], self._least(case, prop, profile)
                    if shown < least:
                        who = case.name if argument == "*" else f"{case.name}, argument {argument}"
                        found.append(f'{who}: "{prop.name}" was tested by {shown} examples, expected {least}')
        return found

    def _least(self, case: Case, prop: Property, profile: str) -> int:
        least = minimum(prop.name, profile)
        if prop.name in SHARES:
            return math.ceil(SHARES[prop.name] * max(least, self.tried[case.name, prop.name]))
        return least


def minimum(property: str, profile: str) -> int:
    """How many examples of a property the profile requires."""
    return MINIMA[property][PROFILES.index(profile)]
