"""Claims: sentences with a number that a lesson states, and that are checked every time the lesson runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from tinygen.errors import arguments
from tinygen.io import html
from tinygen.io.output import say
from tinygen.io.table import format_number

NUMBERS, WIDTH = 16, 72  # an array of at most so many numbers, and so many characters, is shown as a whole


class Claim(NamedTuple):
    """A claim with its verdict."""

    ids: str  # of the ideas in the lectures, such as "A1 F13"; "new" for ideas that are not in them
    sentence: str
    value: float  # as measured; of an array, the entry that is furthest from what was expected
    reference: str  # what was expected, such as "0.5", "[28, 28, 3]" or "at least 0.97"
    tolerance: str  # such as "rtol 1e-06"; empty for a bound
    ok: bool
    measured: str = ""  # the value as text: all numbers of a short array; of a long one, the furthest, and of how many

    @property
    def verdict(self) -> str:
        """`ok` or `NOT MET`."""
        return "ok" if self.ok else "NOT MET"

    @property
    def shown(self) -> str:
        """What was measured, as text: "0.5", "[28, 28, 3]" or "2.1e-14, the furthest of 300"."""
        return self.measured or format_number(self.value)

    def _repr_html_(self) -> str:
        sign = "✓" if self.ok else "✗"
        facts = {"measured": self.shown, "expected": self.reference, "tolerance": self.tolerance, "ids": self.ids}
        return html.block(f"{sign} {self.sentence}: {self.verdict}", html.facts(facts))

    def __str__(self) -> str:
        tolerance = f", {self.tolerance}" if self.tolerance else ""
        return f"{self.verdict:7}  {self.ids}  {self.sentence}: {self.shown} (expected {self.reference}{tolerance})"


_recorded: ContextVar[list[Claim] | None] = ContextVar("recorded", default=None)


def claim(
    ids: str,
    sentence: str,
    value: Any,
    reference: Any = None,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    at_least: float | None = None,
    at_most: float | None = None,
) -> bool:
    """Check a claim, print it with its verdict, and return whether it is met.

    A claim has a reference, which the value must equal up to the tolerances, or bounds. NaN and infinity meet no claim.

    Args:
        ids: the ideas of the lectures that the claim is about, separated by spaces: "A1 F13"; "new" for another idea.
        sentence: the claim in words, without the number.
        value: the measured number, or an array of numbers, all of which must be as expected.
        reference: the expected number, or an array of the shape of `value`.
        rtol: allowed difference, relative to the reference.
        atol: allowed difference, in the unit of the value. Both tolerances are added; without them, equality counts.
        at_least: the smallest value that meets the claim.
        at_most: the largest value that meets the claim.

    Raises ValueError for a claim that can't be checked: without words, reference and bounds, or with both of these.

    >>> claim("B2", "the mean of three numbers", np.mean([1.0, 2.0, 4.5]), 2.5, atol=1e-12)
    ok       B2  the mean of three numbers: 2.5 (expected 2.5, atol 1e-12)
    True
    >>> claim("F13", "test accuracy", 0.955, at_least=0.97)
    NOT MET  F13  test accuracy: 0.955 (expected at least 0.97)
    False

    A short array is shown as a whole; of a long one, the entry that is furthest from what was expected.

    >>> claim("A11", "the shape of the small image", np.zeros((28, 28, 3)).shape, [28, 28, 3])
    ok       A11  the shape of the small image: [28, 28, 3] (expected [28, 28, 3], exactly)
    True
    >>> claim("new", "sines are small", np.sin(np.arange(30.0)), at_most=1)
    ok       new  sines are small: 0.990607, the furthest of 30 (expected at most 1)
    True
    """
    for name, text in (("ids", ids), ("sentence", sentence)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f'claim: expected {name} to be a text, got {text!r}: write claim("B6", "the loss is ...")')
    rtol, atol = (arguments.real("claim", n, t, least=0) for n, t in (("rtol", rtol), ("atol", atol)))
    bounded = at_least is not None or at_most is not None
    if bounded == (reference is not None) or (bounded and (rtol or atol)):
        raise ValueError(
            "claim: expected a reference with tolerances, or bounds, got "
            f"reference={reference!r}, rtol={rtol:g}, atol={atol:g}, at_least={at_least}, at_most={at_most}: "
            "write claim(ids, sentence, value, reference, rtol=1e-6) or claim(ids, sentence, value, at_least=0.97)"
        )
    values = _numbers("value", value)
    if bounded:
        made = _bounded(values, at_least, at_most)
    else:
        made = _compared(values, _numbers("reference", reference), rtol, atol)
    result = Claim(" ".join(ids.split()), " ".join(sentence.split()), *made)
    say(str(result))
    recorded = _recorded.get()
    if recorded is not None:
        recorded.append(result)
    return result.ok


@contextmanager
def recording() -> Iterator[list[Claim]]:
    """Inside the `with`, the list receives every claim that is made."""
    found: list[Claim] = []
    token = _recorded.set(found)
    try:
        yield found
    finally:
        _recorded.reset(token)


def _numbers(name: str, given: Any) -> np.ndarray:
    try:
        numbers = np.asarray(given.numpy() if hasattr(given, "numpy") else given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"claim: expected {name} to be a number or an array of numbers, got {given!r}") from error
    if not numbers.size:
        raise ValueError(f"claim: expected {name} to have entries, got shape {numbers.shape}")
    return numbers


def _bounded(values: np.ndarray, at_least: float | None, at_most: float | None) -> tuple[float, str, str, bool, str]:
    low = -np.inf if at_least is None else arguments.real("claim", "at_least", at_least)
    high = np.inf if at_most is None else arguments.real("claim", "at_most", at_most)
    if low > high:
        raise ValueError(f"claim: expected at_least to be at most at_most, got {low:g} and {high:g}")
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        excess = np.maximum(low - values, values - high)  # positive outside the bounds
    worst = _worst(excess)
    words = {"at least": at_least, "at most": at_most}
    expected = " and ".join(f"{word} {format_number(bound)}" for word, bound in words.items() if bound is not None)
    met = bool(np.isfinite(values).all() and (excess <= 0).all())
    return float(values.flat[worst]), expected, "", met, _whole(values) or _entry(values, worst)


def _compared(values: np.ndarray, reference: np.ndarray, rtol: float, atol: float) -> tuple[float, str, str, bool, str]:
    if reference.shape not in ((), values.shape):
        raise ValueError(
            f"claim: expected a reference of the shape of the value, got {reference.shape} and {values.shape}"
        )
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        difference = np.abs(values - reference) - (atol + rtol * np.abs(reference))
    worst = _worst(difference)
    measured, expected = _whole(values), _whole(reference)
    if not (measured and expected):
        measured, expected = _entry(values, worst), format_number(np.broadcast_to(reference, values.shape).flat[worst])
    tolerances = " + ".join(f"{name} {size:g}" for name, size in (("rtol", rtol), ("atol", atol)) if size)
    met = bool(np.isfinite(values).all() and np.isfinite(reference).all() and (difference <= 0).all())
    return float(values.flat[worst]), expected, tolerances or "exactly", met, measured


def _worst(excess: np.ndarray) -> int:
    """The index of the entry with the largest excess; NaN counts as the largest."""
    return int(np.argmax(np.where(np.isnan(excess), np.inf, excess)))


def _entry(numbers: np.ndarray, index: int) -> str:
    """One entry of a long array, and of how many: "2.1e-14, the furthest of 300"."""
    return f"{format_number(numbers.flat[index])}, the furthest of {numbers.size:,}"


def _whole(numbers: np.ndarray) -> str:
    """All numbers of an array as text, "[28, 28, 3]"; empty if that is too long."""
    text = _nested(numbers) if numbers.size <= NUMBERS else ""
    return text if len(text) <= WIDTH else ""


def _nested(numbers: np.ndarray) -> str:
    return f"[{', '.join(map(_nested, numbers))}]" if np.ndim(numbers) else format_number(float(numbers))
