"""A loss that is no number stops the run before the weights move, and names the op and the layer that made it.

    loss = nn.finite(model.loss, batch, rng, after=loop)  # model.loss(batch, rng)
    opt.step(grad(loss, params))

While all is well this is a look at one number. Once it isn't, the same is computed again, from the same random draws,
and this time every op is watched.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any, NamedTuple

import numpy as np

from tinygen.nn.module import Module
from tinygen.nn.watch import watch, watching
from tinygen.op import trace
from tinygen.tensor import Tensor, array_of


def finite(f: Callable, *args, after: object = "", **options) -> Any:
    """f(*args, **options), if that is finite: a tensor, or a tuple of them.

    Else raises FloatingPointError: it names the first op on the way to the result that answered NaN or infinity to
    finite inputs, and the layer that called it; or the parameter or the argument that was not finite before. Layers are
    named as parts of the model whose method f is, of models among its arguments, and of those in variables that a local
    f uses. Generators among the arguments are set back to look again; a layer that draws from another one draws anew.
    How far the run had come stands in `after`, whose text the error quotes: a loop, or "3 steps".
    """
    given = (*args, *options.values())
    generators = [each for each in given if isinstance(each, np.random.Generator)]
    before = [generator.bit_generator.state for generator in generators]
    with np.errstate(all="ignore"):  # it is said below, once and where
        result = f(*args, **options)
    if all(_is_finite(part) for part in _parts(result)):
        return result
    for generator, state in zip(generators, before):
        generator.bit_generator.state = state
    value = next(part for part in _parts(result) if not _is_finite(part))
    cause = _cause(f, args, options)
    name = f"{f.__name__}()" if isinstance(f, MethodType) else "the loss"
    when = f" after {after}" if str(after) else ""
    raise FloatingPointError(f"{name} is {_worst(value)}{when}, and the weights were not moved: {cause}")


def _parts(result: Any) -> list:
    """The tensors and arrays of a result."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part for part in parts if isinstance(part, Tensor | np.ndarray | float | np.floating)]


def _is_finite(value: Any) -> bool:
    return bool(np.isfinite(array_of(value)).all())


def _worst(value: Any) -> str:
    return "nan" if np.isnan(array_of(value)).any() else "infinite"


# -- the cause ---------------------------------------------------------------------------------------------------------


class Call(NamedTuple):
    """One op call, with the modules that it was made in, outermost first."""

    op: Callable
    inputs: tuple[Tensor, ...]
    output: Tensor
    inside: tuple[Module, ...]


class _Calls(list):
    """What `trace` appends to: it writes beside each op call where in the model it was made."""

    def append(self, call: tuple) -> None:
        op, inputs, _, output = call
        super().append(Call(op, inputs, output, watching.inside))


def _cause(f: Callable, args: tuple, options: dict) -> str:
    """In words, where the first number came from that is none."""
    models = _models(f, args, options)
    for prefix, model in models:
        for name, parameter in model.named_parameters():
            if not _is_finite(parameter):
                return f"the parameter {prefix}{name} was {_worst(parameter)} before; a smaller learning rate may help"
    for name, value in [*enumerate(args), *options.items()]:
        if isinstance(value, np.ndarray | Tensor) and value.dtype.kind == "f" and not _is_finite(value):
            made = isinstance(value, Tensor) and value.requires_grad
            hint = "let finite() call what made it, to see where" if made else "look at the data"
            return f"its argument {name} {value.shape} was {_worst(value)} somewhere before; {hint}"
    with watch(), trace(_Calls()) as calls, np.errstate(all="ignore"):
        result = f(*args, **options)
    makers = {id(call.output.data): call for call in reversed(calls)}  # the first, where an op passed an array on
    bad = next((part for part in _parts(result) if not _is_finite(part)), None)
    if bad is None:
        return "computed again it is finite, so it depends on something that changes between two calls"
    call = makers.get(id(array_of(bad)))
    while call is not None:
        worse = [x for x in call.inputs if not _is_finite(x)]
        if not worse:
            reach = max((float(np.abs(x.data).max()) for x in call.inputs if x.size), default=0.0)
            where = _where(call.inside, models)
            return f"{call.op.__name__} {where} made the first, of inputs up to {reach:.3g} in size"
        call = makers.get(id(worse[0].data))
    return "an array that no op made was so before"


def _models(f: Callable, args: tuple, options: dict) -> list[tuple[str, Module]]:
    """The models that f is seen to use, each with what stands before the names of its parts."""
    found = [("", getattr(f, "__self__", None)), *(("", value) for value in args)]
    found += [(f"{name}.", value) for name, value in options.items()]
    code, cells = getattr(f, "__code__", None), getattr(f, "__closure__", None) or ()
    found += [(f"{name}.", cell.cell_contents) for name, cell in zip(code.co_freevars if cells else (), cells)]
    return [(prefix, model) for prefix, model in found if isinstance(model, Module)]


def _where(inside: tuple[Module, ...], models: list[tuple[str, Module]]) -> str:
    """The innermost module by its dotted name, if it has one in these models."""
    names = {}
    for prefix, model in models:
        for name, module in model.named_modules():
            names.setdefault(id(module), f"{prefix}{name}".removesuffix("."))
    for module in reversed(inside):
        if names.get(id(module)):
            return f"in {names[id(module)]} ({type(module).__name__})"
    return f"in a {type(inside[-1]).__name__}" if inside else "outside of all layers"
