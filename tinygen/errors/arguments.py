"""Checks of arguments that many functions share; each returns the checked value, a number as a plain Python number.

NumPy numbers are accepted wherever a Python number is. They become Python numbers here, because a NumPy float64 would
promote float32 arrays to float64, and a Python number never does. Every message names the function (`who`) and the
argument (`what`), and says what was expected, what was given and, if there is a `hint`, what to write instead.
"""

import math
import operator
from numbers import Real
from typing import Any

import numpy as np


def whole(who: str, what: str, value: Any, *, least: int | None = None, most: int | None = None, hint: str = "") -> int:
    """`value` as an int; TypeError if it is not a whole number, ValueError outside `least` to `most`."""
    try:
        number = operator.index(_unboxed(value))
    except TypeError:
        number = None
    if number is not None and (least is None or number >= least) and (most is None or number <= most):
        return number
    expected = "a whole number" + _range(least=least, most=most)
    raise (TypeError if number is None else ValueError)(_message(who, what, expected, value, hint))


def sizes(who: str, **values: Any) -> tuple[int, ...]:
    """Whole numbers of at least 1, each called by its own name, as a tuple of ints."""
    return tuple(whole(who, name, value, least=1) for name, value in values.items())


def real(
    who: str,
    what: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    infinite: bool = False,
    hint: str = "",
) -> float:
    """`value` as a float; TypeError if it is not a real number, ValueError if it is NaN, infinite or out of range.

    The range is `least` <= value <= `most`, or above < value < below; `infinite` lets infinities pass.
    """
    number = _unboxed(value)
    known = isinstance(number, Real) and not isinstance(number, bool)
    if known:
        number = float(number)
        inside = not math.isnan(number) and (infinite or math.isfinite(number))
        inside = inside and (least is None or number >= least) and (above is None or number > above)
        if inside and (most is None or number <= most) and (below is None or number < below):
            return number
    expected = "a number" + _range(least=least, above=above, most=most, below=below)
    raise (ValueError if known else TypeError)(_message(who, what, expected, value, hint))


def pair(who: str, what: str, value: Any, *, least: int) -> tuple[int, int]:
    """One whole number for both axes, or a pair (height, width) of them, none below `least`; ValueError otherwise."""
    if type(value) is tuple and [type(each) for each in value] == [int, int] and min(value) >= least:
        return value  # nearly always, and each call of a convolution asks
    both = tuple(value) if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) else (value, value)
    try:
        height, width = (whole(who, what, each, least=least) for each in both)
    except (TypeError, ValueError):
        expected = f"a whole number of at least {least}, or a pair of them (height, width)"
        raise ValueError(_message(who, what, expected, value, "")) from None
    return height, width


def indices(who: str, what: str, value: Any, count: int) -> np.ndarray:
    """An array of whole numbers from 0 to count - 1; TypeError for other types, ValueError outside."""
    expected, array = f"integers in 0..{count - 1}", np.asarray(value)
    if array.dtype.kind not in "iu" and (array.size or isinstance(value, np.ndarray)):  # an empty list is float64
        given = f"{array.dtype} of shape {array.shape}"
        raise TypeError(f"{who}: expected {what} to be {expected}, got {given}: convert with .astype(np.int64)")
    if array.size and not (0 <= array.min() and array.max() < count):
        raise ValueError(f"{who}: expected {what} to be {expected}, got {array.min()}..{array.max()}")
    return array.astype(np.intp)


def generator(who: str, rng: Any) -> np.random.Generator:
    """`rng` itself; TypeError unless it is a NumPy Generator, because tinygen draws from nothing hidden."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(_message(who, "rng", "a numpy.random.Generator", rng, "pass rng=np.random.default_rng(0)"))
    return rng


def python_number(value: Any) -> Any:
    """A NumPy number, or an array of no axes, as a Python number; anything else as it is."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and not value.ndim else value


def _unboxed(value: Any) -> Any:
    """`python_number(value)`, but None for a bool, which Python counts among the integers."""
    number = python_number(value)
    return None if isinstance(number, bool) else number


def _range(**bounds: float | None) -> str:
    words = {"least": "at least", "above": "above", "most": "at most", "below": "below"}
    said = [f"{words[name]} {bound}" for name, bound in bounds.items() if bound is not None]
    return (" of " if said and said[0].startswith("at") else " ") * bool(said) + " and ".join(said)


def _message(who: str, what: str, expected: str, value: Any, hint: str) -> str:
    return f"{who}: expected {what} to be {expected}, got {value!r}" + (f": {hint}" if hint else "")
