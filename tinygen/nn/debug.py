"""A guard for losses: NaN or infinity stops the run before the weights move, and the error names the op and the layer.

    model.loss = nn.finite(model.loss, after=loop)
    for batch in loop.steps(batches):
        loss = model.loss(batch, rng)
        opt.step(grad(loss, params))

As long as all numbers are finite, the guard only looks at the data, the weights and the loss. Otherwise it computes the
same again, from the same random numbers, and watches every op; the backward pass too, if an optimizer refuses a step.
"""

from collections.abc import Callable
from functools import wraps
from operator import attrgetter
from types import FunctionType, MethodType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from tinygen import kernels
from tinygen.grad import reachable
from tinygen.nn.tree import Tree
from tinygen.nn.watching import watch, watching
from tinygen.op import no_grad, takes_output, trace
from tinygen.tensor import Node, Parameter, Tensor, array_of, constant

P = ParamSpec("P")
T = TypeVar("T")


def finite(f: Callable[P, T], *, after: object = "") -> Callable[P, T]:
    """The function f, which returns a tensor or a tuple of them, with a check that its result is finite.

    A call of the new function raises FloatingPointError for a result that is not. The error names the first op on the
    way to it that turned finite inputs into NaN or infinity, and the layer that called this op; or the parameter, the
    argument or the running statistic that is not finite itself. These three are refused even where an activation hides
    them from the result. Running statistics and generators are then what they were before the call. One case stays
    unnoticed: an op inside f that overflows where an activation hides it, since relu(-inf) is 0 and so is its slope.

    Layers are named as parts of the model whose method f is, of models among its arguments, and of those in variables
    that a local f uses. The error quotes the text of `after`, which tells how far the run has come, for instance a
    loop of `Run.loop`; without it, the error counts calls.
    """
    calls = 0

    @wraps(f)
    def guarded(*args: P.args, **options: P.kwargs) -> T:
        nonlocal calls
        attempt = watching.last = _Attempt(f, args, options)
        with np.errstate(all="ignore"):  # NaN and infinity are reported below, with their cause
            result = f(*args, **options)
            bad = [part for part in _parts(result) if not _is_finite(part)]
            problem = attempt.not_finite_before() or ("" if bad else attempt.not_finite_now())
        calls += 1
        if not bad and not problem:
            return result
        cause = problem or attempt.again(_cause)
        attempt.restore(attempt.before)
        name = f"{f.__name__}()" if isinstance(f, MethodType) else "the loss"
        given = _worst(bad[0]) if bad else "one that hides NaN or infinity"
        when = f"after {after}" if str(after) else f"in call {calls}"
        raise FloatingPointError(
            f"{name}: expected a finite result, got {given} {when}, and the weights were not moved: {cause}"
        )

    return guarded


def origin(parameter: Parameter) -> tuple[str, str]:
    """For a parameter whose gradient is not finite: its name, and a text that names the op that caused it, if known.

    Both come from the last call of a guarded function in this thread: its forward and its backward pass are computed
    again, with every op watched.
    """
    attempt = watching.last
    if attempt is None:
        return "", "with model.loss = nn.finite(model.loss) before the loop, this error names the op"
    name = next((name for name, *_, part in attempt.parts if part is parameter), "")
    return name, attempt.again(_backward_cause)


class _Attempt:
    """A call of a guarded function, and all that it takes to repeat it."""

    def __init__(self, f: Callable, args: tuple, options: dict):
        self.f, self.args, self.options, self.models = f, args, options, _models(f, args, options)
        self.parts = [
            (prefix + name, owner, key, value)
            for prefix, model in self.models
            for name, owner, key, value in model.attributes()
            if isinstance(value, _HELD)
        ]
        self.before = self.state()

    def state(self) -> list[tuple]:
        """(generator, None, state) of each generator of f or a layer, (owner, key, copy) of each running statistic."""
        held = [*self.args, *self.options.values(), *(value for *_, value in self.parts)]
        state = [(each, None, each.bit_generator.state) for each in held if isinstance(each, np.random.Generator)]
        buffers = [(owner, key) for _, owner, key, _ in self.parts if key in owner.buffers]
        return state + [(owner, key, getattr(owner, key).copy()) for owner, key in buffers]

    def restore(self, state: list[tuple]) -> None:
        for owner, key, value in state:
            if key is None:
                owner.bit_generator.state = value
            else:
                setattr(owner, key, value.copy())

    def not_finite_before(self) -> str:
        """A text that names the first parameter or argument that is not finite; "" if there is none."""
        arrays = [part.data for *_, part in self.parts if isinstance(part, Parameter)]
        if not all(map(kernels.is_finite, arrays)):
            for name, *_, part in self.parts:
                if isinstance(part, Parameter) and not _is_finite(part):
                    return f"the parameter {name} was {_worst(part)} before; a smaller learning rate may help"
        for name, value in [*enumerate(self.args), *self.options.items()]:
            if isinstance(value, np.ndarray | Tensor) and value.dtype.kind == "f" and not _is_finite(value):
                made = isinstance(value, Tensor) and value.requires_grad
                hint = "guard the function that made it with nn.finite, to see where" if made else "look at the data"
                return f"its argument {name} {value.shape} was {_worst(value)} somewhere before; {hint}"
        return ""

    def not_finite_now(self) -> str:
        """A text that names the first running statistic that the call made NaN or infinite; "" if there is none."""
        for name, owner, key, value in self.parts:
            if key in owner.buffers and (now := getattr(owner, key)) is not value and not _is_finite(now):
                if _is_finite(value):
                    return f"the running statistic {name} would be {_worst(now)}: look at the inputs of its layer"
                return f"the running statistic {name} was {_worst(value)} before; look at what was loaded into it"
        return ""

    def again(self, look: Callable[[list, list, list], str]) -> str:
        """`look` of the results, op calls and models of a second call, which leaves all state as it was."""
        now = self.state()
        self.restore(self.before)
        try:
            with watch(), trace(_Calls()) as calls, np.errstate(all="ignore"):
                result = self.f(*self.args, **self.options)
            with np.errstate(all="ignore"):
                return look(_parts(result), calls, self.models)
        finally:
            self.restore(now)


_HELD = (Parameter, np.ndarray, np.random.Generator)  # state that a call reads or changes


def _parts(result: Any) -> list:
    """The tensors and arrays of a result."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part for part in parts if isinstance(part, Tensor | np.ndarray | float | np.floating)]


def _is_finite(value: Any) -> bool:
    return kernels.is_finite(np.asarray(array_of(value)))


def _worst(value: Any) -> str:
    return "nan" if np.isnan(array_of(value)).any() else "infinite"


# -- the cause ---------------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """One op call, with the modules that it was made in, outermost first."""

    op: Callable
    inputs: tuple[Tensor, ...]
    output: Tensor
    inside: tuple[Tree, ...]


class _Calls(list):
    """The list that `trace` appends to: it adds to each op call the modules that it was made in."""

    def append(self, call: tuple) -> None:
        op, inputs, _, output = call
        super().append(Call(op, inputs, output, watching.inside))


def _cause(parts: list, calls: list[Call], models: list) -> str:
    """A text that names the op that made the first NaN or infinity on the way to a result."""
    makers = {id(call.output.data): call for call in reversed(calls)}  # the first op that returned an array
    bad = next((part for part in parts if not _is_finite(part)), None)
    if bad is None:
        return "computed again it is finite, so it depends on something that changes between two calls"
    call = makers.get(id(array_of(bad)))
    while call is not None:
        worse = [x for x in call.inputs if not _is_finite(x)]
        if not worse:
            where = _where(call.inside, models)
            return f"{call.op.__name__} {where} made the first, of inputs up to {_reach(call.inputs):.3g} in size"
        call = makers.get(id(worse[0].data))
    return "an array that no op made was so before"


def _backward_cause(parts: list, calls: list[Call], models: list) -> str:
    """A text that names the op whose derivative rule made the first NaN or infinity of the backward pass."""
    inside = {id(call.output.node): call.inside for call in calls}
    for part in parts:
        if isinstance(part, Tensor) and part.requires_grad and (found := _first_bad_rule(part)):
            node, g = found
            where = _where(inside.get(id(node), ()), models)
            return f"the derivative of {node.op.__name__} {where} made it, of gradients up to {_reach([g]):.3g} in size"
    return "the backward pass of what nn.finite was given is finite, so it came from what was added to that"


def _first_bad_rule(y: Tensor) -> tuple[Node, Tensor] | None:
    """The backward pass up to the first rule whose result is not finite: its node, and the gradient of that node."""
    if y.node is None:
        return None
    gradients: dict[Node, Tensor] = {y.node: constant(np.ones(y.shape, y.dtype))}
    with no_grad():
        for node in sorted(reachable(y.node), key=attrgetter("birth"), reverse=True):
            g, output = gradients.pop(node), None if node.output is None else constant(node.output, node)
            for parent, vjp in node.edges:
                share = vjp(g, output) if takes_output(vjp) else vjp(g)
                gradients[parent] = gradients[parent] + share if parent in gradients else share
                if not _is_finite(gradients[parent]):
                    return node, g
    return None


def _reach(tensors: list | tuple) -> float:
    return max((float(np.abs(x.data).max()) for x in tensors if x.size), default=0.0)


def _models(f: Any, args: tuple, options: dict) -> list[tuple[str, Tree]]:
    """The models that f uses, as far as they can be found, each with a prefix for the names of its parts."""
    found = [("", getattr(f, "__self__", None)), *(("", value) for value in args)]
    found += [(f"{name}.", value) for name, value in options.items()]
    if isinstance(f, FunctionType):
        cells = zip(f.__code__.co_freevars, f.__closure__ or ())
        found += [(f"{name}.", cell.cell_contents) for name, cell in cells]
    return [(prefix, model) for prefix, model in found if isinstance(model, Tree)]


def _where(inside: tuple[Tree, ...], models: list[tuple[str, Tree]]) -> str:
    """The innermost module, by its dotted name if it belongs to one of these models."""
    names = {}
    for prefix, model in models:
        for name, module in model.named_modules():
            names.setdefault(id(module), f"{prefix}{name}".removesuffix("."))
    for module in reversed(inside):
        if names.get(id(module)):
            return f"in {names[id(module)]} ({type(module).__name__})"
    return f"in a {type(inside[-1]).__name__}" if inside else "outside of all layers"
