"""Arrays in a few words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.graph.numbers import in_line, number, summary, table


@given(st.floats(-1e308, 1e308))  # above, the last digit may round to infinity
def test_a_number_has_four_digits(x):
    assert float(number(x)) == pytest.approx(x, rel=5.1e-4, abs=1e-320)
    assert number(0 * x) == "0" and len(number(x).replace("-", "")) <= 11


def test_a_table_has_at_most_so_many_rows_and_columns():
    for array, shape in [(np.ones(()), (1, 1)), (np.ones(3), (1, 3)), (np.ones((2, 2, 3)), (4, 3)), (np.ones(4), None)]:
        found = table(array, 4, 3)
        assert (found is None and shape is None) or found.shape == shape
    assert table(np.ones((5, 1)), 4, 3) is None and table(np.ones((0, 3)), 4, 3) is None


def test_large_arrays_are_summarised_and_small_ones_shown():
    assert in_line(np.array([[1.0, 2.5], [-0.0, 1e-7]])) == "[[1, 2.5], [0, 1e-07]]"
    assert in_line(np.arange(100.0)) == "min 0, mean 49.5, max 99"
    assert in_line(np.ones((0, 2))) == "entries 0"
    assert in_line(np.array(2.0)) == "2" and in_line(np.array([np.nan, np.inf])) == "[nan, inf]"


def test_what_is_not_finite_is_counted_and_left_out_of_the_mean():
    assert summary(np.array([1.0, np.nan, 3.0, -np.inf])) == [
        ("min", "1"),
        ("mean", "2"),
        ("max", "3"),
        ("nan or inf", "2 of 4"),
    ]
    assert summary(np.full(3, np.nan)) == [("nan or inf", "3 of 3")]
    assert dict(summary(np.full(10**6, 0.1, np.float32)))["mean"] == "0.1"
