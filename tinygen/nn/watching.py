"""Record the calls of modules in a stretch of code: tables of layers and error messages are made from them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One finished call: the module, its inputs, its output."""

    module: Any
    inputs: tuple
    output: Any


class _Watching(threading.local):
    calls: list[Call] | None = None  # None outside of `watch`
    inside: tuple = ()  # the modules whose calls are not finished, outermost first
    last: Any = None  # the last call of `nn.finite`, from which a refused step finds the op that caused it


watching = _Watching()


@contextmanager
def watch() -> Iterator[list[Call]]:
    """Collect every module call of this thread, in the order in which they finish: inner ones before outer ones."""
    before, calls = watching.calls, []
    watching.calls = calls
    try:
        yield calls
    finally:
        watching.calls = before


def watched(module: Any, inputs: tuple, options: dict) -> Any:
    """The output of a module, whose call is recorded."""
    before, watching.inside = watching.inside, (*watching.inside, module)
    try:
        output = module.forward(*inputs, **options)
    finally:
        watching.inside = before
    if watching.calls is not None:
        watching.calls.append(Call(module, inputs, output))
    return output
