"""What every optimizer does: check the gradients, advance the step count, give each Parameter its new array.

A rule only says how one array moves. Parameters are never written to in place, so a graph that used the old values
keeps them; what a rule remembers (momentum and the like) is its own and is. The rules of this folder are one pass over
the arrays each, in `kernels/optim.py`; `kernels/reference.py` says the same in NumPy.
"""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.errors.calls import ExplainedCalls
from tinygen.io.checkpoint import check_state
from tinygen.nn.debug import origin
from tinygen.tensor import Parameter, Tensor, array_of


class Optimizer(metaclass=ExplainedCalls):
    """`opt.step(grad(loss, params))` moves the parameters; `opt.lr` may be set anew before any step.

    `opt.step()` without gradients takes those that `loss.backward()` left in the parameters, and zeros for a Parameter
    that it didn't reach, exactly as `grad` does. Raises, before anything moves, ValueError for gradients that don't
    fit, and FloatingPointError for a step whose result would not be finite: then parameters, memory and step count are
    what they were.
    """

    __slots__ = ("_lr", "_proven", "memory", "params", "steps", "weight_decay")

    def __init__(
        self, params: Iterable[Parameter], lr: float, *, weight_decay: float = 0.0, remembers: tuple[str, ...] = ()
    ):
        """`remembers` names the arrays that the rule keeps for each Parameter, shaped like it and zero at first."""
        self.params = parameter_list(type(self).__name__, params)
        self.lr = lr
        self.weight_decay = non_negative(self, "weight_decay", weight_decay)
        self.steps = 0
        self.memory = [{name: np.zeros(p.shape, p.dtype) for name in remembers} for p in self.params]
        self._proven: list[np.ndarray] = []  # the parameters' arrays of the last step, if no step from there overflows

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = non_negative(self, "lr", lr)

    def step(self, grads: Sequence[Tensor | np.ndarray] | None = None) -> None:
        """Move every Parameter once along its gradient."""
        if isinstance(grads, Tensor):
            who = type(self).__name__
            raise TypeError(f"{who}: expected a list of gradients, got one Tensor: write step(grad(loss, params))")
        arrays = self._collected() if grads is None else [np.asarray(array_of(g)) for g in grads]
        before = [p.data for p in self.params]
        self._check(before, arrays)
        self.steps += 1
        try:
            after, finite_squares = self._finite_step(before, arrays)
        except BaseException:
            self.steps -= 1
            raise
        after.reverse()
        for p in self.params:
            θ = np.asarray(after.pop())  # NumPy turns 0-d results into scalars
            if θ.base is None and sys.getrefcount(θ) <= 2:  # nobody else holds it
                θ.setflags(False)  # read-only, so that the parameter takes it as it is; any other it copies
            p.data = θ
        self._proven = [p.data for p in self.params] if finite_squares else []

    def _finite_step(self, before: list[np.ndarray], grads: list[np.ndarray]) -> tuple[list, bool]:
        """The new parameters, and whether the squares of all that was made are finite too.

        Raises FloatingPointError if something would not be finite; the memory is then what it was.
        """
        kept = self.memory
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused
                if not self._is_safe(before, grads):
                    kept = [{name: array.copy() for name, array in m.items()} for m in self.memory]
                after, size = self._moved(before, grads)
            if math.isfinite(size):
                return after, True
            if all(map(kernels.is_finite, [*after, *(array for m in self.memory for array in m.values())])):
                return after, False
            raise FloatingPointError(self._refusal(before, grads, kept))
        except BaseException:
            self.memory = kept
            raise

    def _is_safe(self, before: list[np.ndarray], grads: list[np.ndarray]) -> bool:
        """Whether this step can't fail, so that no copy of the memory is needed; raises if a gradient isn't finite.

        It can't if the squares of all numbers are finite: of the gradients, which are looked at here, and of what the
        last step made, which that step has proven of the arrays in `_proven`.
        """
        if not math.isfinite(sum(map(np.vdot, grads, grads))):
            if not all(map(kernels.is_finite, grads)):
                raise FloatingPointError(self._refusal(before, grads, []))
            return False
        same = len(self._proven) == len(before) and all(map(is_, before, self._proven))
        return same and getattr(self, "eps", 1) > 0  # without ε, Adam may divide 0 by 0

    def _moved(self, before: list[np.ndarray], grads: list[np.ndarray]) -> tuple[list, float]:
        """The new parameters, and a sum that is finite only if they and the memory are."""
        rule = getattr(type(self).update, "rule", None)
        if rule is not None:
            return rule(self, before, grads, **{name: [m[name] for m in self.memory] for name in self.memory[0]})
        return [self.update(θ, g, **memory) for θ, g, memory in zip(before, grads, self.memory)], math.nan

    def _refusal(self, before: list[np.ndarray], grads: list[np.ndarray], memory: list[dict]) -> str:
        """In words: which parameter the refused step would have spoilt."""
        who = f"{type(self).__name__}, step {self.steps}"
        remembered = [(f"memory {name}", [m[name] for m in memory]) for name in (memory[0] if memory else ())]
        for what, arrays in (("gradient", grads), ("value", before), *remembered):
            for i, x in enumerate(arrays):
                if not kernels.is_finite(x):
                    kind = "nan" if np.isnan(x).any() else "infinite"
                    name, why = origin(self.params[i]) if arrays is grads else ("", "look at what was loaded into it")
                    named = f"{i}, {name}," if name else f"{i}"
                    return f"{who}: the {what} of parameter {named} {x.shape} is {kind}, and nothing was changed: {why}"
        return f"{who}: all gradients are finite, but lr={self.lr:g} times them overflows, and nothing was changed"

    def update(self, θ: np.ndarray, g: np.ndarray, **memory: np.ndarray) -> np.ndarray:
        """The new array for the values θ with gradient g; may write to the arrays of its memory, never to θ or g."""
        raise NotImplementedError(f"{type(self).__name__} has no update(): define how one array moves")

    def zero_grad(self) -> None:
        """Forget what `backward` added up in the parameters."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of step count, learning rate and memory: with the parameters, all that an exact resume needs."""
        return {"steps": np.array(self.steps), "lr": np.array(self.lr)} | {
            f"{name}.{i}": array.copy() for i, memory in enumerate(self.memory) for name, array in memory.items()
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on where `state` was taken; raises ValueError, and changes nothing, if it is of other parameters."""
        check_state(type(self).__name__, self.state_dict(), state)
        self.steps, self.lr, self._proven = int(state["steps"]), float(state["lr"]), []
        self.memory = [
            {name: np.array(state[f"{name}.{i}"], order="C") for name in m} for i, m in enumerate(self.memory)
        ]

    def _collected(self) -> list[np.ndarray]:
        if all(p.grad is None for p in self.params):
            raise ValueError(
                f"{type(self).__name__}: no parameter has a gradient: pass grad(loss, params), or call loss.backward()"
            )
        return [np.zeros(p.shape, p.dtype) if p.grad is None else p.grad.data for p in self.params]

    def _check(self, before: list[np.ndarray], arrays: list[np.ndarray]) -> None:
        name = type(self).__name__
        if len(arrays) != len(self.params):
            raise ValueError(f"{name}: expected {len(self.params)} gradients, one per parameter, got {len(arrays)}")
        for i, (θ, g) in enumerate(zip(before, arrays)):
            if g.shape != θ.shape or g.dtype != θ.dtype:
                raise ValueError(
                    f"{name}: gradient {i} is {g.shape} {g.dtype} but its parameter {θ.shape} {θ.dtype}: "
                    "are both lists in the same order?"
                )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, lr={self.lr:g}, {self.steps} steps done)"


def one_pass(rule: Callable) -> Callable:
    """An `update` by a rule for lists, one entry for each parameter: all of them move in one call of a kernel.

    A subclass may define `update` anew for one parameter at a time, and call this one for that.
    """

    def update(self, *arrays, **memory):
        (θ,), _ = rule(self, *([x] for x in arrays), **{name: [x] for name, x in memory.items()})
        return θ

    update.rule = rule
    return update


# -- what optimizers and averages ask of their arguments ---------------------------------------------------------------


def parameter_list(who: str, params: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list; raises unless there is one at least, all are Parameters, and none comes twice."""
    if isinstance(params, Tensor):
        raise TypeError(f"{who}: params must be a list of Parameters, got one tensor: put it in brackets")
    if hasattr(params, "parameters") or callable(params):
        kind = type(params).__name__
        raise TypeError(f"{who}: expected params to be a list of Parameters, got a {kind}: write model.parameters()")
    params = list(params)
    if not params:
        raise ValueError(f"{who}: params is empty: a generator that was used up? model.parameters() is a list")
    for i, p in enumerate(params):
        if not isinstance(p, Parameter):
            kind = type(p).__name__
            raise TypeError(f"{who}: params[{i}] must be a Parameter, got a {kind}: write model.parameters()")
    if len({id(p) for p in params}) != len(params):
        raise ValueError(f"{who}: a Parameter comes twice and would move twice a step; list it once")
    return params


def non_negative(owner: object, name: str, value: float) -> float:
    """`value` as a Python float, which never promotes an array; raises ValueError unless it is finite and >= 0."""
    return arguments.real(type(owner).__name__, name, value, least=0)


def fraction(owner: object, name: str, value: float) -> float:
    """`value` as a Python float; raises ValueError unless it is in [0, 1)."""
    return arguments.real(type(owner).__name__, name, value, least=0, below=1)
