"""The layout: boxes don't overlap, parents are above children, arrows touch no box but their own."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.graph.layout import _Items, layered

SIZE = st.tuples(st.floats(20, 260), st.floats(15, 120))


@st.composite
def graphs(choose):
    """Sizes of boxes, and edges from lower to higher numbers, some of them twice."""
    count = choose(st.integers(1, 20))
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).map(sorted).filter(lambda e: e[0] < e[1])
    edges = choose(st.lists(pair.map(tuple), max_size=2 * count)) if count > 1 else []
    return [choose(SIZE) for _ in range(count)], edges


@given(graphs())
def test_boxes_do_not_overlap_and_parents_are_above_children(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(layout.corners, sizes)]
    for a, b in combinations(boxes, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
    for parent, child in edges:
        assert boxes[parent][3] < boxes[child][1]
    assert min(x for x, *_ in boxes) >= -1e-9 and max(x for *_, x, _ in boxes) <= layout.width + 1e-9
    assert min(y for _, y, *_ in boxes) >= -1e-9 and max(y for *_, y in boxes) <= layout.height + 1e-9


@given(graphs())
def test_arrows_lead_from_parent_to_child_around_all_other_boxes(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(layout.corners, sizes)]
    ends = set()
    for (a, b), pieces in zip(edges, layout.arrows, strict=True):
        first, last = pieces[0], pieces[-1]
        assert first.x == pytest.approx((boxes[a][0] + boxes[a][2]) / 2) and first.top == pytest.approx(boxes[a][3])
        assert boxes[b][0] < last.x < boxes[b][2] and last.bottom == pytest.approx(boxes[b][1])
        assert (b, last.x) not in ends  # each arrow has its own tip
        ends.add((b, last.x))
        for piece in pieces:
            assert piece.top <= piece.bottom + 1e-9
            inside = [
                i for i, (x, y, u, v) in enumerate(boxes) if x < piece.x < u and y < piece.bottom and piece.top < v
            ]
            assert set(inside) <= {a, b}
        for upper, lower in pairwise(pieces):  # a curve runs in the gap between two rows, where no box is
            assert upper.bottom < lower.top
            assert not [box for box in boxes if box[1] < lower.top - 1e-9 and upper.bottom + 1e-9 < box[3]]


def test_a_ladder_is_drawn_without_crossings():
    edges = [(i, i + 2) for i in range(20)] + [(2 * i, 2 * i + 3) for i in range(9)]
    items = _Items([50.0] * 22, edges)
    items.uncross()
    assert items._crossings() == 0


def test_crossings_are_counted():
    items = _Items([10.0] * 6, [(0, 3), (1, 4), (2, 5), (0, 5)])
    items.rows = [[0, 1, 2], [5, 4, 3]]
    pairs = [(0, 2), (1, 1), (2, 0), (0, 0)]  # the places of the ends of the edges
    assert items._crossings() == sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(pairs, 2)) == 3


def test_a_chain_is_a_straight_line_and_depth_is_no_limit():
    layout = layered([(100.0, 20.0)] * 2_000, [(i, i + 1) for i in range(1_999)])
    assert np.ptp([x for x, _ in layout.corners]) == 0
    assert layout.height == layered([(100.0, 20.0)], []).height * 2_000 + 34.0 * 1_999


def test_one_variable_used_everywhere_needs_one_lane_per_row():
    items = _Items([10.0] * 200, [(i, i + 1) for i in range(199)] + [(0, i) for i in range(2, 200)])
    assert len(items.widths) == 200 + 198


def test_no_boxes_need_no_space():
    assert layered([], []).width == layered([], []).height == 0
