"""Calls and results as short text for a terminal of 80 columns."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.distributions.base import Distribution
from tinygen.exercises.exercise import Arguments
from tinygen.tensor import Tensor

MOST = 12  # entries of an array that are printed; of a larger one, the first and the last
LONG = 80  # characters of the text of other objects


def shown(value: Any) -> str:
    """A value as one would write it: [[1, 2], [3, 4]]; a large array by its shape and its ends."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(shown, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, np.ndarray | np.generic):
        a = np.asarray(value)
        if a.size == 0:
            return f"zeros({a.shape})"
        if a.size > MOST:
            flat = a.ravel()
            ends = ", ".join(map(number, flat[:3])), ", ".join(map(number, flat[-2:]))
            return f"array of shape {a.shape}: {ends[0]}, ..., {ends[1]}"
        return _nested(a)
    if isinstance(value, np.random.Generator):
        return "rng"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Distribution):
        return f"{type(value).__name__}({_named({k: v for k, v in vars(value).items() if isinstance(v, Tensor)})})"
    return getattr(value, "__name__", None) or repr(value)


def code(a: np.ndarray) -> str:
    """An array as Python text, its numbers in six digits; a large one by its shape and its ends."""
    dtype = {"float64": "float", "float32": "np.float32"}.get(str(a.dtype), f"np.{a.dtype}")
    if not 0 < a.size <= MOST:
        return f"np.{shown(a)}" if a.size == 0 else shown(a)
    return f"np.array({_nested(a)}, {dtype})"


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={shown(each)}" for name, each in values.items())


def number(x: Any) -> str:
    """A number in at most six digits."""
    return f"{x:.6g}" if isinstance(x, float | np.floating) else str(x)


def _nested(a: np.ndarray) -> str:
    return number(a[()]) if a.ndim == 0 else "[" + ", ".join(map(_nested, a)) + "]"


def shown_call(f: Callable, call: Arguments) -> str:
    """The call as one would write it; functions, and objects of a long text, by the name of their argument."""
    if (written := getattr(f, "written", None)) is not None:
        return written(call)
    names = [*inspect.signature(f).parameters]
    args = [shown(a) if _is_short(a) else names[min(i, len(names) - 1)] for i, a in enumerate(call.args)]
    settings = [f"{name}={shown(a) if _is_short(a) else '...'}" for name, a in call.settings.items()]
    return f"{getattr(f, '__name__', 'f')}({', '.join(args + settings)})"


def _is_short(value: Any) -> bool:
    plain = np.ndarray, np.generic, Tensor, Distribution, list, tuple, str, type, np.random.Generator
    return isinstance(value, plain) or (len(text := repr(value)) <= LONG and not text.startswith("<"))
