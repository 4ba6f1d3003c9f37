"""A Tensor: an array, and the node of the computation graph that made it.

Backpropagation needs to know how each value was computed. So every op gives its output a `Node`: which op it was, which
nodes its inputs came from, and one derivative rule per input. `op.py` writes nodes, `grad.py` walks them backwards.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np
from numpy import ndarray

from tinygen.errors.arrays import FLOATS, as_array, is_read_only
from tinygen.errors.calls import as_constructor, explained
from tinygen.errors.hints import Listed

OPS: dict[str, Callable[..., "Tensor"]] = {}  # the registry of ops, by name; `op` in op.py adds to it

Axis = int | tuple[int, ...] | None
Operand = Union["Tensor", ndarray, np.generic, float]  # what x + y accepts beside a Tensor

_next_birth = count().__next__


class Node:
    """One step of a computation: `op` made an array of `shape` from the arrays of the parents.

    There is an edge (parent, vjp) for each input that is a variable; `vjp` maps the gradient of this node to its share
    of the gradient of the parent. A leaf, a variable that no op made, has no op and no edges, but a `grad`, to which
    `Tensor.backward` adds. A node keeps the output of its op only if a rule needs it, and never a Tensor: so the
    graph has no cycle, and reference counting frees it.
    """

    __slots__ = ("birth", "edges", "grad", "op", "output", "shape")
    grad: "Tensor | None"

    def __init__(self, op: Any, edges: list, output: ndarray | None, shape: tuple[int, ...]):
        self.op = op  # None for a leaf
        self.edges: Any = edges  # None once the graph was dropped
        self.output = output
        self.shape = shape
        self.birth = _next_birth()  # a node is younger than its parents, so sorting by birth sorts the graph

    @property
    def parents(self) -> list["Node"]:
        return [parent for parent, _ in self.edges]

    def __repr__(self) -> str:
        return f"<{self.op.__name__ if self.op else 'leaf'} {self.shape}>"


class Tensor(metaclass=Listed):
    """An immutable array of float32 or float64 that knows how it was computed.

    `Tensor(data)` takes a private, read-only copy; `requires_grad=True` makes it a variable, which gradients can be
    taken with respect to. Python numbers become float32. Raises TypeError for other data types.

    >>> tg.Tensor([[1.0, 2.0]]) * 3
    Tensor([[3., 6.]], shape=(1, 2), float32)
    """

    __slots__ = ("data", "node")

    @as_constructor
    def __init__(self, data: Any, *, requires_grad: bool = False):
        array = as_array(array_of(data))
        self.node = Node(None, [], None, array.shape) if requires_grad else None
        if self.node:
            self.node.grad = None
        self.data = array

    # -- properties ----------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether this is a variable, or was computed from one."""
        return self.node is not None

    @property
    def grad(self) -> "Tensor | None":
        """The sum of the gradients that `backward` has computed for this variable; None for any other tensor."""
        return self.node.grad if self.node is not None and self.node.op is None else None

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if self.node is None or self.node.op is not None:
            raise TypeError("grad: only a variable (a Parameter, or Tensor(..., requires_grad=True)) holds a gradient")
        self.node.grad = value

    def numpy(self) -> ndarray:
        """The array itself, read-only and outside the graph: copy it to change it."""
        return self.data

    def item(self) -> float:
        """The number in a tensor of size 1."""
        if self.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is not one number: sum or index it first")
        return self.data.item()

    def detach(self) -> "Tensor":
        """The same array as a constant: no gradient flows through it."""
        return constant(self.data)

    def __repr__(self) -> str:
        text = np.array2string(self.data, precision=4, threshold=20, edgeitems=3, separator=", ", prefix="Tensor(")
        made = "" if self.node is None else f", op={self.node.op.__name__}" if self.node.op else ", requires_grad=True"
        return f"{type(self).__name__}({text}, shape={self.shape}, {self.dtype}{made})"

    # -- Python's own functions and statements -------------------------------------------------------------------------

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous: compare, then any() or all()")
        return bool(self.data.item())

    def __float__(self) -> float:
        return self.item()

    def __int__(self) -> int:
        return int(self.item())

    def __round__(self, digits: int | None = None) -> float:
        return round(self.item(), digits)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        if not self.ndim:
            raise TypeError("a 0-d tensor can't be iterated over; .item() gives its number")
        return (self[i] for i in range(self.shape[0]))

    def __reduce__(self):
        """How `copy.copy` makes another: an independent constant, variable or Parameter with the same data."""
        if self.node is not None and self.node.op is not None:
            raise TypeError(
                "a tensor that was computed can't be copied with its graph: copy tensor.detach(), plot tensor.numpy()"
            )
        return _copy, (type(self), self.data, self.requires_grad)

    def __setitem__(self, index, value) -> None:
        raise TypeError("a Tensor is an immutable value: build the new one with tinygen.where, concat, pad or scatter")

    # -- methods that are ops ------------------------------------------------------------------------------------------

    if TYPE_CHECKING:  # for editors: operators.py and array_protocol.py in ops/support and grad.py assign these

        def __add__(self, other: Operand) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __lt__(self, other: Operand) -> Any: ...
        def __eq__(self, other: object) -> Any: ...
        def __ne__(self, other: object) -> Any: ...

        __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = __add__
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __add__
        __pos__ = __abs__ = __neg__
        __le__ = __gt__ = __ge__ = __lt__

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray: ...
        def backward(self, gradient: "Operand | None" = None, *, retain_graph: bool = False) -> None: ...

    def __getitem__(self, index: Any) -> "Tensor":
        return OPS["getitem"](self, index=index)

    def reshape(self, *shape: int | tuple[int, ...]) -> "Tensor":
        return OPS["reshape"](self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: int | tuple[int, ...]) -> "Tensor":
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return OPS["transpose"](self, axes=axes or None)

    @property
    def T(self) -> "Tensor":
        return OPS["transpose"](self, axes=None)

    def astype(self, dtype: Any) -> "Tensor":
        return OPS["astype"](self, dtype=dtype)

    @explained
    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return OPS["sum"](self, axis=axis, keepdims=keepdims)

    @explained
    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return OPS["mean"](self, axis=axis, keepdims=keepdims)

    @explained
    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return OPS["max"](self, axis=axis, keepdims=keepdims)

    @explained
    def min(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return -OPS["max"](-self, axis=axis, keepdims=keepdims)

    @explained
    def var(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        return OPS["var"](self, axis=axis, keepdims=keepdims)


class Parameter(Tensor):
    """A variable whose `data` an optimizer may replace.

    A graph keeps the array that it was computed from, so a step of an optimizer can't change an earlier gradient. A
    step by hand is `w.data = w.data - lr * g`. The array is read-only, so `w.data -= lr * g` raises.

    >>> tg.Parameter([1.0, 2.0])
    Parameter([1., 2.], shape=(2,), float32, requires_grad=True)
    """

    __slots__ = ()

    @as_constructor
    def __init__(self, data: Any):
        super().__init__(data, requires_grad=True)

    def __setattr__(self, name: str, value) -> None:
        """`p.data = array` keeps a read-only array and copies any other, because a graph may rely on it.

        `data` is no property, because every op reads it, and a property is slower to read.
        """
        if name == "data":
            value = array_of(value)
            if not is_read_only(value) or value.dtype not in FLOATS:
                value = as_array(value)
            expected = self.node.shape if self.node else ()
            if value.shape != expected:
                raise ValueError(f"Parameter.data: expected shape {expected}, got {value.shape}: make a new Parameter")
        super().__setattr__(name, value)


_new = cast(Any, object.__new__)  # __init__ would copy and check


def constant(array: ndarray, node: Node | None = None) -> Tensor:
    """A Tensor around an array of float32 or float64, which becomes read-only; nothing is copied or checked."""
    array.setflags(False)  # pyright: ignore[reportCallIssue]  # by position: faster
    tensor = _new(Tensor)
    tensor.data = array
    tensor.node = node
    return tensor


def variable(array: ndarray) -> Tensor:
    """A variable around an array of float32 or float64, which becomes read-only; nothing is copied or checked."""
    node = Node(None, [], None, array.shape)
    node.grad = None
    return constant(array, node)


def _copy(kind: type[Tensor], array: ndarray, requires_grad: bool) -> Tensor:
    tensor = _new(kind)
    Tensor.__init__(tensor, array, requires_grad=requires_grad)
    return tensor


def array_of(value: Any) -> Any:
    """The array of a Tensor; anything else unchanged."""
    return value.data if isinstance(value, Tensor) else value
