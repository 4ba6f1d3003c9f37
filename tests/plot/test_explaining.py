"""Panels, matrices, windows and diagrams show what they are given: read back from the axes of the picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import tinygen as tg
from tinygen import plot
from tinygen.plot import placing
from tinygen.plot.diagrams import _ends

drawing = settings(max_examples=min(20, settings().max_examples // 2), deadline=None)


def texts(picture):
    return [text.get_text() for axes in picture.axes for text in axes.texts]


# -- panels ------------------------------------------------------------------------------------------------------------


def test_panels_have_their_titles_and_names():
    picture, panels = plot.panels("$a$", "b", "c", xlabel="t (s)", ylabel=("u", "v", "w"), columns=2, title="all")
    assert [axes.get_title(loc="left") for axes in panels] == ["$a$", "b", "c"]
    assert [axes.get_xlabel() for axes in panels] == ["t (s)"] * 3
    assert [axes.get_ylabel() for axes in panels] == ["u", "v", "w"]
    places = [axes.get_subplotspec() for axes in panels]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [(0, 0), (0, 1), (1, 0)]
    assert picture.pixels().shape == (400, 640, 3) and picture.get_suptitle() == "all"


def test_panels_refuse_what_can_not_be_drawn():
    with pytest.raises(ValueError, match="at least one title"):
        plot.panels()
    with pytest.raises(ValueError, match="expected one ylabel, or 2 for 2 panels, got 3"):
        plot.panels("a", "b", ylabel=("u", "v", "w"))
    with pytest.raises(ValueError, match="width"):
        plot.panels("a", width=3)


# -- matrices ----------------------------------------------------------------------------------------------------------


@drawing
@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(1, 6), st.integers(1, 30)), min_size=1, max_size=5))
def test_matrices_are_shown_on_one_scale_and_do_not_overlap(seed, shapes):
    rng = np.random.default_rng(seed)
    arrays = {f"matrix {i}": rng.normal(size=shape) for i, shape in enumerate(shapes)}
    picture = plot.matrices(arrays)
    shown = picture.axes[0].images
    assert [image.get_array().tolist() for image in shown] == [array.tolist() for array in arrays.values()]
    assert len({image.get_clim() for image in shown}) == 1
    boxes = [image.get_extent() for image in shown]  # left, right, bottom, top, with y downwards
    for i, (left, right, bottom, top) in enumerate(boxes):
        assert left >= 0 and right <= 640 and top >= 0 and bottom <= picture.get_size_inches()[1] * picture.dpi
        for other in boxes[:i]:
            assert right <= other[0] or other[1] <= left or bottom <= other[3] or other[2] <= top


def test_matrices_write_their_numbers():
    picture = plot.matrices({"a": [[1, -2.5], [-0.0, 1234.5]]}, numbers=True)
    assert texts(picture)[-4:] == ["1", "−2.5", "0", "1.23e+03"]


def test_parts_of_matrices_are_outlined():
    arrays, marks = {"a": np.zeros((3, 5))}, {"a": [(0, 1, 2, 3), (2, 4, 1, 1)]}
    plain, marked = plot.matrices(arrays, cell=40), plot.matrices(arrays, outlines=marks, cell=40)
    left, _, _, top = marked.axes[0].images[0].get_extent()
    frames = [patch.get_bbox().extents for patch in marked.axes[0].patches[len(plain.axes[0].patches) :]][1::2]
    places = [((x - left) / 40, (y - top) / 40, (u - x) / 40, (v - y) / 40) for x, y, u, v in frames]
    assert places == [(1, 0, 3, 2), (4, 2, 1, 1)]  # the column comes first


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({}, {}, "at least one matrix"),
        ({"a": np.zeros(3)}, {}, r"a matrix of finite numbers for 'a', got shape \(3,\)"),
        ({"a": np.full((2, 2), np.nan)}, {}, "finite"),
        ({"a": np.zeros((0, 2))}, {}, "matrix"),
        ({"a": np.zeros((2, 2))}, {"outlines": {"b": []}}, "'a', got 'b'"),
        ({"a": np.zeros((2, 2))}, {"outlines": {"a": [(1, 1, 2, 1)]}}, "a part of 'a'"),
        ({"a": np.zeros((2, 2))}, {"cell": 0}, "cell"),
    ],
)
def test_matrices_refuse_what_can_not_be_drawn(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        plot.matrices(arrays, **options)


# -- windows -----------------------------------------------------------------------------------------------------------


@drawing
@given(
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.booleans(),
)
def test_the_numbers_in_the_pixels_are_a_transposed_convolution_of_ones(size, kernel, stride, padding, dilation, back):
    form = {"stride": stride, "padding": padding, "dilation": dilation}
    picture = plot.windows(size, kernel, **form, transposed=back)
    ones = np.ones((*kernel, 1, 1))
    grid = tg.conv2d(np.ones((1, *size, 1)), ones, **form).shape
    counts = tg.conv_transpose2d(np.ones(grid), ones, size=size, **form).numpy()[0, :, :, 0]
    assert np.array_equal(picture.axes[0].images[0].get_array(), counts)
    assert [int(text) for text in texts(picture) if text.isdigit()] == counts.ravel().astype(int).tolist()
    names = [f"{size[0]} × {size[1]}", f"{grid[1]} × {grid[2]}"]
    roles = ["output", "input"] if back else ["input", "output"]
    assert [text for text in texts(picture) if "×" in text] == [f"{a}  {b}" for a, b in zip(roles, names)]


def test_windows_refuse_what_can_not_be_drawn():
    for options, message in (
        ({"kernel_size": 9}, "a window that fits"),
        ({"kernel_size": 3, "shown": [(5, 0)]}, r"entries of a grid \(5, 5\), got \(5, 0\)"),
        ({"kernel_size": (3, 3, 3)}, "a pair as kernel_size"),
        ({"kernel_size": 3, "stride": 0}, "stride"),
        ({"size": 500, "kernel_size": 3}, "show a smaller one"),
    ):
        with pytest.raises(ValueError, match=message):
            plot.windows(**{"size": 7, **options})


# -- placed kernels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (2, 1), "padding": (1, 0), "dilation": 2},
    ],
)
def test_the_film_of_placed_kernels_ends_with_the_transposed_convolution(form, monkeypatch):
    rng = np.random.default_rng(0)
    x, kernel = rng.integers(-9, 10, (3, 2)).astype(float), rng.integers(-9, 10, (2, 3)).astype(float)
    drawn = []
    monkeypatch.setattr(
        placing, "_table", lambda axes, name, table, *rest, **more: drawn.append((name, np.array(table)))
    )
    film = plot.placed_kernels(x, kernel, **form)
    expected = tg.explain_conv_transpose(x, kernel, **form)
    sums = [table for name, table in drawn if name.startswith("sum")]
    assert len(film) == len(sums) == x.size + 1 and len(film.captions) == x.size + 1
    np.testing.assert_array_equal(sums[-1], expected.total)
    (p, q), (h, w) = expected.settings["padding"], expected.total.shape
    for k, total in enumerate(sums[:-1]):  # with the padding around them
        np.testing.assert_array_equal(total[p : p + h, q : q + w], expected.summands[: k + 1].sum(axis=0))
    scaled = [table for name, table in drawn if name.endswith("· kernel")]
    np.testing.assert_array_equal(scaled, x.reshape(-1, 1, 1) * kernel)
    assert film.captions[0].startswith(f"{x[0, 0]:.3g} times the kernel, at row {-p} and column {-q}")


@pytest.mark.parametrize(
    ("x", "kernel", "options", "message"),
    [
        ((2, 2, 1), (3, 3), {}, r"x to be a matrix of finite numbers, got shape \(2, 2, 1\)"),
        ((2, 2), (3,), {}, "kernel to be a matrix"),
        ((21, 20), (3, 3), {}, "at most 400 entries of x, one for a frame, got 420"),
        ((2, 100), (3, 3), {}, "a sum that fits 640 pixels"),
        ((1, 1), (2, 2), {"padding": 1}, "at least 1 x 1"),
        ((2, 2), (3, 3), {"stride": 0}, "stride"),
    ],
)
def test_placed_kernels_refuse_what_can_not_be_drawn(x, kernel, options, message):
    with pytest.raises(ValueError, match=message):
        plot.placed_kernels(np.ones(x), np.ones(kernel), **options)


# -- diagrams ----------------------------------------------------------------------------------------------------------


def test_a_diagram_has_its_boxes_arrows_and_labels():
    boxes = {"one\ntwo": (0, 0), "$x$": (1, 0), "below": (0.5, 1)}
    picture = plot.diagram(boxes, [("one\ntwo", "$x$", "to"), ("$x$", "below")], colours={"below": 1}, dashed=["$x$"])
    assert set(texts(picture)) == {"", "one", "two", "$x$", "below", "to"}
    patches = picture.axes[0].patches
    assert [type(patch) for patch in patches] == [FancyArrowPatch] * 2 + [FancyBboxPatch] * 3
    corners = [patch.get_bbox().extents for patch in patches[2:]]
    assert np.min(corners) >= 24 and max(box[2] for box in corners) <= 616 and max(box[3] for box in corners) <= 376


box_of = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(20, 90), st.integers(20, 90))


@given(box_of, box_of)
def test_an_arrow_leads_from_border_to_border(first, second):
    a, b = ((x, y, x + w, y + h) for x, y, w, h in (first, second))
    if not (a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]):
        return  # they overlap
    for (x, y), box in zip(_ends(a, b), (a, b)):
        assert box[0] - 1e-6 <= x <= box[2] + 1e-6 and box[1] - 1e-6 <= y <= box[3] + 1e-6
        assert min(abs(x - box[0]), abs(x - box[2]), abs(y - box[1]), abs(y - box[3])) < 1e-6


def test_diagrams_refuse_what_can_not_be_drawn():
    with pytest.raises(ValueError, match=r"a place from \(0, 0\) to \(1, 1\) for 'a'"):
        plot.diagram({"a": (0, 2)})
    with pytest.raises(ValueError, match="expected one of the boxes 'a', got 'b'"):
        plot.diagram({"a": (0, 0)}, [("a", "b")])
    with pytest.raises(ValueError, match="more than 100 x 100 pixels"):
        plot.diagram({"a long text in a box": (0, 0)}, width=100, height=100)


# -- files -------------------------------------------------------------------------------------------------------------


def test_an_svg_file_has_the_size_of_the_picture_and_always_the_same_bytes(tmp_path):
    first, second = (
        plot.save(plot.diagram({"a": (0, 0)}, height=120), tmp_path / f"{i}.svg").read_bytes() for i in range(2)
    )
    assert first == second and b'width="640" height="120"' in first and b"<text" not in first
    assert not any(line.endswith(b" ") for line in first.splitlines())
