"""The text, DOT and Mermaid of a computation graph: the edges can be read back from each of them."""

import re
from collections import Counter

import numpy as np
import pytest
from helpers.graphs import edges_of, named, programs
from hypothesis import given

import tinygen as tg
from tinygen import graph


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
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    output = graph.text(y, names=names)
    assert read_text(output) == edges_of(y, names)
    printed = re.findall(r"(t\d+) = ", output)
    assert len(printed) == len(set(printed))  # each node once


@given(programs())
def test_dot_and_mermaid_can_be_read_back(program):
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    assert read_arrows(graph.dot(y, names=names), "->", r'(n\d+) \[label="(t\d+)') == edges_of(y, names)
    assert read_arrows(graph.mermaid(y, names=names), "-->", r'(n\d+)[(\[]+"(t\d+)') == edges_of(y, names)


def test_a_small_network_looks_like_this():
    w, b = tg.Parameter(np.ones((3, 2))), tg.Parameter(np.ones(2))
    hidden = tg.tanh(np.ones((5, 3)) @ w + b)
    loss = (hidden * hidden + w[0]).mean()
    assert (
        graph.text(loss, names={"w": w, "b": b, "hidden": hidden})
        == """\
mean           ()
add            (5, 2)
├─ getitem(w)  (3, 2) → (2,)
mul            (5, 2)
├─ #1
hidden = tanh  (5, 2)  #1
add            (5, 2)
├─ b           (2,)
matmul         (5, 2)
w              (3, 2)"""
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


def test_names_of_what_is_no_tensor_are_refused():
    w = tg.Parameter(np.ones(2))
    with pytest.raises(TypeError, match="graph: expected a Tensor for the name 'x', got ndarray: leave out what is no"):
        graph.text(w * 2, names={"w": w, "x": np.ones(2)})


# -- the backward pass in numbers --------------------------------------------------------------------------------------


def test_the_walk_as_text_adds_what_arrives_in_parts():
    a = tg.Parameter(np.array(3.0))
    b = a * a
    lines = graph.text(b * b, names={"a": a, "b": b}, values=True).splitlines()
    assert lines == [
        "1. mul (): value 81, gradient 1",
        "   → b = mul: 9",
        "   → b = mul: 9",
        "2. b = mul (): value 9, gradient 9 + 9 = 18",
        "   → a: 54",
        "   → a: 54",
        "3. a (): value 3, gradient 54 + 54 = 108",
    ]


@given(programs())
def test_the_walk_as_text_contains_each_edge_once(program):
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    edges, child = Counter(), None
    for line in graph.text(y, names=names, values=True, gy=np.ones(2)).splitlines():
        if step := re.match(r"\d+\. (t\d+)", line):
            child = step[1]
        elif sent := re.match(r"   → (t\d+)", line):
            edges[sent[1], child] += 1
    assert edges == edges_of(y, names)


def test_a_long_line_of_the_walk_is_divided():
    a = tg.Parameter(np.full(12, 1 / 3))
    assert graph.text((a * a).sum(), names={"a": a}, values=True).splitlines()[-5:] == [
        "3. a (12,)",
        f"   value [{', '.join(['0.3333'] * 12)}]",
        f"   gradient [{', '.join(['0.3333'] * 12)}]",
        f"          + [{', '.join(['0.3333'] * 12)}]",
        f"          = [{', '.join(['0.6667'] * 12)}]",
    ]


def test_a_long_walk_ends_with_a_note():
    y = tg.Parameter(np.ones(()))
    for _ in range(50):
        y = tg.sin(y)
    assert graph.text(y, values=True, limit=3).splitlines()[-2:] == [
        f"   → an earlier node, not shown: {np.prod(np.cos(_values(50)[-3:])):.4g}",
        "⋮ 48 earlier nodes are not shown",
    ]


def _values(count):
    """1, sin 1, sin sin 1, ..., in float32."""
    values = [np.float32(1)]
    for _ in range(count - 1):
        values.append(np.sin(values[-1]))
    return values
