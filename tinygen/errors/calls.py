"""Error messages for calls that don't fit a signature: what was expected, what was given, how to write the call.

Python's own TypeError names the method `__init__` and counts arguments. These messages list the settings, which go by
name. They are made only after a call has failed, so calls that fit cost nothing.
"""

import inspect
import reprlib
from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from tinygen.errors.arguments import python_number
from tinygen.errors.hints import Listed
from tinygen.errors.names import KEYWORDS

P = ParamSpec("P")
T = TypeVar("T")


def check_call(who: str, signature: inspect.Signature, args: tuple, settings: Mapping[str, Any]) -> None:
    """Raises the TypeError for arguments that do not fit the signature; returns if they do."""
    try:
        signature.bind(*args, **settings)
    except TypeError as error:
        raise TypeError(f"{who}: {_mistake(who, signature, args, settings) or error}") from None


def _mistake(who: str, signature: inspect.Signature, args: tuple, settings: Mapping[str, Any]) -> str:
    known = signature.parameters
    inputs = [p for p in known.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p for p in known.values() if p.kind is p.KEYWORD_ONLY]
    names, kinds = [p.name for p in inputs], {p.kind for p in known.values()}
    if len(args) > len(inputs) and inspect.Parameter.VAR_POSITIONAL not in kinds:
        free = [p.name for p in named if p.name not in settings and p.name != "rng"]
        extra = args[len(inputs) :]
        meant = [f"{name}={_short(value)}" for name, value in zip(free, extra)]
        if any(isinstance(value, np.random.Generator) for value in extra):
            meant = ["rng=rng"]
        as_in = f"settings go by name, as in {who}({', '.join(names + meant)})"
        hint = as_in if meant else f"write {_call(who, known)}"
        count = f"{len(inputs)} positional argument" + "s" * (len(inputs) != 1)
        return f"expected {count} ({', '.join(names)}), got {len(args)}: {hint}"
    unknown = [name for name in settings if name not in known]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        given = f"got {unknown[0]}={_short(settings[unknown[0]])}"
        if not known:
            return f"expected no arguments, {given}: write {who}()"
        ours = KEYWORDS.get(unknown[0])
        hint = f": write {ours}={_short(settings[unknown[0]])}" if ours in known else ""
        return f"expected arguments among {', '.join(n for n in known if n != 'self')}, {given}{hint}"
    absent = [p.name for p in inputs[len(args) :] + named if p.default is p.empty and p.name not in settings]
    return f"expected {', '.join(absent)}, got nothing: write {_call(who, known)}" if absent else ""


def no_rules(name: str, result: Any) -> TypeError:
    """The error of an op that returned no tuple."""
    given = {"NoneType": "None", "ndarray": "an array alone"}.get(type(result).__name__, f"a {type(result).__name__}")
    return TypeError(f"{name}: expected a value and its derivative rules, got {given}: {_RETURN}")


def check_rules(name: str, tensors: int, vjps: list[Callable], value: Any) -> None:
    """Raises TypeError unless an op has an array and a derivative rule, a Python function, for each of its tensors."""
    if hasattr(value, "requires_grad"):
        raise TypeError(f"{name}: expected an array as the value, got a Tensor: compute it from arrays, as x.data * 2")
    for vjp in vjps:
        if not isinstance(vjp, FunctionType):
            given = type(vjp).__name__
            raise TypeError(
                f"{name}: expected a derivative rule, a function of g or of g and y, got {given}: {_RETURN}"
            )
    if len(vjps) != tensors:
        raise TypeError(
            f"{name}: expected one derivative rule for each tensor that is passed by position, "
            f"got {tensors} tensor{'s' * (tensors != 1)} and {len(vjps)} rule{'s' * (len(vjps) != 1)}: "
            "pass every tensor by position, and return the value and one rule for each"
        )


_RETURN = "return the value and one rule for each input, such as x.data**2, lambda g: g * 2 * x"
_SAFE = {bool, int, float, str, tuple, slice, type(None)}  # the types of nearly all settings


def check_settings(who: str, settings: dict[str, Any]) -> None:
    """Refuse Tensors; turn NumPy numbers into Python numbers in place, because a NumPy float64 promotes float32."""
    for name, value in settings.items():
        if type(value) in _SAFE:
            continue
        if isinstance(value, (np.generic, np.ndarray)):
            settings[name] = python_number(value)
        elif hasattr(value, "requires_grad") and name == "index":
            raise TypeError(f"{who}: expected an index of numbers, got a Tensor: write x.numpy().astype(int)")
        elif hasattr(value, "requires_grad"):
            raise TypeError(
                f"{who}: {name} is a Tensor passed by keyword, which no gradient would reach: "
                "inputs go by position, settings and indices are numbers and NumPy arrays"
            )


def _call(who: str, parameters: Mapping[str, inspect.Parameter]) -> str:
    """A correct call, with every argument that has no default."""
    needed = [p for p in parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    values = {"rng": "np.random.default_rng(0)"}
    by_name = [p.kind is p.KEYWORD_ONLY or p.name in values for p in needed]
    shown = [f"{p.name}={values.get(p.name, '...')}" if named else p.name for p, named in zip(needed, by_name)]
    return f"{who}({', '.join(shown)})"


def _short(value: Any) -> str:
    """A value as a message shows it; an array or a Tensor would fill the line."""
    return reprlib.repr(value) if isinstance(value, int | float | str | tuple | None) else "..."


def explained(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, which raises the error of `check_call` for a call that doesn't fit its signature.

    The error of a method has the name of its class too: "VAE.loss: expected rng, got nothing: ...".
    """

    @wraps(function)
    def call(*args: P.args, **settings: P.kwargs) -> T:
        try:
            return function(*args, **settings)
        except TypeError:
            who, given, parameters = function.__name__, args, list(inspect.signature(function).parameters.values())
            if parameters and parameters[0].name == "self":
                who, given, parameters = f"{type(args[0]).__name__}.{who}", args[1:], parameters[1:]
            check_call(who, inspect.Signature(parameters), given, settings)
            raise

    return call


def as_constructor(init: Callable[P, None]) -> Callable[P, None]:
    """`explained` for the `__init__` of a class without `ExplainedCalls`; the error has the name of the class."""

    @wraps(init)
    def call(*args: P.args, **settings: P.kwargs) -> None:
        try:
            init(*args, **settings)
        except TypeError:
            own = list(inspect.signature(init).parameters.values())[1:]
            check_call(type(args[0]).__name__, inspect.Signature(own), args[1:], settings)
            raise

    return call


class ExplainedCalls(Listed):
    """A metaclass: a constructor call that doesn't fit raises the error of `check_call`; help() shows its signature."""

    @property
    def __signature__(cls) -> inspect.Signature:
        found: list[inspect.Parameter] = []
        for base in cls.__mro__[:-1]:
            others = [p for p in found if p.kind is p.VAR_KEYWORD]  # passed on to the base class
            if "__init__" in vars(base) and (others or not found):
                own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]  # without self
                found = [p for p in found if p not in others]
                found += [p for p in own if p.name not in {q.name for q in found}]
        return inspect.Signature(sorted(found, key=lambda p: p.kind))

    if not TYPE_CHECKING:  # type checkers then read the arguments from __init__

        def __call__(cls, *args, **settings):
            try:
                return super().__call__(*args, **settings)
            except TypeError:
                check_call(cls.__name__, cls.__signature__, args, settings)
                raise
