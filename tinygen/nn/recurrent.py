"""Recurrent layers: an RNN, a GRU and an LSTM, as cells that take one step and as layers over sequences (N, T, C).

Gates, names and first values are PyTorch's. A cell's weights are `weight_ih` (input_size, gates · hidden_size) and
`weight_hh` (hidden_size, gates · hidden_size), with the gates side by side.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.kernels.reference_cells import CELLS
from tinygen.nn.init import DType, Initialiser, fan_in_uniform, first_values
from tinygen.nn.module import Module
from tinygen.ops import concat, getitem, reshape, stack, transpose
from tinygen.ops.fused import linear, recurrence
from tinygen.tensor import Parameter, Tensor, constant

State = tuple[Tensor, ...]  # (h,), and (h, c) of an LSTM, each (N, hidden_size)

# -- what cells and layers share ---------------------------------------------------------------------------------------


class _Swapped(dict):
    """PyTorch's axes of the weights, whatever their names: it has (out, in)."""

    def get(self, name: str, default: Any = None) -> Any:
        return (1, 0) if name.startswith("weight") else default


class _Recurrent(Module):
    """The weights of one or several layers, their steps, and the checks."""

    cell: ClassVar[str]
    torch_axes: ClassVar = _Swapped()

    @property
    def gates(self) -> int:
        return CELLS[self.cell].gates

    @property
    def parts(self) -> int:
        """Of the state: h, or h and c."""
        return CELLS[self.cell].parts

    if TYPE_CHECKING:  # the weights of layers have numbers in their names

        def __getattr__(self, name: str) -> Parameter: ...

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        names: list[str],
        *,
        rng: np.random.Generator,
        bias: bool,
        init: Initialiser,
        dtype: DType,
    ):
        who = type(self).__name__
        arguments.generator(who, rng)
        sizes = arguments.sizes(who, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = inputs, hidden = sizes[0], sizes[1]
        self.bias, width, fans = bool(bias), self.gates * hidden, (hidden, hidden)
        for name in names:
            for kind, rows in (("ih", inputs), ("hh", hidden)):
                weight = first_values(who, init, rng, (rows, width), fans, dtype)
                setattr(self, f"weight_{kind}{name}", Parameter(weight))
            for kind in ("ih", "hh") if bias else ():
                setattr(self, f"bias_{kind}{name}", Parameter(first_values(who, init, rng, (width,), fans, dtype)))
            inputs = hidden

    def _states(self, rows: Tensor | np.ndarray, state: State, name: str) -> Tensor:
        """The states (T · N, parts · H) after each step, for rows (T · N, inputs), step after step."""
        weights = [getattr(self, f"weight_{kind}{name}") for kind in ("ih", "hh")]
        zeros = np.zeros(weights[0].shape[1], weights[0].dtype)
        of_x, of_h = [getattr(self, f"bias_{kind}{name}") if self.bias else zeros for kind in ("ih", "hh")]
        added = linear(rows, weights[0], of_x) if self.bias else rows @ weights[0]  # all steps at once, in one product
        first = state[0] if self.parts == 1 else concat(*state, axis=1)
        return recurrence(added, first, weights[1], of_h, cell=self.cell)

    def _split(self, states: Tensor) -> State:
        """The parts (..., H) of states (..., parts · H)."""
        size = self.hidden_size
        return (states,) if self.parts == 1 else (states[..., :size], states[..., size:])

    def _check(self, x: Tensor | np.ndarray, axes: str) -> None:
        if x.ndim != len(axes.split(", ")) + 1 or x.shape[-1] != self.input_size:
            raise ValueError(f"{type(self).__name__}: expected x ({axes}, {self.input_size}), got {x.shape}")

    def _state(self, given: Any, shape: tuple[int, ...], dtype: DType) -> State:
        """The given state, or zeros; each part has this shape."""
        if given is None:
            return tuple(constant(np.zeros(shape, dtype)) for _ in range(self.parts))
        state = given if isinstance(given, tuple) else (given,)
        shapes = [getattr(each, "shape", None) for each in state]
        if shapes != [shape] * self.parts:
            expected = f"a tensor {shape}" if self.parts == 1 else f"a pair (h, c) of tensors {shape}"
            raise ValueError(f"{type(self).__name__}: expected the state to be {expected}, got {shapes}")
        return tuple(each if isinstance(each, Tensor) else Tensor(each) for each in state)

    def _unpacked(self, state: State) -> Any:
        return state[0] if self.parts == 1 else state


class _Cell(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        bias: bool = True,
        init: Initialiser = fan_in_uniform,
        dtype: DType = np.float32,
    ):
        super().__init__(input_size, hidden_size, [""], rng=rng, bias=bias, init=init, dtype=dtype)

    def forward(self, x: Tensor | np.ndarray, state: Any = None) -> Any:
        """The new state, from x (N, input_size) and the state, by default zeros."""
        self._check(x, "N")
        before = self._state(state, (len(x), self.hidden_size), x.dtype)
        return self._unpacked(self._split(self._states(x, before, "")))

    def settings(self) -> str:
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class _Layer(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        num_layers: int = 1,
        bias: bool = True,
        init: Initialiser = fan_in_uniform,
        dtype: DType = np.float32,
    ):
        (self.num_layers,) = arguments.sizes(type(self).__name__, num_layers=num_layers)
        names = [f"_l{i}" for i in range(self.num_layers)]
        super().__init__(input_size, hidden_size, names, rng=rng, bias=bias, init=init, dtype=dtype)

    def forward(self, x: Tensor | np.ndarray, state: Any = None) -> tuple[Tensor, Any]:
        """The outputs (N, T, hidden_size) and the last state, for sequences x (N, T, input_size).

        Each part of the state is (num_layers, N, hidden_size); by default the first state is zeros.
        """
        self._check(x, "N, T")
        n, length, _ = x.shape
        if not length:
            raise ValueError(f"{type(self).__name__}: expected sequences of at least one step, got x {x.shape}")
        first = self._state(state, (self.num_layers, n, self.hidden_size), x.dtype)
        rows, last = reshape(transpose(x, axes=(1, 0, 2)), shape=(length * n, self.input_size)), []
        for layer in range(self.num_layers):
            before = tuple(getitem(part, index=layer) for part in first)
            states = self._states(rows, before, f"_l{layer}")
            rows = self._split(states)[0]
            last.append(self._split(states[len(states) - n :]))
        steps = reshape(rows, shape=(length, n, self.hidden_size))
        return transpose(steps, axes=(1, 0, 2)), self._unpacked(tuple(stack(*part) for part in zip(*last)))

    def settings(self) -> str:
        layers = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return f"{self.input_size}, {self.hidden_size}{layers}{'' if self.bias else ', bias=False'}"


# -- the cells and the layers ------------------------------------------------------------------------------------------


class RNNCell(_Cell):
    """One step of an RNN: x (N, input_size) and h (N, hidden_size) to tanh(x W_ih + b_ih + h W_hh + b_hh).

    Source: Elman 1990.
    """

    cell = "rnn"


class GRUCell(_Cell):
    """One step of a GRU: x (N, input_size) and h (N, hidden_size) to the new h; gates r, z, n.

    n = tanh(x_n + r s_n), h' = n + z (h - n), where x and s are the products of x and h with the weights, plus biases
    (Cho et al. 2014, with the reset as in cuDNN).
    """

    cell = "gru"


class LSTMCell(_Cell):
    """One step of an LSTM: x (N, input_size) and (h, c), (N, hidden_size) each, to the new (h, c); gates i, f, g, o.

    c' = f c + i g, h' = o tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000).
    """

    cell = "lstm"


class RNN(_Layer):
    """An RNN over sequences x (N, T, input_size): the outputs (N, T, hidden_size) and the last h (layers, N, H)."""

    cell = "rnn"


class GRU(_Layer):
    """A GRU over sequences x (N, T, input_size): the outputs (N, T, hidden_size) and the last h (layers, N, H)."""

    cell = "gru"


class LSTM(_Layer):
    """An LSTM over sequences x (N, T, input_size): the outputs (N, T, H) and the last (h, c), (layers, N, H) each."""

    cell = "lstm"
