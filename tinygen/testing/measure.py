"""Helpers of the properties: an op and its gradients on arrays, scaled errors, and the failure that reports them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.grad import grad
from tinygen.tensor import Tensor, constant, variable
from tinygen.testing.case import Arrays, Case, Static

EPS32 = float(np.finfo(np.float32).eps)


class Failure(AssertionError):
    """An op lacks a property: which op and argument, the error, and the example.

    The verdict is "wrong", or that of a gradient check without a decision: "undecided", "kink", "not finite".
    """

    def __init__(
        self,
        case: Case,
        argument: str,
        text: str,
        arrays: Arrays,
        static: Static,
        *,
        error: float = np.inf,
        verdict: str = "wrong",
    ):
        self.case, self.argument, self.text, self.error, self.verdict = case, argument, text, error, verdict
        where = "" if argument == "*" else f", argument {argument}"
        super().__init__(f"{case.name}{where}: {text}\n  on {case.describe(arrays, static)}")


def variables(arrays: Arrays) -> list[Tensor]:
    """Variables that share these arrays in their memory layout: `Tensor(array)` would make a C-order copy."""
    return [variable(a.view()) for a in arrays]


def evaluate(case: Case, arrays: Arrays, static: Static) -> np.ndarray:
    """The op's value."""
    return case.op(*[constant(a.view()) for a in arrays], **static).numpy()


def pull_back(case: Case, arrays: Arrays, static: Static, gy: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The op's value, and the gradient of each input for the cotangent `gy`."""
    xs = variables(arrays)
    y = case.op(*xs, **static)
    return y.numpy(), [g.numpy() for g in grad(y, xs, constant(gy.view()))]


def with_arrays(static: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """A setting, or all of them, with every array in it changed: masks, matrices, index arrays within tuples."""
    if isinstance(static, dict):
        return {name: with_arrays(value, change) for name, value in static.items()}
    if isinstance(static, tuple):
        return tuple(with_arrays(value, change) for value in static)
    return change(static) if isinstance(static, np.ndarray) else static


def largest(*arrays: np.ndarray) -> float:
    return max((float(np.abs(a).max()) for a in arrays if a.size), default=0.0)


def scaled(got: np.ndarray, expected: np.ndarray, *scales: np.ndarray) -> float:
    """The largest difference, relative to the largest number in all arrays; infinite if there is a NaN."""
    difference = largest(got - expected)
    error = difference / max(largest(expected, *scales), np.finfo(np.float64).tiny)
    return error if np.isfinite(error) else np.inf


def dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.vdot(a, b))


def norm(a: np.ndarray) -> float:
    return float(np.sqrt(np.vdot(a, a)))


def worse(found: dict[str, float], argument: str, error: float) -> None:
    """Keep the larger error of an argument."""
    found[argument] = max(found.get(argument, 0.0), error)
