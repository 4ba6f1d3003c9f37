"""What is wrong with a result: its shape, some of its parts, or its numbers."""

from collections.abc import Callable
from typing import Any

from numpy import ndarray

from tinygen.exercises.exercise import Arguments, Finding
from tinygen.exercises.outcome import NoAnswer, outcome, same
from tinygen.exercises.show import shown, shown_call


def differs(answer: Callable, solution: Callable, make: Callable[[], Arguments], why: str) -> Finding | None:
    """What is wrong with the answer to one call; None if it equals the solution."""
    expected = outcome(solution, make())
    try:
        found = outcome(answer, make())
    except NoAnswer as error:
        return Finding(str(error), shown_call(answer, make()), shown(expected))
    return finding(found, expected, lambda: shown_call(answer, make()), why)


def finding(
    found: Any, expected: Any, call: Callable[[], str], why: str, alike: Callable[[Any, Any], bool] = same
) -> Finding | None:
    """What is wrong with the result of a call; None if nothing. Of several named parts, those that differ are shown."""
    if alike(found, expected):
        return None
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        right = [name for name in expected if alike(found[name], expected[name])]
        found, expected = ({name: a for name, a in each.items() if name not in right} for each in (found, expected))
        why = f"{_are(right, 'right')}, {_are([*expected], 'wrong')}. {why}" if right else why
    elif isinstance(found, ndarray) and isinstance(expected, ndarray) and found.shape != expected.shape:
        why = f"The shape is {found.shape}, it should be {expected.shape}."
    return Finding(why, call(), shown(expected), shown(found))


def _are(names: list[str], what: str) -> str:
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{listed} {'is' if len(names) == 1 else 'are'} {what}"
