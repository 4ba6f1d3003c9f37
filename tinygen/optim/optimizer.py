"""The base of all optimizers: check the gradients, apply the rule, refuse a non-finite result, set the new parameters.

A rule is a function on lists: old values, gradients and memory in, new values out. It never writes to values or
gradients, so a graph that used them keeps them; it may write to the memory, which is a copy if the step could fail. The
rules of the library are kernels, in `kernels/optim.py`; `kernels/reference_optim.py` has the same rules in NumPy.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from typing import Any, cast

import numpy as np

from tinygen import kernels
from tinygen.errors import arguments, hints
from tinygen.errors.calls import ExplainedCalls
from tinygen.io import html
from tinygen.io.checkpoint import check_state
from tinygen.nn.debug import origin
from tinygen.tensor import Parameter, Tensor

Arrays = list[np.ndarray]  # one for each parameter
Memory = dict[str, Arrays]


_set_data = cast(Any, Tensor.data).__set__


class Optimizer(metaclass=ExplainedCalls):
    """`opt.step(grad(loss, params))` moves the parameters; `opt.lr` may be changed before any step.

    A subclass defines `rule`, for all parameters at once, or `update`, for one at a time. `remembers` names the arrays
    that it keeps for each Parameter: of the same shape, zero at first, in `memory` by name.
    """

    __slots__ = ("_lr", "_small", "memory", "params", "steps", "weight_decay")

    def __init__(
        self, params: Iterable[Parameter], lr: float, *, weight_decay: float = 0.0, remembers: tuple[str, ...] = ()
    ):
        self.params = parameter_list(type(self).__name__, params)
        self.lr = lr
        self.weight_decay = non_negative(self, "weight_decay", weight_decay)
        self.steps = 0
        self.memory: Memory = {name: [np.zeros(p.shape, p.dtype) for p in self.params] for name in remembers}
        self._small: Arrays = []  # the results of the last step, if the squares of all that it wrote are finite

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = non_negative(self, "lr", lr)

    # -- the step ------------------------------------------------------------------------------------------------------

    def step(self, grads: Sequence[Tensor | np.ndarray] | None = None) -> None:
        """Move every Parameter once along its gradient.

        Without `grads`, takes the gradients that `loss.backward()` left in the parameters, and zeros for a Parameter
        that it didn't reach, as `grad` does. Raises ValueError for gradients that don't fit and FloatingPointError for
        a result that is not finite; then parameters, memory and step count are the same as before.
        """
        values, gradients = [p.data for p in self.params], self._collected() if grads is None else self._arrays(grads)
        self._check(values, gradients)
        rule = self.rule if type(self).update is Optimizer.update else self._one_by_one
        self.steps += 1
        try:
            with np.errstate(all="ignore"):  # a non-finite result is refused below
                small = not self.memory or kernels.squares_fit(gradients)
                memory = self.memory if small and self._cannot_fail(values) else _copied(self.memory)
                new, finite = rule(values, gradients, **memory)
            if not (small and finite):
                self._check_finite(values, gradients, new, memory)
        except BaseException:
            self.steps -= 1
            raise
        self.memory = memory
        for p, x, θ in zip(self.params, values, new):
            if θ.base is None and not θ.flags.writeable and θ.dtype is x.dtype and θ.shape == x.shape:
                _set_data(p, θ)  # what Parameter.__setattr__ would do, without its checks
            else:
                p.data = θ
        self._small = new if finite else []

    def rule(self, θs: Arrays, gs: Arrays, **memory: Arrays) -> tuple[Arrays, bool]:
        """The new values, and whether the squares of all that was written are known to be finite.

        `self.steps` counts this step too. May write to the arrays of the memory, never to θs or gs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update() and no rule(): define how one array moves")

    def update(self, θ: np.ndarray, g: np.ndarray, *memory: np.ndarray, **named: np.ndarray) -> np.ndarray:
        """The new array for the values θ with gradient g. May write to the arrays of its memory, never to θ or g."""
        kept = dict(zip(self.memory, memory)) | named
        (new,), _ = self.rule([θ], [g], **{name: [array] for name, array in kept.items()})
        return new

    def _one_by_one(self, θs: Arrays, gs: Arrays, **memory: Arrays) -> tuple[Arrays, bool]:
        """The rule that `update` defines."""
        new = []
        for i, (θ, g) in enumerate(zip(θs, gs)):
            new.append(np.asarray(self.update(θ, g, **{name: arrays[i] for name, arrays in memory.items()})))
            if new[i].shape != θ.shape:
                who = type(self).__name__
                raise ValueError(f"{who}.update: expected an array {θ.shape} for parameter {i}, got {new[i].shape}")
        return new, False

    def _cannot_fail(self, values: Arrays) -> bool:
        """Whether no step from here overflows, so that it may write to the memory without a copy.

        None does if the squares of gradients, values and memory are finite and the settings have an ordinary size.
        """
        ordinary = self._lr <= 1 and self.weight_decay <= 1 and getattr(self, "eps", 1) > 1e-12
        last = len(self._small) == len(values) and all(map(is_, values, self._small))
        return ordinary and last

    # -- checks --------------------------------------------------------------------------------------------------------

    def _arrays(self, grads: Sequence[Tensor | np.ndarray]) -> Arrays:
        if isinstance(grads, Tensor | np.ndarray) or not isinstance(grads, Iterable):
            given = f"one {type(grads).__name__}" if isinstance(grads, Tensor | np.ndarray) else repr(grads)
            raise TypeError(
                f"{type(self).__name__}: expected a list of gradients, got {given}: write step(grad(loss, params))"
            )
        return [g.data if isinstance(g, Tensor) else np.asarray(g) for g in grads]

    def _collected(self) -> Arrays:
        """The gradients that `backward` added up."""
        if all(p.grad is None for p in self.params):
            raise ValueError(
                f"{type(self).__name__}: no parameter has a gradient: pass grad(loss, params), or call loss.backward()"
            )
        return [np.zeros(p.shape, p.dtype) if p.grad is None else p.grad.data for p in self.params]

    def _check(self, values: Arrays, gradients: Arrays) -> None:
        name = type(self).__name__
        if len(gradients) != len(values):
            raise ValueError(f"{name}: expected {len(values)} gradients, one per parameter, got {len(gradients)}")
        if [(g.shape, g.dtype) for g in gradients] == [(θ.shape, θ.dtype) for θ in values]:
            return
        for i, (θ, g) in enumerate(zip(values, gradients)):
            if g.shape != θ.shape or g.dtype != θ.dtype:
                raise ValueError(
                    f"{name}: gradient {i} is {g.shape} {g.dtype} but its parameter {θ.shape} {θ.dtype}: "
                    "are both lists in the same order?"
                )

    def _check_finite(self, values: Arrays, gradients: Arrays, new: Arrays, memory: Memory) -> None:
        """Raises FloatingPointError, which names the first input that is not finite, if any number is not."""
        lists = [gradients, new, *memory.values()]
        if all(kernels.is_finite(x) for arrays in lists for x in arrays):
            return
        who = f"{type(self).__name__}, step {self.steps}"
        remembered = ((f"memory {name}", arrays) for name, arrays in self.memory.items())
        for what, arrays in (("gradient", gradients), ("value", values), *remembered):
            for i, x in enumerate(arrays):
                if not kernels.is_finite(x):
                    kind = "nan" if np.isnan(x).any() else "infinite"
                    known = what == "gradient"
                    name, why = origin(self.params[i]) if known else ("", "look at what was loaded into it")
                    named = f"{i}, {name}," if name else f"{i}"
                    raise FloatingPointError(
                        f"{who}: the {what} of parameter {named} {x.shape} is {kind}, and nothing was changed: {why}"
                    )
        raise FloatingPointError(
            f"{who}: all gradients are finite, but lr={self.lr:g} times them overflows, and nothing was changed"
        )

    # -- state ---------------------------------------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget the gradients that `backward` added up in the parameters."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of step count, learning rate and memory: with the parameters, all that an exact resume needs."""
        state = {"steps": np.array(self.steps), "lr": np.array(self.lr)}
        for i in range(len(self.params)):
            state |= {f"{name}.{i}": arrays[i].copy() for name, arrays in self.memory.items()}
        return state

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from `state`. Raises ValueError, and changes nothing, if it belongs to other parameters."""
        check_state(type(self).__name__, self.state_dict(), state)
        self.steps, self.lr, self._small = int(state["steps"]), float(state["lr"]), []
        self.memory = {
            name: [np.array(state[f"{name}.{i}"], order="C") for i in range(len(self.params))] for name in self.memory
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, lr={self.lr:g}, {self.steps} steps done)"

    def _repr_html_(self) -> str:
        size = sum(p.size for p in self.params)
        facts = {
            "parameters": f"{html.counted(len(self.params), 'array')}, {html.counted(size, 'number')}",
            "lr": self.lr,
            "steps done": self.steps,
        }
        names = [name for kind in type(self).__mro__[:-2] for name in vars(kind).get("__slots__", ())]
        facts |= {name: str(getattr(self, name)) for name in names if hasattr(self, name)}
        facts |= {"weight_decay": self.weight_decay, "memory": ", ".join(self.memory) or "none"}
        return html.block(type(self).__name__, html.facts(facts))


hints.point_elsewhere(Optimizer, hints.TABLES["Optimizer"], kind="Optimizer")


def _copied(memory: Memory) -> Memory:
    return {name: [x.copy() for x in arrays] for name, arrays in memory.items()}


# -- arguments ---------------------------------------------------------------------------------------------------------


def parameter_list(who: str, params: Iterable[Parameter]) -> list[Parameter]:
    """The parameters as a list; raises unless there is at least one, all are Parameters, and none is listed twice."""
    expected = f"{who}: expected params to be a list of Parameters"
    if isinstance(params, Tensor):
        raise TypeError(f"{expected}, got one tensor: put it in brackets")
    if hasattr(params, "parameters") or callable(params) or not isinstance(params, Iterable):
        raise TypeError(f"{expected}, got a {type(params).__name__}: write model.parameters()")
    params = list(params)
    if not params:
        raise ValueError(f"{expected}, got none: write model.parameters(), a list, if a generator was used up")
    for i, p in enumerate(params):
        if not isinstance(p, Parameter):
            raise TypeError(f"{expected}, got a {type(p).__name__} as params[{i}]: write model.parameters()")
    if len({id(p) for p in params}) != len(params):
        raise ValueError(f"{expected}, got one of them twice, so it would move twice per step: list it once")
    return params


def non_negative(owner: object, name: str, value: float) -> float:
    """`value` as a Python float, which never promotes an array; raises ValueError unless it is finite and >= 0."""
    return arguments.real(type(owner).__name__, name, value, least=0)


def fraction(owner: object, name: str, value: float) -> float:
    """`value` as a Python float; raises ValueError unless it is in [0, 1)."""
    return arguments.real(type(owner).__name__, name, value, least=0, below=1)
