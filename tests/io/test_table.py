"""Tables fit the width that is there, and lose no word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.io.table import columns, paragraphs, terminal_width

WORDS = st.text("abcdefg", min_size=1, max_size=9)
CELLS = st.lists(WORDS, max_size=8).map(" ".join)


@given(st.data(), st.integers(1, 5), st.integers(0, 5), st.integers(24, 120), st.booleans())
def test_a_table_fits_its_width_and_keeps_every_word(data, count, numbers, width, ruled):
    heads = data.draw(st.lists(WORDS, min_size=count, max_size=count))
    rows = [heads, *data.draw(st.lists(st.lists(CELLS, min_size=count, max_size=count), max_size=4))]
    text = columns(rows, numbers=min(numbers, count), ruled=ruled, width=width)
    assert max(map(len, text.splitlines()), default=0) <= width
    words = text.replace(":", " ").split()
    for word in (word for row in rows[1:] for cell in row for word in cell.split()):
        assert word in words


def test_a_table_that_fits_has_one_line_for_each_row():
    text = columns([["name", "size"], ["a", "10"], ["bcdef", "2"]], numbers=1, ruled=True, width=11)
    assert text.splitlines() == ["name   size", "-----  ----", "a        10", "bcdef     2"]


def test_long_cells_are_wrapped_below_their_column():
    text = columns([["name", "about"], ["a", "one two three four"]], width=16)
    assert text.splitlines() == ["name  about", "a     one two", "      three four"]


def test_an_indent_stays_where_a_cell_is_wrapped():
    text = columns([["layer", "size"], ["  Dense + Tanh + Flatten", "7"]], numbers=1, width=18)
    assert text.splitlines() == ["layer         size", "  Dense +        7", "  Tanh +", "  Flatten"]


def test_a_row_becomes_a_paragraph_where_columns_would_be_too_narrow():
    rows = [["op", "order 1", "order 2", "why"], ["conv2d", "1.2e-16", "", "the weights differ"]]
    assert columns(rows, width=24).splitlines() == ["conv2d", "  order 1: 1.2e-16", "  why: the weights", "    differ"]


@pytest.mark.parametrize("given, width", [("80", 80), ("133", 133), ("3", 20), ("0", 80), ("many", 80)])
def test_the_width_is_that_of_the_terminal(monkeypatch, given, width):
    monkeypatch.setenv("COLUMNS", given)
    monkeypatch.setattr("sys.__stdout__", None)  # no terminal
    assert terminal_width() == width


def test_paragraphs_are_filled():
    assert paragraphs("one two\nthree\n\nfour", width=10, indent=" ") == " one two\n three\n\n four"
