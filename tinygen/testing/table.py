"""The checks of every op as one table: what `python -m tinygen check` prints. No test framework needed."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np

from tinygen.errors.arguments import whole
from tinygen.grad import grad
from tinygen.io.progress import progress
from tinygen.io.table import columns, paragraphs
from tinygen.op import DEFINITIONS, trace
from tinygen.testing.battery import LARGE, LARGE_EXAMPLES, Shown, attempt, show
from tinygen.testing.case import Case
from tinygen.testing.cases import CASES
from tinygen.testing.draws import normal
from tinygen.testing.measure import variables
from tinygen.testing.properties import PROPERTIES

EXAMPLES = 10  # per op, argument and property

# The value of an op depends on no other op, its first derivative on the values of the ops that its rules call, its
# second on their first derivatives. So an op is to blame if all ops that it calls are right one level below.
VALUE, FIRST, SECOND = 0, 1, 2
LEVELS = {"value": VALUE, "precision": VALUE, "large": VALUE}
PLAIN = ("order 1", "order 2")  # are also checked with the plain rule, if a faster one has replaced it
LEVELS |= {"order 1": FIRST, "adjoint": FIRST, "exact": FIRST, "order 2": SECOND}
HEADS = ("op", "argument", "order 1", "order 2", "adjoint", "float32", "worst error", "verdict")


class Row(NamedTuple):
    """One argument of one op: the largest scaled errors; None if there is none, as for the adjoint of a sine."""

    op: str
    argument: str
    order_1: float | None
    order_2: float | None
    adjoint: float | None
    float32: float | None
    worst: float | None
    ok: bool
    why: str  # what is wrong, in full; empty if nothing is
    calls: str = ""  # the wrong op that the rules of this one call, if that is the cause
    verdict: str = "ok"  # else "wrong", "undecided", "kink" or "not finite"


class _Found(NamedTuple):
    """The results of one case: errors by property and argument, and what is wrong by argument."""

    errors: dict[str, dict[str, float]]
    why: dict[str, str]
    verdicts: dict[str, str]
    level: float  # of what is wrong; infinite if nothing is


def run(
    cases: Iterable[Case] | None = None, *, examples: int = EXAMPLES, seed: int = 0, quiet: bool = False
) -> list[Row]:
    """Check values, first and second derivatives, adjoints and float32 of all cases, in seconds."""
    whole("check", "seed", seed, least=0)
    cases = list(CASES.values() if cases is None else cases)
    found = {case.name: _check(case, examples, seed) for case in progress(cases, label="ops", quiet=quiet)}

    def level_of(name: str) -> float:
        if name not in found and name in CASES:
            found[name] = _check(CASES[name], examples, seed)
        return found[name].level if name in found else math.inf

    return [row for case in cases for row in _rows(case, found[case.name], level_of)]


def _check(case: Case, examples: int, seed: int) -> _Found:
    errors: dict[str, dict[str, float]] = {}
    why: dict[str, str] = {}
    verdicts: dict[str, str] = {}
    level = math.inf
    replaced = case.op in DEFINITIONS and DEFINITIONS[case.op] is not inspect.unwrap(case.op)
    checks = [*LEVELS, *PLAIN] if replaced else [*LEVELS]
    for i, name in enumerate(checks):
        own, is_plain = LEVELS[name], i >= len(LEVELS)
        try:
            with _plain_rule(case.op) if is_plain else nullcontext():
                shown = _shown(case, name, examples, seed)
            for argument, seen in shown.items():
                errors.setdefault(name, {})
                errors[name][argument] = max(seen.worst, errors[name].get(argument, 0.0))
        except Exception as error:  # a wrong rule may do anything, and the other rows are still needed
            culprit = getattr(error, "argument", "*")
            text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
            text = f"the plain rule, which ops/fast_rules.py replaces: {text}" if is_plain else text
            gradient = getattr(error, "text", "").startswith("gradient")
            verdict = getattr(error, "verdict", "wrong")
            if verdict == "wrong":
                level = min(level, FIRST if gradient else own)
            for argument in case.arguments:
                blamed = culprit in ("*", argument)
                why.setdefault(argument, text if blamed else f"{name} not checked to the end, because of {culprit}")
                verdicts.setdefault(argument, verdict)
            errors[name] = {culprit: getattr(error, "error", math.inf)}
    return _Found(errors, why, verdicts, level)


@contextmanager
def _plain_rule(op: Callable) -> Iterator[None]:
    """Inside, an op runs its plain rule, which a faster one has replaced."""
    fast, DEFINITIONS[op] = DEFINITIONS[op], inspect.unwrap(op)
    try:
        yield
    finally:
        DEFINITIONS[op] = fast


def _shown(case: Case, name: str, examples: int, seed: int) -> dict[str, Shown]:
    if name == LARGE.name:
        return attempt(case, LARGE, examples, seed, enough=LARGE_EXAMPLES)
    return show(case, PROPERTIES[name], examples, seed)


def _rows(case: Case, found: _Found, level_of: Callable[[str], float]) -> list[Row]:
    calls = ""
    if found.level in (FIRST, SECOND):
        calls = next((name for name in _called_by_rules(case, found.level) if level_of(name) < found.level), "")
    return [_row(case, argument, found, calls) for argument in case.arguments]


def _called_by_rules(case: Case, order: int) -> list[str]:
    """The names of the ops that the rules of an op call, up to the second order."""
    arrays, static = case.sample(np.random.default_rng(0))
    try:
        with trace() as calls:
            xs = variables(arrays)
            y = case.op(*xs, **static)
            own = len(calls)
            grad(y, xs, normal(np.random.default_rng(0), y.shape), create_graph=order == SECOND)
    except Exception:  # a wrong rule may do anything
        return []
    names = [op.__name__ for op, *_ in calls[own if case.name == calls[0][0].__name__ else 0 :]]
    return [name for name in dict.fromkeys(names) if name != case.name]


def _row(case: Case, argument: str, found: _Found, calls: str) -> Row:
    errors = {
        name: error
        for name, seen in found.errors.items()
        if (error := seen.get(argument, seen.get("*"))) is not None and math.isfinite(error)
    }
    derivatives = {name: error for name, error in errors.items() if LEVELS[name] != VALUE}
    why = found.why.get(argument, "")
    return Row(
        op=case.name,
        argument=argument,
        order_1=errors.get("order 1"),
        order_2=errors.get("order 2"),
        adjoint=max((errors[name] for name in ("adjoint", "exact") if name in errors), default=None),
        float32=max((errors[name] for name in ("precision", "large") if name in errors), default=None),
        worst=max(derivatives.values(), default=None),
        ok=not why,
        why=why,
        calls=calls if why else "",
        verdict=found.verdicts.get(argument, "ok"),
    )


def format(rows: list[Row]) -> str:
    """The rows as text, then what is wrong in full, then the verdict."""
    cells: list[tuple[str, ...]] = [HEADS]
    for row in rows:
        numbers = (_number(e) for e in (row.order_1, row.order_2, row.adjoint, row.float32, row.worst))
        result = f"calls {row.calls}" if row.calls else "WRONG" if row.verdict == "wrong" else row.verdict
        cells.append((row.op, row.argument, *numbers, result))
    details = [f"\n{row.op}, argument {row.argument}: {row.why}" for row in rows if not row.ok and not row.calls]
    return "\n".join([columns(cells), *details, "", paragraphs(verdict(rows))])


def verdict(rows: list[Row]) -> str:
    """One line: how many were checked, which are wrong, which only call wrong ones, and which are undecided."""
    ops = {row.op for row in rows}
    checked = f"{len(ops)} op{'s' * (len(ops) != 1)}, {len(rows)} argument{'s' * (len(rows) != 1)}"
    wrong = [row for row in rows if row.verdict == "wrong"]
    others = "".join(
        f"; {row.verdict}: {row.op} ({row.argument})" for row in rows if row.verdict not in ("ok", "wrong")
    )
    if wrong:
        own = {row.op: [] for row in wrong if not row.calls} | {row.calls: [] for row in wrong if row.calls}
        for row in wrong:
            if not row.calls:
                own[row.op].append(row.argument)
        named = ", ".join(f"{op} ({', '.join(arguments)})" if arguments else op for op, arguments in own.items())
        callers = dict.fromkeys(row.op for row in wrong if row.calls)
        called = f"; wrong only because they call it: {', '.join(callers)}" if callers else ""
        return f"{checked}: {len(own)} WRONG: {named}{called}{others}"
    if others:
        return f"{checked}: none wrong, but not all shown to be right{others}"
    parts = []
    for name, errors in zip(("order 1", "order 2", "adjoint"), list(zip(*rows))[2:5]):
        known = [error for error in errors if error is not None]
        parts += [f"{max(known):.1e} ({name})"] if known else []
    return f"{checked}: all right; worst errors {', '.join(parts)}"


def _number(error: float | None) -> str:
    return "-" if error is None else "0" if error == 0 else f"{error:.1e}"
