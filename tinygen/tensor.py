"""A Tensor: an array, and the recipe that made it.

The recipe is a `Node`: which op ran, which nodes its inputs came from, and one derivative rule per input.
`op.py` writes recipes, `grad.py` walks them backwards.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy import ndarray

from tinygen.errors import hints
from tinygen.errors.calls import explained

OPS: dict[str, Callable[..., "Tensor"]] = {}  # every op by its name; `op` in op.py enters them

Operand = Union["Tensor", ndarray, np.generic, float]  # what stands beside a Tensor in x + y

_next_birth = count().__next__


class Node:
    """One step of a recipe: `op` made an array of `shape`; an edge (parent, vjp) for each input that is a variable.

    `vjp` maps the gradient of this node to the parent's share. A leaf, a variable that no op made, has no op and no
    edges, but a `grad`, which only `Tensor.backward` writes. The node keeps its op's output only if a rule asked for
    it, and never a Tensor: so the graph has no cycle, and what it holds in memory is what the rules hold.
    """

    __slots__ = ("birth", "edges", "grad", "op", "output", "shape")

    def __init__(self, op, edges, output, shape):
        self.op = op
        self.edges = edges
        self.output = output
        self.shape = shape
        self.birth = _next_birth()  # a node is younger than its parents: sorting by birth sorts the graph

    @property
    def parents(self) -> list["Node"]:
        return [parent for parent, _ in self.edges]

    def __repr__(self) -> str:
        return f"<{self.op.__name__ if self.op else 'leaf'} {self.shape}>"


class Tensor:
    """An immutable array of float32 or float64 that remembers how it was made.

    `Tensor(array)` takes a private, read-only copy; `requires_grad=True` makes it a variable, something that
    gradients are taken with respect to. Python numbers become float32. Raises TypeError for other data types.
    """

    __slots__ = ("data", "node")

    def __init__(self, data, *, requires_grad: bool = False):
        array = as_array(data)
        self.node = Node(None, (), None, array.shape) if requires_grad else None
        if requires_grad:
            self.node.grad = None
        self.data = array

    # -- what it is ----------------------------------------------------------------------------------------------------

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
        """Whether gradients flow to this tensor: it is a variable, or was made from one."""
        return self.node is not None

    @property
    def grad(self) -> "Tensor | None":
        """What `backward` has added up for this variable so far; None before, and for anything but a variable."""
        return self.node.grad if self.node is not None and self.node.op is None else None

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if self.node is None or self.node.op is not None:
            raise TypeError("grad: only a variable (a Parameter, or Tensor(..., requires_grad=True)) holds a gradient")
        self.node.grad = value

    def numpy(self) -> ndarray:
        """The array itself, read-only and outside the graph; copy it to change it."""
        return self.data

    def item(self) -> float:
        """The one number of a tensor of size 1."""
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

    # -- where Python would guess, it is said what happens -------------------------------------------------------------

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
        """How `copy` makes another: an independent constant, variable or Parameter with the same data."""
        if self.node is not None and self.node.op is not None:
            raise TypeError(
                "a tensor that was computed can't be copied with its graph: copy tensor.detach(), plot tensor.numpy()"
            )
        return _copy, (type(self), self.data, self.requires_grad)

    def __setitem__(self, index, value) -> None:
        raise TypeError("a Tensor is an immutable value: build the new one with tinygen.where, concat, pad or scatter")

    def __array__(self, dtype=None, copy=None) -> ndarray:
        if self.node is not None:
            raise TypeError("a tensor that requires grad would leave the graph here: say .numpy() if that is meant")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """`array * tensor` works through here; `np.exp(tensor)` would leave the graph, so it says what to call."""
        if method == "__call__" and not kwargs:
            if ufunc in _COMPARISONS:
                return ufunc(*map(array_of, inputs))
            if ufunc.__name__ in _OP_OF_UFUNC:
                return OPS[_OP_OF_UFUNC[ufunc.__name__]](*inputs)
        if any(isinstance(out, ndarray) and not out.flags.writeable for out in kwargs.get("out", ())):
            raise hints.in_place(f"np.{ufunc.__name__}")
        raise hints.leaves_the_graph(ufunc.__name__)

    def __array_function__(self, function, types, args, kwargs):
        """`np.sum(tensor)` would leave the graph as `np.exp(tensor)` would; a shape has no gradient."""
        if function in _SHAPES:
            return function(*map(array_of, args), **kwargs)
        raise hints.leaves_the_graph(function.__name__)

    def __eq__(self, other):
        return self.data == array_of(other)

    def __ne__(self, other):
        return self.data != array_of(other)

    def __lt__(self, other):
        return self.data < array_of(other)

    def __le__(self, other):
        return self.data <= array_of(other)

    def __gt__(self, other):
        return self.data > array_of(other)

    def __ge__(self, other):
        return self.data >= array_of(other)

    # -- methods: each is an op, by its name ---------------------------------------------------------------------------

    if TYPE_CHECKING:  # ops/support/operators.py assigns the ops

        def __add__(self, other: Operand) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...

        __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = __add__
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = __add__
        __pos__ = __abs__ = __neg__

        def backward(self, gradient: "Operand | None" = None, *, retain_graph: bool = False) -> None: ...

    def __getitem__(self, index):
        return OPS["getitem"](self, index=index)

    def reshape(self, *shape: int | tuple[int, ...]) -> "Tensor":
        return OPS["reshape"](self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: int | tuple[int, ...]) -> "Tensor":
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return OPS["transpose"](self, axes=axes or None)

    @property
    def T(self) -> "Tensor":
        return OPS["transpose"](self, axes=None)

    def astype(self, dtype) -> "Tensor":
        return OPS["astype"](self, dtype=dtype)

    @explained
    def sum(self, axis=None, keepdims: bool = False) -> "Tensor":
        return OPS["sum"](self, axis=axis, keepdims=keepdims)

    @explained
    def mean(self, axis=None, keepdims: bool = False) -> "Tensor":
        return OPS["mean"](self, axis=axis, keepdims=keepdims)

    @explained
    def max(self, axis=None, keepdims: bool = False) -> "Tensor":
        return OPS["max"](self, axis=axis, keepdims=keepdims)

    @explained
    def min(self, axis=None, keepdims: bool = False) -> "Tensor":
        return -OPS["max"](-self, axis=axis, keepdims=keepdims)

    @explained
    def var(self, axis=None, keepdims: bool = False) -> "Tensor":
        return OPS["var"](self, axis=axis, keepdims=keepdims)


class Parameter(Tensor):
    """A variable that an optimizer may give new data; the only kind of Tensor whose `data` may be replaced.

    A graph that used it keeps the array that it used, so a step of the optimizer can't change a gradient of the past.
    By hand a step is `w.data = w.data - lr * g`; in place, `w.data -= lr * g`, it is refused: the array is read-only.
    """

    __slots__ = ()

    def __init__(self, data):
        super().__init__(data, requires_grad=True)

    def __setattr__(self, name: str, value) -> None:
        """`data = array`: a locked array is kept, any other is copied, because a graph may rely on it.

        It is here, and `data` no property, because every op reads it and only an optimizer writes it.
        """
        if name == "data":
            value = array_of(value)
            if not _is_locked(value) or value.dtype not in _FLOATS:
                value = as_array(value)
            if value.shape != self.node.shape:
                raise ValueError(
                    f"Parameter.data: expected shape {self.node.shape}, got {value.shape}: make a new Parameter"
                )
        super().__setattr__(name, value)


_OP_OF_UFUNC = {  # NumPy's functions that are operators, as in `array * tensor`
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "power": "pow",
    "matmul": "matmul",
    "negative": "neg",
    "absolute": "abs",
}
_SHAPES = {np.shape, np.ndim, np.size}
_COMPARISONS = {np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal}

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_new = Tensor.__new__


def constant(array: ndarray, node: Node | None = None) -> Tensor:
    """A Tensor around an array that is not copied, only locked; of float32 or float64, which is not checked."""
    array.setflags(False)
    tensor = _new(Tensor)
    tensor.data = array
    tensor.node = node
    return tensor


def _copy(kind: type[Tensor], array: ndarray, requires_grad: bool) -> Tensor:
    tensor = _new(kind)
    Tensor.__init__(tensor, array, requires_grad=requires_grad)
    return tensor


def as_array(data, dtype: np.dtype | None = None) -> ndarray:
    """A private read-only copy of `data` as float32 or float64; Python numbers take `dtype`, else float32."""
    given = data.data if isinstance(data, Tensor) else data
    if isinstance(given, list | tuple) and any(isinstance(entry, Tensor) for entry in given):
        raise TypeError("a list of Tensors is not an array: pass tensors one by one, as in tinygen.stack(a, b)")
    if hasattr(given, "__array__"):  # of other libraries too: what has a dtype keeps it
        given = np.asarray(given)
        check_dtype(given.dtype)
    array = np.array(given, order="C")
    if not isinstance(given, ndarray | np.generic) and array.dtype.kind in "if":
        array = array.astype(dtype or np.float32)
    check_dtype(array.dtype)
    array.setflags(write=False)
    return array


def check_dtype(dtype: np.dtype) -> None:
    """Raises TypeError unless it is float32 or float64."""
    if dtype not in _FLOATS:
        mask = "; in a rule mask.astype(g.dtype), or tinygen.where(mask, g, 0.0)" if dtype == np.dtype(bool) else ""
        raise TypeError(
            f"a Tensor holds float32 or float64, not {dtype}: convert with array.astype(np.float32); "
            f"integers and booleans (labels, indices, masks) stay NumPy arrays{mask}"
        )


def array_of(value) -> Any:
    """The plain array of a Tensor; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def private(array: ndarray) -> ndarray:
    """An array that nobody can write to: itself if it is one, else a read-only copy."""
    if _is_locked(array):
        return array
    array = np.array(array, order="C")
    array.setflags(write=False)
    return array


def _is_locked(array) -> bool:
    """Whether it is read-only, as is every array that it is a view of."""
    while isinstance(array, ndarray) and not array.flags.writeable:
        below = array.base
        if below is None:
            return True
        array = below.obj if type(below) is memoryview else below
    return False
