"""The SVG picture: nodes and edges can be read back from it, with the right numbers, whatever the names are."""

import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.graphs import edges_of, named, programs
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import graph
from tinygen.graph.drawing import LETTER, columns

SVG = "{http://www.w3.org/2000/svg}"


def boxes_of(drawing):
    """The lines of text of each box, by the number of its step, and its width."""
    boxes = {}
    for group in ElementTree.fromstring(str(drawing)).iter(f"{SVG}g"):
        if "data-step" in group.attrib:
            lines = ["".join(text.itertext()) for text in group.iter(f"{SVG}text")]
            assert group.get("data-step") not in boxes
            boxes[group.get("data-step")] = lines, float(group.find(f"{SVG}rect").get("width"))
    return boxes


def arrows_of(drawing):
    """How often there is an arrow between two steps."""
    groups = ElementTree.fromstring(str(drawing)).iter(f"{SVG}g")
    return Counter((g.get("data-parent"), g.get("data-child")) for g in groups if g.get("class") == "edge")


@given(programs())
def test_every_node_and_every_edge_is_drawn_once(program):
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    drawing = graph.svg(y, names=names)
    called = {step: re.match(r"t\d+", lines[0])[0] for step, (lines, _) in boxes_of(drawing).items()}
    assert len(set(called.values())) == len(called)
    assert Counter({(called[a], called[b]): n for (a, b), n in arrows_of(drawing).items()}) == edges_of(y, names)


@given(programs())
def test_the_numbers_are_the_value_and_the_gradient(program):
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    shown = {}
    for lines, _ in boxes_of(graph.svg(y, names=names, values=True, gy=np.ones(2))).values():
        shown[re.match(r"t\d+", lines[0])[0]] = [np.array(line.split()[1:], float) for line in lines[1:]]
    gradients = tg.grad(y, [names[name] for name in shown], np.ones(2))
    for (name, (value, gradient)), expected in zip(shown.items(), gradients):
        np.testing.assert_allclose(value, names[name].numpy(), rtol=6e-3)
        np.testing.assert_allclose(gradient, expected.numpy(), rtol=6e-3)


@given(st.text(max_size=60))
def test_any_name_is_written_as_text_and_fits_its_box(name):
    w = tg.Parameter(np.ones(2))
    boxes = boxes_of(graph.svg((w * w).sum(), names={name: w}, values=True))
    assert all(columns(line) * LETTER <= width for lines, width in boxes.values() for line in lines)
    lines, _ = boxes["3"]
    assert len(lines) == 3
    if name.isprintable() and len(name) <= 28:
        assert lines[0] == f"{name} (2,)"


def test_large_arrays_are_summarised_and_unknown_values_say_so():
    w = tg.Parameter(np.linspace(0, 1, 200))
    boxes = boxes_of(graph.svg((w + 1).sum(), names={"w": w}, values=True))
    value = ["value    min  0", "         mean 0.5", "         max  1"]
    gradient = ["gradient min  1", "         mean 1", "         max  1"]
    assert boxes["3"][0] == ["w (200,)", *value, *gradient]
    assert boxes["2"][0] == ["add (200,)", "value    not kept", *gradient]


def test_of_a_large_graph_only_the_last_nodes_are_drawn_with_a_note():
    w = tg.Parameter(np.ones(2))
    y = w
    for _ in range(3_000):
        y = y + w
    drawing = graph.svg(y, limit=5)
    assert [lines[0] for lines, _ in boxes_of(drawing).values()] == ["2,996 earlier nodes are not shown"] + [
        "add (2,)"
    ] * 5
    assert arrows_of(drawing) == {("0", str(i)): 1 for i in range(1, 6)} | {
        (str(i + 1), str(i)): 1 for i in range(1, 5)
    }


def test_a_picture_needs_no_other_file_and_can_be_saved(tmp_path):
    w = tg.Parameter(np.ones(2))
    drawing = graph.svg((w * w).sum())
    assert re.findall(r"\w+://[^'\"]*", str(drawing)) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in str(drawing) and "href" not in str(drawing) and "@import" not in str(drawing)
    assert drawing.save(tmp_path / "new" / "a.svg").read_text("utf-8") == str(drawing) == drawing._repr_svg_()
    with pytest.raises(ValueError, match=r"graph.svg: expected a path that ends in .svg, got 'a.png': rename it"):
        drawing.save(tmp_path / "a.png")
