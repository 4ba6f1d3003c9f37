"""A function at a point, with both kinds of derivative: differences along tangents, and the gradients of its rules.

Order 1 is about f itself, order 2 about the map (x₁, ..., xₙ, g) -> (∂f/∂x₁ᵀ g, ..., ∂f/∂xₙᵀ g).
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from tinygen.grad import grad
from tinygen.gradcheck.differences import Slope
from tinygen.gradcheck.limits import FLOOR, NEARBY
from tinygen.tensor import Node, Parameter, Tensor, array_of, constant, variable

Arrays = Sequence[np.ndarray]
Exact = Callable[[int, np.ndarray, float], Slope]  # (argument, tangent, nudge of the point) -> J t, without steps


class Point:
    """`record` computes the outputs with their graph; `compute` returns the same numbers, with or without a graph."""

    def __init__(self, record: Callable, compute: Callable, arrays: Arrays):
        self.arrays = list(arrays)
        self.variables = _variables(self.arrays)
        self.used: set[Node] = set()  # the leaves of the graph, as far as they are known
        self.outputs: list[Tensor] = record(*self.variables)
        self._record, self._compute = record, compute

    @cached_property
    def blocks(self) -> list[slice]:
        """The slice of each output in the flat array of all outputs."""
        ends = np.cumsum([0, *(y.size for y in self.outputs)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @cached_property
    def center(self) -> np.ndarray:
        return self.values(self.arrays)

    @cached_property
    def nearby(self) -> "Point | None":
        """The same function next to the point; None if that is outside its domain."""
        rng = np.random.default_rng(0)
        moved = [x * (1 + NEARBY * normal(rng, x.shape)) for x in self.arrays]
        try:
            return Point(self._record, self._compute, moved)
        except (ValueError, ArithmeticError):
            return None

    def values(self, arrays: Arrays) -> np.ndarray:
        """All outputs at `arrays`, flat, one after the other."""
        return np.concatenate([array_of(y).reshape(-1) for y in self._compute(*_variables(arrays))])

    def along(self, j: int) -> Callable[[np.ndarray], np.ndarray]:
        """All outputs as a function of argument j alone; NaN where f refuses its arguments."""

        def f(x: np.ndarray) -> np.ndarray:
            try:
                return self.values([*self.arrays[:j], x, *self.arrays[j + 1 :]])
            except (ValueError, ArithmeticError):  # as a loss that requires probabilities does
                return np.full(self.center.shape, np.nan)

        return f

    def pull(self, k: int, g: np.ndarray | Tensor) -> list[np.ndarray]:
        """The result of the rules: Jᵀ g of output k for each argument; zeros if that output is a constant."""
        y = self.outputs[k]
        if y.node is None:
            return [np.zeros(x.shape) for x in self.arrays]
        g = g if isinstance(g, Tensor) else g.reshape(y.shape)
        return [array_of(d) for d in grad(y, self.variables, g, retain_graph=True)]


def first(f: Callable, arrays: Arrays) -> Point:
    """f itself."""

    def run(*variables):  # never inside no_grad: f may take gradients of its own
        return outputs_of(f(*variables))

    return Point(run, run, arrays)


def second(f: Callable, arrays: Arrays, k: int, cotangent: np.ndarray) -> Point:
    """The gradients of output k of f, as functions of the arguments and of the cotangent."""

    def gradients(create_graph: bool, *variables):
        *xs, g = variables
        y = outputs_of(f(*xs))[k]
        if y.node is None:
            return [constant(np.zeros(x.shape)) for x in xs]
        found = grad(y, xs, g, create_graph=create_graph)
        return [d if isinstance(d, Tensor) else constant(np.asarray(d)) for d in found]

    return Point(lambda *v: gradients(True, *v), lambda *v: gradients(False, *v), [*arrays, cotangent])


class WithParameters:
    """A module, or a method of one, as a function of its inputs and, behind them, of its Parameters.

    A call leaves the Parameters and the buffers, such as running statistics, as they were.
    """

    def __init__(self, f: Callable, entries: Sequence):
        self.f, self.buffers = f, [e for e in entries if not isinstance(e.value, Parameter)]
        self.parameters: list[Parameter] = [e.value for e in entries if isinstance(e.value, Parameter)]
        self.names = [e.name for e in entries if isinstance(e.value, Parameter)]

    def __call__(self, *tensors: Tensor) -> Any:
        """f of the first tensors, while each Parameter stands for one of the others: its numbers, and its node."""
        before = [(p.data, p.node) for p in self.parameters]
        inputs, others = tensors[: -len(before)], tensors[-len(before) :]
        try:
            for parameter, x in zip(self.parameters, others):
                parameter.data, parameter.node = x.data, x.node
            return self.f(*inputs)
        finally:
            for parameter, (data, node) in zip(self.parameters, before):
                parameter.node, parameter.data = node, data  # in this order: the node knows the shape of the data
            for entry in self.buffers:
                vars(entry.owner)[entry.key] = entry.value


def with_parameters(f: Callable) -> Callable:
    """f, or as `WithParameters` if it is a module with Parameters, or a method of one."""
    module = getattr(f, "__self__", f)
    entries = module.entries() if hasattr(module, "named_parameters") and not isinstance(module, type) else []
    return WithParameters(f, entries) if any(isinstance(e.value, Parameter) for e in entries) else f


def names_of(f: Callable, n: int) -> list[str]:
    """The names of f's parameters, or their positions if f has no signature."""
    if isinstance(f, WithParameters):
        return names_of(getattr(f.f, "forward", f.f), n - len(f.names)) + f.names
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some callables written in C have no signature
        return [f"argument {i}" for i in range(n)]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:n]
    many = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    return names + [f"{many}[{i}]" for i in range(n - len(names))]


def outputs_of(y: Any) -> list[Tensor]:
    """One Tensor or several, also in tuples within tuples, as a list; raises TypeError for anything else."""
    if isinstance(y, Tensor):
        return [y]
    if not isinstance(y, tuple | list) or not y:
        raise TypeError(f"check: expected f to return a Tensor or a tuple of Tensors, got {type(y).__name__}")
    return [tensor for part in y for tensor in outputs_of(part)]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal, but pushed away from 0 by FLOOR."""
    x = rng.normal(size=shape)
    return x + np.where(x < 0, -FLOOR, FLOOR)


def _variables(arrays: Arrays) -> list[Tensor]:
    """Variables that share these arrays: a copy could have another memory layout, and hide errors that depend on it."""
    return [variable(a) for a in arrays]  # read-only: an op that writes to its input fails here too
