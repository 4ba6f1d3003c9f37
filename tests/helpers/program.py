"""A random program, and its comparison with the oracle of `duals` after each step."""

from typing import NamedTuple

import numpy as np
import pytest

import tinygen as tg
from helpers.duals import Dual, inputs
from helpers.steps import BINARY, KINKED, UNARY, fits, near_kink

NAMES = sorted(UNARY | BINARY)


class Value(NamedTuple):
    """One value of the program, and the same value by the oracle."""

    tensor: tg.Tensor
    dual: Dual
    steps: frozenset[int]  # the recorded steps behind it: a walk from here drops them
    variable: bool
    bytes: bytes  # of the tensor when it was computed: they must never change


def value_of(tensor, dual, steps=frozenset(), variable=False) -> Value:
    return Value(tensor, dual, steps, variable, tensor.data.tobytes())


class Program:
    """Three variables, a constant, and values computed from them; the caller chooses steps, `rng` the operands."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        *arrays, constant = (self.rng.normal(size=self.rng.integers(1, 4, 2)) for _ in range(4))
        self.leaves = [tg.Parameter(arrays[0]), tg.Parameter(arrays[1]), tg.Tensor(arrays[2], requires_grad=True)]
        self.basis = inputs(arrays)
        nothing = np.zeros((len(self.basis[0].slope), *constant.shape))
        self.values = [value_of(x, d, variable=True) for x, d in zip(self.leaves, self.basis)]
        self.values.append(value_of(tg.Tensor(constant), Dual(constant, nothing, nothing)))
        self.time, self.dropped = 0, set()
        self.added = [None, None, None]  # for each leaf the expected `.grad` and its scale
        self.walked = []  # the number of steps behind each gradient that was compared

    def choose(self) -> Value:
        """A value: mostly a recent one whose graph is not dropped; sometimes any, leaves and constants included."""
        alive = [v for v in self.values if v.steps and not v.steps & self.dropped]
        if alive and self.rng.random() < 0.7:
            return alive[int(len(alive) * np.sqrt(self.rng.random()))]
        return self.values[self.rng.integers(len(self.values))]

    # -- steps ---------------------------------------------------------------------------------------------------------

    def compute(self, name: str, recorded: bool = True) -> None:
        """One op on chosen operands, and a sine of large results, so that long programs stay finite."""
        operands = [self.choose() for _ in range(2 if name in BINARY else 1)]
        if name in BINARY and not fits(name, *(v.tensor.shape for v in operands)):
            return
        ours, oracle = (UNARY | BINARY)[name]
        if name in KINKED and near_kink(*operands):
            ours, oracle = BINARY["add"] if len(operands) == 2 else UNARY["sin"]
        tensor, dual = ours(*(v.tensor for v in operands)), oracle(*(v.dual for v in operands))
        if np.abs(dual.value).max() > 2:
            tensor, dual = tg.sin(tensor), UNARY["sin"][1](dual)
        if not recorded or not any(v.variable for v in operands):
            return self.keep(value_of(tensor, dual.frozen()))
        self.time += 1
        self.keep(value_of(tensor, dual, frozenset().union(*(v.steps for v in operands), {self.time}), True))

    def keep(self, value: Value) -> None:
        self.values.append(value)
        if len(self.values) > 12:  # forget one that is not a leaf: values computed from it must survive
            del self.values[4 + int(self.rng.integers(len(self.values) - 5))]

    def compute_unrecorded(self, name: str) -> None:
        with tg.no_grad():
            self.compute(name, recorded=False)

    def detach(self) -> None:
        value = self.choose()
        self.keep(value_of(value.tensor.detach(), value.dual.frozen()))

    def write(self) -> None:
        tensor = before = self.choose().tensor
        with pytest.raises(ValueError, match="read-only"):
            tensor.data[...] = 0
        with pytest.raises(TypeError, match="immutable"):
            tensor[0] = 0
        if tensor.node is None or tensor.node.op is not None:  # a variable refuses += itself
            tensor += 1.0  # a new tensor with the old name
            assert tensor is not before

    def update(self, i: int) -> None:
        """New data for a parameter, as from an optimizer."""
        new = self.rng.normal(size=self.leaves[i].shape)
        self.leaves[i].data = new
        self.values[i] = value_of(self.leaves[i], self.basis[i]._replace(value=new), variable=True)

    def gradient(self, retain: bool) -> None:
        value, gy = self.start_of_a_walk(lambda y, gy: tg.grad(y, self.leaves, gy))
        if value is not None:
            found = tg.grad(value.tensor, self.leaves, gy, retain_graph=retain)
            self.dropped |= frozenset() if retain else value.steps
            for g, (expected, scale) in zip(found, self.expected(value, gy)):
                agree(g.data, expected, scale)

    def backward(self, retain: bool) -> None:
        value, gy = self.start_of_a_walk(lambda y, gy: y.backward(gy))
        if value is None:
            return
        value.tensor.backward(gy, retain_graph=retain)
        self.dropped |= frozenset() if retain else value.steps
        for k, (expected, scale) in enumerate(self.expected(value, gy)):
            if self.added[k] is not None:
                self.added[k] = (self.added[k][0] + expected, self.added[k][1] + scale)
            elif self.leaves[k].grad is not None:  # backward reaches only the leaves behind this value
                self.added[k] = (expected, scale)
            else:
                assert not scale.any()

    def start_of_a_walk(self, walk):
        """A value to walk from and a cotangent; (None, None) if the walk must raise an error, which is checked."""
        value = self.choose()
        gy = self.rng.normal(size=value.tensor.shape)
        if value.variable and not value.steps & self.dropped:
            self.walked.append(len(value.steps))
            return value, gy
        error, words = (RuntimeError, "dropped") if value.variable else (TypeError, "constant")
        with pytest.raises(error, match=words):
            walk(value.tensor, gy)
        return None, None

    def expected(self, value: Value, gy):
        """The oracle's gradient for each leaf, and its scale."""
        slopes, scales = (value.dual.slope * gy).sum((1, 2)), (value.dual.scale * np.abs(gy)).sum((1, 2))
        ends = np.cumsum([x.size for x in self.leaves])[:-1]
        parts = zip(self.leaves, np.split(slopes, ends), np.split(scales, ends))
        return [(slope.reshape(x.shape), scale.reshape(x.shape)) for x, slope, scale in parts]

    # -- comparison ----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every value is unchanged and equals the oracle's, and `.grad` is the sum of what backward added."""
        for value in self.values:
            assert value.tensor.data.tobytes() == value.bytes
            assert value.tensor.requires_grad == value.variable
            np.testing.assert_allclose(value.tensor.data, value.dual.value, rtol=0, atol=1e-12)
        for leaf, sums in zip(self.leaves, self.added):
            if sums is None:
                assert leaf.grad is None
            else:
                agree(leaf.grad.data, *sums)


def agree(found, expected, scale) -> None:
    """Equal up to 10⁻¹² times the summed terms; exactly 0 where there are none."""
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-12 * scale).all(), (found, expected)
