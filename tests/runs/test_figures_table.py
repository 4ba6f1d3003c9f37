"""The table of the results of a run, which fits a terminal of 80 columns here."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.runs.run import Result, figures_table

CELLS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS | st.floats() | st.integers(-(10**11), 10**11), CELLS, CELLS), max_size=6))
def test_the_table_is_aligned_and_loses_nothing(rows):
    text = figures_table([Result(*row) for row in rows], quiet=True)
    head, rule, *lines = text.splitlines()
    assert head.split() == ["metric", "value", "reference", "verdict"] and len(lines) == len(rows)
    starts = [match.start() for match in re.finditer("-+", rule)]
    for (metric, value, reference, verdict), line in zip(rows, lines, strict=True):
        cells = [line[a:b].rstrip() for a, b in zip(starts, [*starts[1:], None])]
        assert cells[0] == metric and cells[2:] == [reference, verdict]
        if isinstance(value, float) and math.isfinite(value):
            assert float(cells[1]) == pytest.approx(value, rel=1e-5)
        else:
            assert cells[1] == str(value)


def test_the_table_is_printed_unless_quiet(capsys):
    text = figures_table([Result("test error", 13.1043, "26.714 (PCA)", "below"), ("parameters", 159355)])
    assert capsys.readouterr().out == text + "\n"
    assert text.splitlines()[2:] == ["test error  13.1043  26.714 (PCA)  below", "parameters  159355"]
    figures_table([], quiet=True)
    assert capsys.readouterr().out == ""
