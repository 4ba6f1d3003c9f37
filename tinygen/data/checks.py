"""The two questions that every generator here asks of its arguments before it draws anything."""

import operator

import numpy as np


def need_rng(who: str, rng: np.random.Generator) -> None:
    """Raise TypeError unless `rng` is a NumPy Generator; `who` names the function that asks."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{who}: rng should be a numpy.random.Generator, got {rng!r}: pass np.random.default_rng(0), say"
        )


def need_count(who: str, what: str, value: int, *, least: int) -> int:
    """The whole number `value` as an int; raises TypeError if it is none, ValueError if it is below `least`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {what} should be a whole number, got {value!r}") from None
    if count < least:
        raise ValueError(f"{who}: {what} should be at least {least}, got {count}")
    return count
