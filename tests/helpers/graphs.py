"""Random programs, whose computation graphs the tests draw; a program runs on complex arrays too."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

import tinygen as tg

UNARY = {"tanh": (tg.tanh, np.tanh), "sin": (tg.sin, np.sin)}
BINARY = {"mul": (tg.mul, np.multiply), "add": (tg.add, np.add)}
H = 1e-30  # the imaginary step


@dataclass
class Program:
    """Instructions, each a start value or an op with the numbers of its inputs; the last one is the result."""

    instructions: list

    def tensors(self):
        """The tensor of each instruction."""
        made = []
        for name, *inputs in self.instructions:
            if name == "variable":
                made.append(tg.Parameter(inputs[0]))
            else:
                made.append((UNARY | BINARY)[name][0](*[made[i] for i in inputs]))
        return made

    def run(self, where=None, entry=0):
        """The sum of the result by NumPy; with an imaginary step at one entry of one intermediate result."""
        made = []
        for number, (name, *inputs) in enumerate(self.instructions):
            value = inputs[0] if name == "variable" else (UNARY | BINARY)[name][1](*[made[i] for i in inputs])
            value = np.array(value, complex)
            if number == where:
                value[entry] += 1j * H
            made.append(value)
        return made[-1].sum()

    def slope(self, where):
        """The derivative of the sum of the result with respect to each entry of one intermediate result."""
        return np.array([self.run(where, entry).imag / H for entry in range(2)])


def programs():
    """Programs of up to 15 instructions on arrays of two float64 numbers."""
    number = st.floats(-1.5, 1.5).map(lambda x: round(x, 3))

    @st.composite
    def program(choose):
        made = [("variable", np.array([choose(number), choose(number)])) for _ in range(choose(st.integers(1, 3)))]
        for _ in range(choose(st.integers(0, 12))):
            a, b = (choose(st.integers(0, len(made) - 1)) for _ in "ab")
            name = choose(st.sampled_from([*UNARY, *BINARY]))
            made.append((name, a) if name in UNARY else (name, a, b))
        return Program(made)

    return program()


def named(tensors):
    """Tensors with the names t0, t1, ..."""
    return {f"t{i}": tensor for i, tensor in enumerate(tensors)}


def edges_of(y, names):
    """How often each edge (parent, child) occurs in the graph of y, by name."""
    called = {tensor.node: name for name, tensor in names.items()}
    seen, todo, edges = {y.node}, [y.node], Counter()
    while todo:
        node = todo.pop()
        for parent in node.parents:
            edges[called[parent], called[node]] += 1
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    return edges
