"""An op: a function of Tensors that computes on their arrays and records how its output was made.

Its definition returns the value and one derivative rule per input, so the whole of an op is on one screen:

    @op
    def mul(a, b):
        return a.data * b.data, lambda g: g * b, lambda g: g * a
"""

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, ParamSpec, overload

import numpy as np
from numpy import ndarray

from tinygen.errors.arrays import as_array, check_dtype
from tinygen.errors.calls import check_call, check_rules, check_settings, no_rules
from tinygen.tensor import OPS, Node, Parameter, Tensor, constant

P = ParamSpec("P")
Prepare = Callable[[tuple], tuple[Tensor, ...]]
Restore = Callable[[tuple, Tensor], Tensor]

# Of every op; ops/fast_rules.py exchanges some for faster ones, which may have a `prepare` of their own.
DEFINITIONS: dict[Callable, Callable] = {}


@overload
def op(definition: Callable[P, Any], *, prepare: Prepare = ..., restore: Restore = ...) -> Callable[P, Tensor]: ...


@overload
def op(*, prepare: Prepare = ..., restore: Restore = ...) -> Callable[[Callable[P, Any]], Callable[P, Tensor]]: ...


def op(definition: Any = None, *, prepare: Any = None, restore: Any = None) -> Any:
    """Lift `definition(*tensors, **settings) -> (value, vjp_1, ..., vjp_n)` to an op and enter it in `OPS` by its name.

    `vjp_i(g)`, a vector-Jacobian product, maps the gradient of the output to the gradient of input i: both are Tensors,
    and it is written with ops, so that gradients have gradients. A vjp that needs the output of the op takes it too:
    `vjp_i(g, y)`. Only those that are needed run. `prepare(args)`, by default `as_tensors`, returns the tensors for the
    definition, and `restore(args, y)` what the caller gets. Raises ValueError for the name of another module's op.

    >>> @tg.op
    ... def cube(x):
    ...     return x.data**3, lambda g: g * 3 * x * x
    >>> cube(np.array([2.0]))
    Tensor([8.], shape=(1,), float64)
    """
    if definition is None:
        return lambda definition: op(definition, prepare=prepare, restore=restore)
    name, signature, prepare = definition.__name__, inspect.signature(definition), prepare or as_tensors
    if name in OPS and OPS[name].__module__ != definition.__module__:
        raise ValueError(f"op: {name!r} is already an op of {OPS[name].__module__}: choose another name for yours")

    def apply(*args, **settings):
        if settings:
            check_settings(name, settings)
        try:
            current = DEFINITIONS[apply]
            inputs = getattr(current, "prepare", prepare)(args)
            result = current(*inputs, **settings) if settings else current(*inputs)
        except (TypeError, ValueError):
            check_call(name, signature, args, settings)  # raises if the call doesn't fit the signature
            raise
        if type(result) is not tuple or not result:
            raise no_rules(name, result)
        y = _recorded(apply, current, inputs, result)
        if mode.trace is not None:
            mode.trace.append((apply, inputs, settings, y))
        return y if restore is None else restore(args, y)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__, apply.__module__ = definition.__doc__, definition.__module__
    apply.__wrapped__ = definition  # inspect.signature and help() show the parameters of the definition
    OPS[name], DEFINITIONS[apply] = apply, definition
    return apply


# -- from arguments to tensors -----------------------------------------------------------------------------------------


def as_tensors(args: tuple) -> tuple[Tensor, ...]:
    """The inputs of an op as Tensors: numbers take the dtype of the others and never promote, arrays are constants."""
    dtype, ready = None, True
    for a in args:  # nearly always these are Tensors of one dtype, and numbers
        kind = type(a)
        if kind is Tensor or kind is Parameter:
            if dtype is None:
                dtype = a.data.dtype
            elif a.data.dtype is not dtype:
                return _of_common_dtype(args)
            ready = ready and kind is Tensor
        elif kind is float or kind is int or (kind is ndarray and a.dtype is dtype):
            ready = False
        else:
            return _of_common_dtype(args)
    return args if ready else tuple([a if type(a) is Tensor else _as_tensor(a, dtype) for a in args])


def _of_common_dtype(args: tuple) -> tuple[Tensor, ...]:
    dtypes = [a.dtype for a in args if isinstance(a, Tensor) or (isinstance(a, ndarray) and a.ndim)]
    for dtype in dtypes:
        check_dtype(dtype)
    dtype = np.result_type(*dtypes) if dtypes else None
    return tuple([_as_tensor(a, dtype) for a in args])


def _as_tensor(a: Any, dtype: np.dtype | None) -> Tensor:
    if isinstance(a, Tensor):
        snapshot = constant(a.data, a.node)  # of a Parameter: the array of today, whatever an optimizer does tomorrow
        return snapshot if a.data.dtype == dtype else OPS["astype"](snapshot, dtype=dtype)
    if type(a) is float or type(a) is int:
        return constant(np.array(a, dtype or np.float32))
    if isinstance(a, ndarray | np.generic) and a.ndim == 0:
        a = a.item()  # a NumPy scalar is a number, as Python's are
    tensor = constant(as_array(a, dtype))
    return tensor if dtype is None or tensor.dtype == dtype else OPS["astype"](tensor, dtype=dtype)


# -- recording ---------------------------------------------------------------------------------------------------------

_KEEPS_OUTPUT: dict[Callable, bool] = {}  # whether a vjp takes the output, by definition, once that has run


def _recorded(op: Callable, definition: Callable, inputs: tuple, result: tuple) -> Tensor:
    """The output of an op, with a node that has an edge to each input that is a variable; no node if there is none."""
    value, *vjps = result
    edges, keeps = [], False
    if mode.recording:
        keeps = _KEEPS_OUTPUT.get(definition)
        if keeps is None:
            check_rules(op.__name__, len(inputs), vjps, value)
            keeps = _KEEPS_OUTPUT[definition] = any(map(takes_output, vjps))
        for x, vjp in zip(inputs, vjps):
            parent = x.node
            if parent is not None:
                edges.append((parent, vjp))
    if type(value) is not ndarray:
        value = np.asarray(value)  # NumPy turns 0-d results into scalars
    y = constant(value)
    if edges:
        y.node = Node(op, edges, value if keeps else None, value.shape)
    return y


def takes_output(vjp: FunctionType) -> bool:
    """Whether a derivative rule is `vjp(g, y)` rather than `vjp(g)`."""
    return vjp.__code__.co_argcount - len(vjp.__defaults__ or ()) == 2


# -- modes -------------------------------------------------------------------------------------------------------------


class _Mode(threading.local):
    """What ops do in this thread besides computing."""

    recording = True  # False inside no_grad
    trusting = False  # True inside examining: `grad` doesn't check what derivative rules return
    trace: list | None = None  # a list inside trace


mode = _Mode()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, ops compute values only: nothing is recorded, and no array is kept for a gradient.

    >>> with tg.no_grad():
    ...     (tg.Parameter(2.0) * 3).requires_grad
    False
    """
    before, mode.recording = mode.recording, False
    try:
        yield
    finally:
        mode.recording = before


@contextmanager
def trace(calls: list | None = None) -> Iterator[list]:
    """Append every op call of this thread, as `(op, inputs, settings, output)`, to `calls` or to a new list."""
    before, mode.trace = mode.trace, [] if calls is None else calls
    try:
        yield mode.trace
    finally:
        mode.trace = before
