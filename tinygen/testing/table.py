"""The gradient checks of every op as one table: what `python -m tinygen check` prints. No test framework needed."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from tinygen.columns import columns
from tinygen.progress import progress
from tinygen.testing.battery import Shown, show
from tinygen.testing.case import Case
from tinygen.testing.cases import CASES
from tinygen.testing.properties import PROPERTIES

EXAMPLES = 10  # per op, argument and property


class Row(NamedTuple):
    """One argument of one op: the largest scaled errors seen; None where none could be, as adjoints of a sine."""

    op: str
    argument: str
    order_1: float | None
    order_2: float | None
    adjoint: float | None
    worst: float | None
    ok: bool
    why: str  # what is wrong, in full; empty if nothing is


def run(
    cases: Iterable[Case] | None = None, *, examples: int = EXAMPLES, seed: int = 0, quiet: bool = False
) -> list[Row]:
    """Check first and second derivatives and adjoints of all cases, in seconds."""
    cases = list(CASES.values() if cases is None else cases)
    return [row for case in progress(cases, label="ops", quiet=quiet) for row in _check(case, examples, seed)]


def _check(case: Case, examples: int, seed: int) -> list[Row]:
    seen: dict[str, dict[str, Shown]] = {}
    why: dict[str, str] = {}
    for name in ("order 1", "order 2", "adjoint", "exact"):
        try:
            seen[name] = show(case, PROPERTIES[name], examples, seed)
        except Exception as error:  # whatever a wrong rule does, the other rows are still wanted
            culprit = getattr(error, "argument", "*")
            text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
            for argument in PROPERTIES[name].arguments(case):
                blamed = culprit in ("*", argument)
                why.setdefault(argument, text if blamed else f"{name} not checked to the end, because of {culprit}")
            seen[name] = {culprit: Shown(worst=getattr(error, "error", math.inf))}
    return [_row(case, argument, seen, why.get(argument, "")) for argument in case.arguments]


def _row(case: Case, argument: str, seen: dict[str, dict[str, Shown]], why: str) -> Row:
    worst = {name: shown[argument].worst for name, shown in seen.items() if argument in shown}
    errors = {name: error for name, error in worst.items() if math.isfinite(error)}
    return Row(
        op=case.name,
        argument=argument,
        order_1=errors.get("order 1"),
        order_2=errors.get("order 2"),
        adjoint=max((errors[name] for name in ("adjoint", "exact") if name in errors), default=None),
        worst=max(errors.values(), default=None),
        ok=not why,
        why=why,
    )


def format(rows: list[Row]) -> str:
    """The rows as text, then what is wrong in full, then the verdict."""
    cells = [("op", "argument", "order 1", "order 2", "adjoint", "worst error", "verdict")]
    for row in rows:
        numbers = (_number(e) for e in (row.order_1, row.order_2, row.adjoint, row.worst))
        cells.append((row.op, row.argument, *numbers, "ok" if row.ok else "WRONG"))
    details = [f"\n{row.op}, argument {row.argument}: {row.why}" for row in rows if not row.ok]
    return "\n".join([columns(cells), *details, "", verdict(rows)])


def verdict(rows: list[Row]) -> str:
    """One line: how many were checked, and which of them are wrong."""
    ops, wrong = {row.op for row in rows}, [f"{row.op} ({row.argument})" for row in rows if not row.ok]
    checked = f"{len(ops)} ops, {len(rows)} arguments"
    if wrong:
        return f"{checked}: {len(wrong)} WRONG: {', '.join(wrong)}"
    first, second, adjoint = (
        max((e for e in column if e is not None), default=0.0) for column in list(zip(*rows))[2:5]
    )
    return f"{checked}: all right; worst errors {first:.1e} (order 1), {second:.1e} (order 2), {adjoint:.1e} (adjoint)"


def _number(error: float | None) -> str:
    return "-" if error is None else "0" if error == 0 else f"{error:.1e}"
