"""Errors for names of other libraries that tinygen lacks: they say what to write instead, from the tables in `names`.

Nothing here runs until a lookup has failed, so names that exist cost nothing.
"""

import importlib.util
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any

from tinygen.errors.names import DATA, FUNCTIONS, LAYERS, MODULES, OPTIMIZER, OPTIMIZERS

TABLES = {
    "tinygen.nn": LAYERS,
    "tinygen.optim": OPTIMIZERS,
    "tinygen.data": DATA,
    "Module": MODULES,
    "Optimizer": OPTIMIZER,
}  # and FUNCTIONS for any other owner
PLACES = ("tinygen", "tinygen.nn", "tinygen.optim", "tinygen.functional")  # a name may exist in another of these


# -- names that are missing --------------------------------------------------------------------------------------------


def missing(owner: Any, name: str, *, kind: str = "") -> AttributeError:
    """The error for `owner.name`, with what to write instead if that is known; `kind` chooses the table."""
    label = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__name__
    if name.startswith("__"):  # Python itself looks such names up
        return AttributeError(f"{label} has no {name!r}", name=name, obj=owner)
    hint = instead(name, kind or label)
    help = f": {_write(hint)}" if hint else did_you_mean(name, _public(owner))
    return AttributeError(f"{label} has no {name!r}{help}", name=name)  # with obj=owner, Python would add its own guess


def instead(name: str, kind: str = "") -> str:
    """What to write instead of a name; "" if that is not known."""
    for table in (TABLES.get(kind, FUNCTIONS), FUNCTIONS, LAYERS, OPTIMIZERS):
        if name in table:
            return table[name]
    for place in PLACES:
        found = vars(sys.modules[place]).get(name) if place in sys.modules else None
        if callable(found) and str(found.__module__).startswith(place):  # defined there, not imported for its own use
            return f"{place}.{name}"
    if name.endswith("_"):
        return "y = ..., a new Tensor: a Tensor never changes"
    if kind.startswith("tinygen") and importlib.util.find_spec(f"tinygen.{name}"):
        return f"`from tinygen import {name}`"
    return ""


def _public(owner: Any) -> list[str]:
    """The names that a module offers: its `__all__`, or else the functions and classes that it defines; else none."""
    if not isinstance(owner, ModuleType):
        return []
    defined = [name for name, value in vars(owner).items() if getattr(value, "__module__", "") == owner.__name__]
    return vars(owner).get("__all__") or [name for name in defined if not name.startswith("_")]


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """ " (did you mean check?)", or nothing if no name is like this word."""
    from difflib import get_close_matches  # only errors need it

    known = {name.lower(): name for name in names}
    near = [known[name] for name in get_close_matches(word.lower(), known, n=2, cutoff=0.6)]
    near = near or [name for key, name in known.items() if key.startswith(word.lower())]
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _write(hint: str) -> str:
    return hint if hint.startswith("leave it out") else f"write {hint}"


class Elsewhere:
    """A method of another library that a class lacks: reading it raises an AttributeError with what to write.

    One such attribute for each name costs nothing where a name is found; a `__getattr__` would slow every other lookup.
    """

    def __init__(self, name: str, kind: str):
        self.name, self.kind = name, kind

    def __get__(self, instance: Any, owner: type):
        raise missing(instance if instance is not None else owner, self.name, kind=self.kind)


def point_elsewhere(owner: type, names: Iterable[str], kind: str = "") -> None:
    """Give a class an `Elsewhere` for each of the names that it lacks; `dir` of an instance leaves them out."""
    for name in names:
        if not hasattr(owner, name):
            setattr(owner, name, Elsewhere(name, kind))
    listed = lambda instance: _own(object.__dir__(instance), type(instance))
    setattr(owner, "__dir__", listed)  # noqa: B010 (a type checker knows that a class has a __dir__ of its own)


class Listed(type):
    """A metaclass: `dir` and `help` of the class too leave out each name that is only an `Elsewhere`."""

    def __dir__(cls) -> list[str]:
        return _own(super().__dir__(), cls)


def _own(names: Iterable[str], owner: type) -> list[str]:
    """The names that are not only an `Elsewhere` of a class."""
    first = {name: entry for cls in reversed(owner.__mro__) for name, entry in vars(cls).items()}
    return [name for name in names if not isinstance(first.get(name), Elsewhere)]


class NoFunction(ModuleType):
    """A module with the name of a function elsewhere, as in `tinygen.tensor([1.0])`: calling it raises a TypeError."""

    def __getattr__(self, name: str):
        raise missing(self, name)

    def __call__(self, *args: object, **settings: object) -> None:
        name = self.__name__.rpartition(".")[2]
        raise TypeError(f"{self.__name__} is a module, not a function: write {FUNCTIONS[name]}")


# -- other mistakes of habit -------------------------------------------------------------------------------------------


def leaves_the_graph(name: str) -> TypeError:
    """The error for NumPy's function `name` of a Tensor."""
    hint = instead(name)
    write = f"{_write(hint)}, or pass tensor.numpy()" if hint else "pass tensor.numpy() where no gradient is needed"
    return TypeError(f"np.{name}: expected arrays, got a Tensor, whose gradient would be lost: {write}")


def in_place(operator: str) -> TypeError:
    """The error for `w -= step` and `w.data -= step`."""
    return TypeError(
        f"{operator}: variables and their data are read-only, got an assignment in place: call opt.step(grads), "
        "or write w.data = w.data - lr * g"
    )


@cache
def mention_float64() -> None:
    """A warning, once per process, when a float32 layer gets float64 data: everything after it is float64 too."""
    warnings.warn(
        "a float32 layer got float64 data, so the model computes in float64, several times slower: "
        "pass x.astype(np.float32), or make the layers with dtype=np.float64",
        stacklevel=3,
    )
