"""What the file of an exercise imports: ops that don't replace those of the library."""

import dis
from collections.abc import Callable
from functools import wraps
from typing import Any

from tinygen.errors.calls import check_rules
from tinygen.op import op as library_op
from tinygen.ops.support.broadcasting import broadcast
from tinygen.tensor import OPS, Tensor


def op(definition: Any = None, **how: Any) -> Any:
    """`tinygen.op` for the file of an exercise: the library keeps its own op of that name in `OPS`.

    It takes and returns what `tinygen.op` does, and checks at each call that the definition returns an array and one
    rule for each tensor.
    """
    if definition is None:
        return lambda definition: op(definition, **how)

    @wraps(definition)
    def answered(*args, **settings):
        result = definition(*args, **settings)
        if not isinstance(result, tuple) or len(result) < 2:
            got = "nothing" if result is None or result is ... else type(result).__name__
            hint = "return value, rule, with one rule for each tensor"
            raise TypeError(f"{name}: expected the value and the derivative rules, got {got}: {hint}{line}")
        if isinstance(result[0], Tensor):
            arrays = ", ".join(f"{each}.data" for each in definition.__code__.co_varnames[: len(args)])
            raise TypeError(f"{name}: the value is a Tensor: compute with {arrays}{line}")
        try:
            check_rules(name, len(args), [*result[1:]], result[0])
        except TypeError as error:
            raise TypeError(f"{error}{line}") from None
        return result

    name, line = definition.__name__, _line_of_return(definition)
    shipped = OPS.pop(name, None)
    try:
        return library_op(answered, **how)
    finally:
        OPS.pop(name, None)
        if shipped is not None:
            OPS[name] = shipped


def _line_of_return(definition: Callable) -> str:
    """Where a definition returns its value, as text; empty if it does so in several lines."""
    code = definition.__code__
    returns = [each for each in dis.get_instructions(code) if each.opname.startswith("RETURN_")]
    lines = {each.positions.lineno for each in returns if each.positions}
    return f" (line {lines.pop()})" if len(lines) == 1 else ""


def elementwise(definition: Callable[..., Any]) -> Callable[..., Tensor]:
    """`op` for inputs of one shape: inputs of other shapes are broadcast first, as in NumPy."""
    return op(definition, prepare=broadcast)
