"""Checks of arguments that many functions share; each returns the checked value, a number as a plain Python number.

NumPy numbers are accepted wherever a Python number is. They become Python numbers here, because a NumPy float64 would
promote float32 arrays to float64, and a Python number never does. Every message has the form
`who: expected WHAT to be ..., got ...`, followed by `: hint` if there is one; `who` is the function that was called.
"""

import math
import operator
import reprlib
from collections.abc import Iterable
from contextlib import suppress
from numbers import Real
from typing import Any, TypeVar

import numpy as np

Choice = TypeVar("Choice")

# -- numbers -----------------------------------------------------------------------------------------------------------


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
        return value  # the usual case, first because every call of a convolution comes here
    both = tuple(value) if isinstance(value, tuple | list | np.ndarray) and np.ndim(value) else (value, value)
    try:
        height, width = (whole(who, what, each, least=least) for each in both)
    except (TypeError, ValueError):
        expected = f"a whole number of at least {least}, or a pair of them (height, width)"
        hint = {"same": "for an odd kernel_size write (kernel_size - 1) // 2", "valid": "write 0"}.get(str(value), "")
        raise ValueError(_message(who, what, expected, value, hint)) from None
    return height, width


def several(who: str, what: str, value: Any, *, count: int | None = None) -> tuple[int, ...]:
    """A list of whole numbers of at least 1, `count` of them if that is given, as a tuple of ints.

    TypeError if it is no list, or an entry no whole number; ValueError for another count, or an entry below 1.
    """
    expected = "a list of whole numbers" if count is None else f"a list of {count} whole numbers"
    entries = None
    if not isinstance(value, str):
        with suppress(TypeError):
            entries = tuple(value)
    if entries is None:
        inside = f"{value}," if count is None else ", ".join([f"{value}"] * count)
        hint = f"write ({inside})" if isinstance(_unboxed(value), int) else ""
        raise TypeError(_message(who, what, expected, value, hint))
    if count not in (None, len(entries)):
        raise ValueError(_message(who, what, expected, value, ""))
    return tuple(whole(who, f"{what}[{i}]", entry, least=1) for i, entry in enumerate(entries))


def python_number(value: Any) -> Any:
    """A NumPy number, or an array of no axes, as a Python number; anything else as it is."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and not value.ndim else value


# -- arrays ------------------------------------------------------------------------------------------------------------


def indices(who: str, what: str, value: Any, count: int) -> np.ndarray:
    """An array of whole numbers from 0 to count - 1; TypeError for other types, ValueError outside."""
    expected, array = f"integers in 0..{count - 1}", np.asarray(value)
    if array.dtype.kind not in "iu" and (array.size or isinstance(value, np.ndarray)):  # an empty list is float64
        given = f"{array.dtype} of shape {array.shape}"
        raise TypeError(f"{who}: expected {what} to be {expected}, got {given}: convert with .astype(np.int64)")
    whole = array.astype(np.intp)
    if whole.size and not whole.view(np.uintp).max() < count:  # as an unsigned number, one below 0 is very large
        raise ValueError(f"{who}: expected {what} to be {expected}, got {array.min()}..{array.max()}")
    return whole


def between(who: str, what: str, array: np.ndarray, low: float, high: float, *, hint: str = "") -> np.ndarray:
    """`array` itself; ValueError if an entry is below `low` or above `high`. NaN passes."""
    if array.size and (array.min() < low or array.max() > high):
        given = f"{array.min():.6g}..{array.max():.6g}"
        hint = f": {hint}" * bool(hint)
        raise ValueError(f"{who}: expected {what} to be in [{low:g}, {high:g}], got {given}{hint}")
    return array


def finite(who: str, what: str, array: np.ndarray, *, hint: str = "") -> np.ndarray:
    """`array` itself; ValueError if an entry is NaN or infinite."""
    if not np.isfinite(array).all():
        kind = "NaN" if np.isnan(array).any() else "infinity"
        raise ValueError(f"{who}: expected {what} to be finite, got {kind}" + (f": {hint}" if hint else ""))
    return array


def same_shape(who: str, *, hint: str = "", **arrays: Any) -> tuple[int, ...]:
    """The shape that all the arrays have; ValueError if they differ."""
    shapes = [getattr(array, "shape", None) or np.shape(array) for array in arrays.values()]
    if any(shape != shapes[0] for shape in shapes):
        expected, given = " and ".join(arrays), " and ".join(map(str, shapes))
        raise ValueError(
            f"{who}: expected {expected} to have the same shape, got {given}" + (f": {hint}" if hint else "")
        )
    return shapes[0]


# -- other values ------------------------------------------------------------------------------------------------------


def choice(who: str, what: str, value: Any, options: Iterable[Choice]) -> Choice:
    """The one of the `options` that `value` is; ValueError with the list of them if it is none."""
    options = tuple(options)
    for option in options:
        if value is option or (type(value) is type(option) and value == option):
            return option
    expected = "one of " + ", ".join(map(repr, options))
    raise ValueError(_message(who, what, expected, value, ""))


def float_dtype(who: str, dtype: Any) -> np.dtype:
    """`dtype` as np.float32 or np.float64; TypeError for any other, because only those have gradients here."""
    for kind in (np.float32, np.float64):
        with suppress(TypeError):
            if dtype is not None and np.dtype(dtype) == kind:
                return np.dtype(kind)
    given = dtype.__name__ if isinstance(dtype, type) else shown(dtype)
    raise TypeError(f"{who}: expected dtype to be np.float32 or np.float64, got {given}")


def generator(who: str, rng: Any) -> np.random.Generator:
    """`rng` itself; TypeError unless it is a NumPy Generator, because tinygen has no hidden random state."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(_message(who, "rng", "a numpy.random.Generator", rng, "pass rng=np.random.default_rng(0)"))
    return rng


# -- messages ----------------------------------------------------------------------------------------------------------

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 60
_brief.maxtuple = _brief.maxlist = 8


def shown(value: Any) -> str:
    """A value as a message shows it, short and on one line."""
    if getattr(value, "ndim", 0):
        return f"{'an array' if isinstance(value, np.ndarray) else f'a {type(value).__name__}'} of shape {value.shape}"
    return " ".join(_brief.repr(value).split())


def _unboxed(value: Any) -> Any:
    """`python_number(value)`, but None for a bool, which Python counts among the integers."""
    number = python_number(value)
    return None if isinstance(number, bool) else number


def _range(**bounds: float | None) -> str:
    words = {"least": "at least", "above": "above", "most": "at most", "below": "below"}
    limits = [f"{words[name]} {bound}" for name, bound in bounds.items() if bound is not None]
    return (" of " if limits and limits[0].startswith("at") else " ") * bool(limits) + " and ".join(limits)


def _message(who: str, what: str, expected: str, value: Any, hint: str) -> str:
    return f"{who}: expected {what} to be {expected}, got {shown(value)}" + (f": {hint}" if hint else "")
