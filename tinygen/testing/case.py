"""A Case is one row of the table behind all tests: an op, how to draw its inputs, and what it should compute."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np

from tinygen.tensor import Tensor

Arrays = tuple[np.ndarray, ...]
Static = dict[str, Any]


@dataclass(frozen=True)
class Waiver:
    """A property that an op does not have yet, the reason, and the day on which the waiver expires."""

    property: str
    reason: str
    expires: date


@dataclass(frozen=True, kw_only=True)
class Case:
    """One op, its inputs, its oracle and its known properties.

    `sample(rng)` returns float64 inputs, at least 1e-3 away from every kink and pole, and their keyword arguments.
    `oracle(*arrays, **static)` is plain NumPy or SciPy that never calls the op. It accepts complex arrays, for complex
    steps, unless `analytic` is False. The flags are properties that the
    battery tests: `linear` names the arguments in which the op is linear while the others are fixed.
    """

    op: Callable[..., Tensor]
    sample: Callable[[np.random.Generator], tuple[Arrays, Static]]
    oracle: Callable[..., np.ndarray]
    analytic: bool = True
    linear: tuple[str, ...] = ()
    exact: bool | Callable[[Arrays, Static], bool] = (
        False  # whole numbers give whole numbers, forwards and backwards: no rounding
    )
    flat: bool = False  # all second derivatives are zero
    added: tuple[str, ...] = ()  # arguments that are only added, as a bias is: their gradient depends on no input
    convex: bool = False  # each output entry is a convex function of all inputs together
    view: bool = False  # the output may share memory with an input
    broadcasts: Callable[[Arrays], bool] | None = None  # whether these inputs are broadcast to each other
    empty: bool = True  # empty arrays are allowed
    terms: Callable[[Arrays, Static], int] | None = None  # the length of the longest sum, forwards or backwards
    domain: Callable[..., np.ndarray] | None = (
        None  # a mask of the extreme inputs for which the op is defined; None: all
    )
    waivers: tuple[Waiver, ...] = ()
    without_torch: str = ""  # why PyTorch has no counterpart

    @property
    def name(self) -> str:
        return self.op.__name__

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of the differentiable inputs; `*xs` is one name for all of them."""
        parameters = inspect.signature(self.op).parameters.values()
        positional = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        return tuple(p.name for p in parameters if p.kind in positional)

    @cached_property
    def elementwise(self) -> bool:
        """Whether each output entry depends only on the input entries at the same index; found by running the op."""
        arrays, static = self.sample(np.random.default_rng(0))
        if any(isinstance(value, np.ndarray | tuple | list) for value in static.values()):
            return False
        inputs = [np.resize([*np.ravel(a), 0.25, 0.5, 0.75], (2, 3)) for a in arrays]
        try:
            together = self.op(*inputs, **static).numpy()
            alone = [
                self.op(*(x[i, j] * np.ones((1, 1)) for x in inputs), **static).numpy() for i, j in np.ndindex(2, 3)
            ]
        except (TypeError, ValueError, IndexError):
            return False
        return bool(together.shape == (2, 3) and np.allclose(np.ravel(alone), together.ravel(), rtol=1e-12))

    def argument(self, position: int) -> str:
        """The name of the input at `position`."""
        return self.arguments[min(position, len(self.arguments) - 1)]

    def is_exact(self, arrays: Arrays, static: Static) -> bool:
        return self.exact(arrays, static) if callable(self.exact) else self.exact

    def longest_sum(self, arrays: Arrays, static: Static, size: int) -> int:
        """K of the rounding bound: the length of the longest sum, from `terms` or from the ratio of the sizes."""
        if self.terms is not None:
            return max(self.terms(arrays, static), 1)
        ratios = [max(a.size, size) / max(min(a.size, size), 1) for a in arrays]
        return max(math.ceil(max(ratios)), 1)

    def describe(self, arrays: Arrays, static: Static) -> str:
        """The example in one line, for messages."""
        inputs = ", ".join(f"{self.argument(i)} {a.shape} {a.dtype}" for i, a in enumerate(arrays))
        return f"{self.name}: {inputs}" + "".join(f"; {k}={_short(v)}" for k, v in static.items())


def _short(value) -> str:
    return f"{value.dtype} array {value.shape}" if isinstance(value, np.ndarray) and value.size > 12 else repr(value)
