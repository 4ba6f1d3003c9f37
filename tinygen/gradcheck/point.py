"""A function at a point, seen from both sides: its arguments move along tangents, its outputs are pulled back by rules.

Order 1 looks at f itself. Order 2 looks at the map (x₁, ..., xₙ, g) -> (∂f/∂x₁ᵀ g, ..., ∂f/∂xₙᵀ g) in the same way.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from tinygen.grad import grad
from tinygen.gradcheck.differences import Slope, best_of_ladder, five_points
from tinygen.gradcheck.limits import FLOOR
from tinygen.tensor import Tensor, array_of, constant

Arrays = Sequence[np.ndarray]
Exact = Callable[[int, np.ndarray], Slope]  # (argument, tangent) -> J t, where something better than steps is known


class Point:
    """`record` makes the outputs from variables, with their graph; `compute` makes at least the same numbers."""

    def __init__(self, record: Callable, compute: Callable, arrays: Arrays):
        self.arrays = list(arrays)
        self.variables = _variables(self.arrays)
        self.outputs: list[Tensor] = record(*self.variables)
        self._compute = compute

    @cached_property
    def blocks(self) -> list[slice]:
        """Where each output stands among the entries of all."""
        ends = np.cumsum([0, *(y.size for y in self.outputs)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @cached_property
    def center(self) -> np.ndarray:
        return self.values(self.arrays)

    def values(self, arrays: Arrays) -> np.ndarray:
        """All outputs at `arrays`, flat, one behind the other."""
        return np.concatenate([array_of(y).reshape(-1) for y in self._compute(*_variables(arrays))])

    def along(self, j: int) -> Callable[[np.ndarray], np.ndarray]:
        """All outputs as a function of argument j alone."""
        return lambda x: self.values([*self.arrays[:j], x, *self.arrays[j + 1 :]])

    def pull(self, k: int, g: np.ndarray | Tensor) -> list[np.ndarray]:
        """What the rules say: Jᵀ g of output k for each argument; zeros if that output is a constant."""
        y = self.outputs[k]
        if y.node is None:
            return [np.zeros(x.shape) for x in self.arrays]
        g = g if isinstance(g, Tensor) else g.reshape(y.shape)
        return [array_of(d) for d in grad(y, self.variables, g, retain_graph=True)]


class Moves:
    """What happens to all outputs when argument j moves along tangents of length 1.

    First come random tangents, then, if the argument has no more than `full` entries, each entry alone.
    """

    def __init__(
        self, point: Point, j: int, rng: np.random.Generator, *, full: int, directions: int, exact: Exact | None
    ):
        self.f, self.x, self.center = point.along(j), point.arrays[j], point.center
        self.exact = exact and (lambda t: exact(j, t))
        x = self.x
        random = [normal(rng, x.shape) for _ in range(directions)]
        single = x.size <= full
        self.tangents = [t / max(np.linalg.norm(t), FLOOR) for t in random]
        self.tangents += list(np.eye(x.size).reshape(x.size, *x.shape)) if single else []
        self.entries = [None] * directions + (list(np.ndindex(x.shape)) if single else [])
        self._slopes = [self.slope(t) for t in self.tangents]
        self._ladders: dict[int, Callable[[slice], Slope]] = {}

    def slope(self, t: np.ndarray) -> Slope:
        """J t of all outputs, at first sight."""
        return self.exact(t) if self.exact else five_points(self.f, self.x, t, self.center)

    def known(self, i: int, block: slice) -> Slope:
        """Along tangent i, at first sight."""
        return self._slopes[i].cut(block)

    def refined(self, i: int, block: slice) -> Slope:
        """Along tangent i, with the best of many steps."""
        if self.exact:
            return self.known(i, block)
        if i not in self._ladders:
            self._ladders[i] = best_of_ladder(self.f, self.x, self.tangents[i], self.center)
        return self._ladders[i](block)


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


def names_of(f: Callable, n: int) -> list[str]:
    """What f calls its arguments, else their numbers."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # some callables written in C have no signature
        return [f"argument {i}" for i in range(n)]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:n]
    many = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "argument")
    return names + [f"{many}[{i}]" for i in range(n - len(names))]


def outputs_of(y: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """One Tensor or several as a list; raises TypeError for anything else."""
    outputs = list(y) if isinstance(y, tuple | list) else [y]
    for tensor in outputs or [y]:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"check: f must answer a Tensor or a tuple of Tensors, not {type(tensor).__name__}")
    return outputs


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal, but pushed away from 0 by FLOOR."""
    x = rng.normal(size=shape)
    return x + np.where(x < 0, -FLOOR, FLOOR)


def _variables(arrays: Arrays) -> list[Tensor]:
    """Variables around these very arrays: a copy would have another memory layout, and hide what depends on it."""
    for a in arrays:
        a.setflags(write=False)  # an op that writes to its input fails here too
    return [constant(a, Tensor(a, requires_grad=True).node) for a in arrays]
