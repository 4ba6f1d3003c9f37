"""What a function returns for a call of a stage, as arrays, and whether two results agree."""

import inspect
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from tinygen.exercises.exercise import Arguments
from tinygen.tensor import Tensor

Draw = Callable[[np.random.Generator, int], Arguments]  # a call of growing size, 0 being the smallest
SEEDS = 4  # calls of each size
SIZES = 5


class NoAnswer(Exception):
    """The answer could not be computed; the message says why."""


def outcome(f: Callable, call: Arguments) -> Any:
    """What f returns, with arrays for Tensors and lists for generators; NoAnswer if it raises, or returns nothing.

    The arrays of the call are made read-only, because a function must not change them.
    """
    for value in (*call.args, *call.settings.values()):
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    try:
        with np.errstate(all="ignore"):
            found = plain(f(*call.args, **call.settings))
    except MemoryError:
        raise  # the next call would only need as much again
    except Exception as error:
        hint = ": compute a new array, the arguments stay as they are" if "read-only" in str(error) else ""
        raise NoAnswer(f"It raises {type(error).__name__}: {error}{hint}{line_of(error, f)}") from error
    if found is None or found is ...:
        raise NoAnswer("It returns nothing: write the value after `return`, in place of the `...`")
    return found


def plain(value: Any) -> Any:
    """A result with NumPy arrays for Tensors, and lists for other iterables."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, np.ndarray | np.generic | str) or value is None or value is ...:
        return value
    if isinstance(value, int | float):
        return np.asarray(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if hasattr(value, "__iter__") else value


def attempt(f: Callable, call: Arguments) -> Any:
    """What f returns, or the name of the error that it raises."""
    try:
        return outcome(f, call)
    except NoAnswer as error:
        return type(error.__cause__).__name__


def parts(value: Any) -> list[np.ndarray]:
    """All arrays of a result, in order."""
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [a for each in value for a in parts(each)] if isinstance(value, list) else [np.asarray(value)]


def same(computed: Any, expected: Any) -> bool:
    """Whether all arrays agree to rounding of the less precise one, NaN with NaN."""
    found, wanted = parts(computed), parts(expected)
    return len(found) == len(wanted) and all(map(_close, found, wanted))


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return bool(np.array_equal(a, b))
    rtol = 2e-5 if np.float32 in (a.dtype, b.dtype) else 1e-9
    with np.errstate(all="ignore"):
        size = np.abs(b[np.isfinite(b)]).max(initial=0) if b.dtype.kind == "f" else 0
        return bool(np.allclose(a, b, rtol=rtol, atol=rtol * min(float(size), 1e30), equal_nan=True))


def as_wide(value: Any) -> list[np.ndarray]:
    """The arrays in float32 where they are numbers, so that a literal [1, 2] agrees with float32."""
    return [a.astype(np.float32) if a.dtype.kind in "fiub" else a for a in parts(value)]


def forms(value: Any) -> str:
    """The shapes and dtypes of a result, as text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {forms(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(forms, value)) + "]"
    a = np.asarray(value)
    return f"{a.shape} {a.dtype}"


def unlike(found: Any, expected: Any) -> str:
    """How the form of a result differs from the expected one: the number of arrays, their shapes or their dtypes."""
    pairs = [*zip(parts(found), parts(expected))]
    if len(parts(found)) != len(parts(expected)):
        return f"It returns another number of arrays: {len(parts(found))} instead of {len(parts(expected))}."
    wide = any(a.dtype == np.float64 and b.dtype == np.float32 for a, b in pairs)
    if any(a.shape != b.shape for a, b in pairs):
        right = all(a.dtype == b.dtype for a, b in pairs)
        return "The shape of the result is not right." if right else "Neither the shape nor the dtype is right."
    if wide:
        return (
            "The shape is right, but the dtype is float64 instead of float32. NumPy makes new arrays float64 unless "
            "you say otherwise, and a NumPy float64 scalar, such as np.sqrt of a number, makes float32 arrays float64."
        )
    if any(a.dtype != b.dtype for a, b in pairs):
        return "The shape is right, but the dtype of the result is not."
    return "The arrays are right, but not how they are put together."


# -- calls -------------------------------------------------------------------------------------------------------------


def calls(draw: Draw) -> list[Callable[[], Arguments]]:
    """Makers of calls, the smallest first, those with empty arrays last; in float64 as drawn, then in float32."""
    makes = [lambda n=size, s=seed: draw(np.random.default_rng(s), n) for size, seed in _in_order(draw)]
    return [each for make in makes for each in (make, lambda make=make: mapped(make(), _narrow))]


@cache
def _in_order(draw: Draw) -> list[tuple[int, int]]:
    """The size and the seed of each call."""
    numbers = [*product(range(SIZES), range(SEEDS))]
    return sorted(numbers, key=lambda each: is_empty(draw(np.random.default_rng(each[1]), each[0])))


def is_empty(call: Arguments) -> bool:
    """Whether an array of a call has no entries."""
    return any(isinstance(a, np.ndarray | Tensor) and a.size == 0 for a in (*call.args, *call.settings.values()))


def _narrow(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) if a.dtype == np.float64 else a


def mapped(call: Arguments, change: Callable[[np.ndarray], np.ndarray]) -> Arguments:
    def of(value: Any) -> Any:
        if isinstance(value, Tensor):
            return Tensor(change(value.numpy()), requires_grad=value.node is not None)
        return change(value) if isinstance(value, np.ndarray) else value

    return Arguments(tuple(map(of, call.args)), {name: of(value) for name, value in call.settings.items()})


def simplified(make: Callable[[], Arguments], digits: int) -> Callable[[], Arguments]:
    """The same call with its numbers rounded to a few digits, and 0 for -0."""
    return lambda: mapped(make(), lambda a: a.round(digits) + 0 if a.dtype.kind == "f" else a)


def line_of(error: BaseException, f: Callable) -> str:
    """Where in the learner's file an exception came from."""
    file = getattr(inspect.unwrap(getattr(f, "learners", f)), "__code__", None)
    step, line = error.__traceback__, 0
    while step is not None:
        if file is not None and step.tb_frame.f_code.co_filename == file.co_filename:
            line = step.tb_lineno
        step = step.tb_next
    return f" (line {line})" if line else ""
