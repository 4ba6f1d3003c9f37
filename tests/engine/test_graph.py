"""The text, DOT and Mermaid of a computation graph: the edges can be read back from each of them."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import graph


def programs():
    """A list of tensors, each computed from earlier ones, and a name for each."""

    @st.composite
    def program(choose):
        tensors = [tg.Parameter(np.zeros(2)) for _ in range(choose(st.integers(1, 3)))]
        for _ in range(choose(st.integers(0, 12))):
            a, b = (tensors[choose(st.integers(0, len(tensors) - 1))] for _ in "ab")
            tensors.append(choose(st.sampled_from([tg.tanh, tg.exp]))(a) if choose(st.booleans()) else tg.mul(a, b))
        return tensors, {f"t{i}": tensor for i, tensor in enumerate(tensors)}

    return program()


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


def read_text(output):
    """The edges in the output of `graph.text`; every tensor must have a name."""
    edges, numbers, open_lines = Counter(), {}, {}
    for line in output.splitlines():
        indent, label, number = re.fullmatch(r"((?:│  |├─ )*)(\S+)(?: = \w+)?(?: .*?(#\d+)?)?", line).groups()
        folded = re.search(r"\((t\d+)\)", line)
        depth = len(indent) // 3
        if number:
            numbers[number] = label
        if indent.endswith("├─ "):
            edges[label, open_lines[depth - 1]] += 1
        elif depth in open_lines:
            edges[label, open_lines[depth]] += 1
        open_lines = {d: above for d, above in open_lines.items() if d < depth} | {depth: label}
        if folded:
            edges[folded[1], label] += 1
    return Counter((numbers.get(a, a), numbers.get(b, b)) for a, b in edges.elements())


def read_arrows(output, arrow, label):
    """The edges in the output of `graph.dot` or `graph.mermaid`."""
    names = {key: name for key, name in re.findall(label, output)}
    return Counter((names[a], names[b]) for a, b in re.findall(rf"(n\d+) {arrow} (n\d+)$", output, re.MULTILINE))


@given(programs())
def test_a_text_can_be_read_back(program):
    tensors, names = program
    y = tensors[-1]
    output = graph.text(y, names=names)
    assert read_text(output) == edges_of(y, names)
    printed = re.findall(r"(t\d+) = ", output)
    assert len(printed) == len(set(printed))  # each node once


@given(programs())
def test_dot_and_mermaid_can_be_read_back(program):
    tensors, names = program
    y = tensors[-1]
    assert read_arrows(graph.dot(y, names=names), "->", r'(n\d+) \[label="(t\d+)') == edges_of(y, names)
    assert read_arrows(graph.mermaid(y, names=names), "-->", r'(n\d+)[(\[]+"(t\d+)') == edges_of(y, names)


def test_a_small_network_looks_like_this():
    w, b = tg.Parameter(np.ones((3, 2))), tg.Parameter(np.ones(2))
    hidden = tg.tanh(np.ones((5, 3)) @ w + b)
    loss = (hidden * hidden + w[0]).mean()
    assert (
        graph.text(loss, names={"w": w, "b": b, "hidden": hidden})
        == """\
mean                ()
add                 (5, 2)
├─ broadcast_to     (5, 2)
│  getitem(w)       (3, 2) → (2,)
mul                 (5, 2)
├─ #1
hidden = tanh       (5, 2)  #1
add                 (5, 2)
├─ broadcast_to(b)  (2,) → (5, 2)
matmul              (5, 2)
w                   (3, 2)"""
    )


def test_variables_without_a_name_are_called_variable():
    assert graph.text(tg.exp(tg.Parameter(np.ones(2)))).split() == ["exp", "(2,)", "variable", "(2,)"]


def test_quotes_in_names_are_escaped():
    w = tg.Parameter(np.ones(2))
    assert r'label="the \"w\"\n(2,)"' in graph.dot(w * 2, names={'the "w"': w})
    assert '"the #quot;w#quot;<br/>(2,)"' in graph.mermaid(w * 2, names={'the "w"': w})


def test_a_large_graph_is_shortened_with_a_note():
    y = tg.Parameter(np.ones(2))
    for _ in range(20_000):
        y = y + 1
    lines = graph.text(y, limit=20).splitlines()
    assert len(lines) == 20
    assert "⋮ 19,982 more lines" in lines
    assert lines[-1].startswith("variable")
    assert "19,981 earlier nodes are not shown" in graph.dot(y, limit=20)
    assert "19,981 earlier nodes are not shown" in graph.mermaid(y, limit=20)
    assert graph.dot(y, limit=20).count("->") == graph.mermaid(y, limit=20).count("->") == 20


def test_a_tensor_without_a_graph_is_refused():
    with pytest.raises(TypeError, match="graph: expected a tensor made from variables, got a constant"):
        graph.text(tg.Tensor([1.0]))
    w = tg.Parameter(np.ones(2))
    y = (w * w).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="graph: the graph behind this sum was already walked and dropped"):
        graph.text(y)
