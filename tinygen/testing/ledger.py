"""The ledger: how often each property was really shown, for each op and argument, and where that was too seldom.

A test that never ran, or ran on empty arrays only, passes like any other; the ledger is what notices. Only examples
that say something are entered: with entries, finite, and with a derivative that is not zero throughout.
"""

import math
from collections import Counter
from collections.abc import Iterable

from tinygen.testing.case import Case
from tinygen.testing.properties import PROPERTIES, Property

PROFILES = ("quick", "full", "long")
MINIMA = {  # examples that say something, per argument (or op), in each profile
    "value": (25, 100, 1000),
    "order 1": (25, 200, 2000),
    "order 2": (25, 100, 1000),
    "adjoint": (25, 500, 2000),
    "exact": (25, 500, 2000),
    "cotangent": (25, 100, 1000),
    "subgradient": (100, 1000, 10_000),
    "types": (25, 100, 1000),
    "empty": (200, 1000, 10_000),
    "broadcast": (200, 1000, 10_000),
    "layout": (25, 100, 1000),
    "precision": (25, 100, 1000),
    "extremes": (25, 100, 1000),
    "memory": (25, 100, 1000),
    "repeat": (25, 100, 1000),
}
SHARES = {"empty": 0.10, "broadcast": 0.30}  # of these, this part of the examples has to say something


class Ledger:
    """Examples counted by (op, argument, property)."""

    def __init__(self):
        self.shown: Counter[tuple[str, str, str]] = Counter()
        self.tried: Counter[tuple[str, str]] = Counter()

    def enter(self, op: str, property: str, arguments: Iterable[str]) -> None:
        """One example of `property`, and the arguments about which it said something."""
        self.tried[op, property] += 1
        self.shown.update((op, argument, property) for argument in arguments)

    def pack(self) -> list[list]:
        """All counts as plain lists, to be sent from one process to another."""
        return [[[*key, n] for key, n in counter.items()] for counter in (self.shown, self.tried)]

    def merge(self, packed: list[list]) -> None:
        for counter, rows in zip((self.shown, self.tried), packed):
            counter.update({tuple(key): n for *key, n in rows})

    def complaints(self, cases: Iterable[Case], profile: str) -> list[str]:
        """In words, every cell that holds less than the profile asks for."""
        found = []
        for case in cases:
            waived = {waiver.property for waiver in case.waivers}
            for prop in PROPERTIES.values():
                for argument in prop.arguments(case) if prop.name not in waived else ():
                    shown, wanted = self.shown[case.name, argument, prop.name], self._wanted(case, prop, profile)
                    if shown < wanted:
                        who = case.name if argument == "*" else f"{case.name}, argument {argument}"
                        found.append(f'{who}: "{prop.name}" was shown {shown} times, not {wanted}')
        return found

    def _wanted(self, case: Case, prop: Property, profile: str) -> int:
        least = minimum(prop.name, profile)
        if prop.name in SHARES:
            return math.ceil(SHARES[prop.name] * max(least, self.tried[case.name, prop.name]))
        return least


def minimum(property: str, profile: str) -> int:
    """How many examples of a property the profile asks for."""
    return MINIMA[property][PROFILES.index(profile)]
