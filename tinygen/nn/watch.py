"""Seeing every call of a module in a stretch of code: the table of layers is made from it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One finished call: the module, what it was given, what it answered."""

    module: Any
    inputs: tuple
    output: Any


class _Watching(threading.local):
    calls: list[Call] | None = None
    last: Any = None  # the last call of `nn.finite`: a step that is refused looks there for the op to name
    inside: tuple = ()  # the modules whose calls are not finished, the outermost first


watching = _Watching()


@contextmanager
def watch() -> Iterator[list[Call]]:
    """Collect every module call of this thread, in the order in which they finish: inner ones before outer ones."""
    before, watching.calls = watching.calls, []
    try:
        yield watching.calls
    finally:
        watching.calls = before


def watched(module: Any, inputs: tuple, options: dict) -> Any:
    """A module's answer, entered in `watching`."""
    before, watching.inside = watching.inside, (*watching.inside, module)
    try:
        output = module.forward(*inputs, **options)
    finally:
        watching.inside = before
    watching.calls.append(Call(module, inputs, output))
    return output
