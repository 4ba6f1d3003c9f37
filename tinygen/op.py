"""An op: a function from arrays to an array, lifted to one that also writes the recipe of its result."""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
from numpy import ndarray

from tinygen.errors.arguments import python_number
from tinygen.errors.calls import check_call
from tinygen.tensor import OPS, Node, Parameter, Tensor, as_array, check_dtype, constant

new = Tensor.__new__  # an op makes its output by hand: __init__ would copy and check


def as_tensors(args: tuple) -> tuple[Tensor, ...]:
    """The inputs of an op as Tensors: numbers take the dtype of the others and never promote, arrays are constants."""
    dtype, ready = None, True
    for a in args:  # nearly always all are of one type, or numbers: that path is short
        kind = type(a)
        if kind is Tensor or kind is Parameter:
            if dtype is None:
                dtype = a.data.dtype
            if a.data.dtype is not dtype:
                break
            ready = ready and kind is Tensor
        elif kind is float or kind is int or (kind is ndarray and a.dtype is dtype):
            ready = False
        else:
            break
    else:
        if ready:
            return args
        if dtype is not None:
            return tuple([a if type(a) is Tensor else _as_tensor(a, dtype) for a in args])
    arrays = [a for a in args if isinstance(a, Tensor) or (isinstance(a, ndarray) and a.ndim)]
    for a in arrays:
        check_dtype(a.dtype)
    dtype = np.result_type(*(a.dtype for a in arrays)) if arrays else None
    return tuple(_as_tensor(a, dtype) for a in args)


def _as_tensor(a, dtype: np.dtype | None) -> Tensor:
    if isinstance(a, Tensor):
        snapshot = constant(a.data, a.node)  # of a Parameter: its array of today, whatever an optimizer does tomorrow
        return snapshot if a.data.dtype == dtype else OPS["astype"](snapshot, dtype=dtype)
    if type(a) is float or type(a) is int:
        return constant(np.array(a, dtype or np.float32))
    if isinstance(a, ndarray | np.generic) and a.ndim == 0:
        a = a.item()  # NumPy's scalars are numbers, as Python's are
    tensor = constant(as_array(a, dtype))
    return tensor if dtype is None or tensor.dtype == dtype else OPS["astype"](tensor, dtype=dtype)


def op(
    rule: Callable | None = None,
    *,
    prepare: Callable[[tuple], tuple] = as_tensors,
    restore: Callable[[tuple, Tensor], Tensor] | None = None,
) -> Callable[..., Tensor]:
    """Lift `rule(*tensors, **static) -> (value, vjp_1, ..., vjp_n)` to an op and enter it in `OPS` by its name.

    `vjp_i(g)` maps the gradient of the output to that of input i, both Tensors, with ops: so gradients have
    gradients. A rule that needs the op's own output asks for it: `vjp_i(g, y)`. Only rules that are needed run.
    `prepare(args)` turns the arguments into the tensors that the rule takes, and `restore(args, y)` turns the output
    into what the caller gets. NumPy numbers among the settings become Python numbers, which never promote.
    Raises ValueError if another module has an op of that name.
    """
    if rule is None:
        return lambda rule: op(rule, prepare=prepare, restore=restore)
    name = rule.__name__
    if name in OPS and OPS[name].__module__ != rule.__module__:
        raise ValueError(f"op: {name!r} is already an op of {OPS[name].__module__}: choose another name for yours")

    keeps_output = None  # does any vjp of this rule take y? Known once the rule has run

    def apply(*args, **static):
        nonlocal keeps_output
        if static:
            _check_settings(apply, static)
        try:
            inputs = prepare(args)
            value, *vjps = rule(*inputs, **static) if static else rule(*inputs)
        except (TypeError, ValueError):
            check_call(name, inspect.signature(rule), args, static)
            raise
        if type(value) is not ndarray:
            value = np.asarray(value)  # NumPy turns 0-d results into scalars
        value.setflags(False)  # read-only from here on: what a rule saved can't change
        output = new(Tensor)
        output.data = value
        output.node = None
        if mode.recording:
            edges = []
            for x, vjp in zip(inputs, vjps):
                parent = x.node
                if parent is not None:
                    edges.append((parent, vjp))
            if edges:
                if keeps_output is None:
                    keeps_output = _keeps_output(apply, inputs, vjps)
                output.node = Node(apply, edges, value if keeps_output else None, value.shape)
        if mode.trace is not None:
            mode.trace.append((apply, inputs, static, output))
        return output if restore is None else restore(args, output)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = rule.__doc__
    apply.__module__ = rule.__module__
    apply.__wrapped__ = rule  # inspect.signature and help() show the rule's parameters
    OPS[name] = apply
    return apply


def _check_settings(op: Callable, static: dict[str, Any]) -> None:
    """Refuses Tensors; turns NumPy numbers into Python numbers in place, so that they don't promote float32."""
    for name, value in static.items():
        if isinstance(value, (np.generic, ndarray)):  # a union would be made at each call
            static[name] = python_number(value)
        elif isinstance(value, Tensor):
            raise TypeError(
                f"{op.__name__}: {name} is a Tensor passed by keyword, which no gradient would reach: "
                "inputs go by position, settings and indices are numbers and NumPy arrays"
            )


def _keeps_output(op: Callable, inputs: tuple, vjps: list[Callable]) -> bool:
    if len(vjps) != len(inputs):
        raise TypeError(
            f"{op.__name__}: {len(inputs)} tensors by position but {len(vjps)} derivative rules: "
            "pass every tensor by position, and give each input of a rule its vjp"
        )
    for vjp in vjps:
        if not isinstance(vjp, FunctionType):
            raise TypeError(f"{op.__name__}: a derivative rule is a function of g, or of g and y, not {vjp!r}")
    return any(takes_output(vjp) for vjp in vjps)


def takes_output(vjp: Callable) -> bool:
    """Whether a derivative rule is `vjp(g, y)` rather than `vjp(g)`."""
    return vjp.__code__.co_argcount - len(vjp.__defaults__ or ()) == 2


def place_of(function: Callable) -> str:
    """The file and line of a function, as tracebacks and editors write them."""
    code = function.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


class _Mode(threading.local):
    """What ops do in this thread besides computing."""

    recording = True  # False inside no_grad
    trusting = False  # True inside examining(): rules may give anything
    trace: list | None = None  # a list inside trace()


mode = _Mode()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, ops compute values only: nothing is recorded, nothing is kept."""
    before, mode.recording = mode.recording, False
    try:
        yield
    finally:
        mode.recording = before


@contextmanager
def examining() -> Iterator[None]:
    """Inside, ops are recorded even within `no_grad`, and `grad` returns what rules give, right or not."""
    before = mode.recording, mode.trusting
    mode.recording = mode.trusting = True
    try:
        yield
    finally:
        mode.recording, mode.trusting = before


@contextmanager
def trace(calls: list | None = None) -> Iterator[list]:
    """Collect every op call of this thread as `(op, inputs, static, output)`, in order: to find the one to blame.

    They are appended to `calls`, or to a new list.
    """
    before, mode.trace = mode.trace, [] if calls is None else calls
    try:
        yield mode.trace
    finally:
        mode.trace = before
