"""A claim is met exactly if each of its numbers is finite and inside the tolerance or the bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import Parameter
from tinygen.claims import claim, recording

numbers = st.floats(-1e6, 1e6)
sizes = st.floats(0, 10)


@given(st.lists(numbers, min_size=1, max_size=5), numbers, sizes, sizes)
def test_a_reference_is_met_within_both_tolerances(values, reference, rtol, atol):
    met = all(abs(value - reference) <= atol + rtol * abs(reference) for value in values)
    assert claim("A1", "values are near the reference", np.array(values), reference, rtol=rtol, atol=atol) is met


@given(st.lists(numbers, min_size=1, max_size=5), numbers, numbers)
def test_bounds_include_their_ends(values, first, second):
    low, high = sorted((first, second))
    assert claim("A1", "inside", values, at_least=low, at_most=high) is all(low <= value <= high for value in values)
    assert claim("A1", "above", values, at_least=low) is all(low <= value for value in values)
    assert claim("A1", "below", values, at_most=high) is all(value <= high for value in values)
    assert claim("A1", "at the end", low, at_least=low, at_most=low)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, [1.0, np.nan]])
def test_numbers_that_are_not_finite_meet_no_claim(value):
    assert not claim("A1", "bounded below", value, at_least=-1e300)
    assert not claim("A1", "bounded above", value, at_most=1e300)
    assert not claim("A1", "equal", value, value)
    assert not claim("A1", "near", value, 1.0, rtol=1e9)


def test_the_entry_that_is_furthest_off_is_the_value():
    with recording() as claims:
        claim("A1", "near", [1.0, 2.0, 9.0, 3.0], [1.0, 2.0, 3.0, 3.5], atol=1.0)
        claim("A1", "inside", [0.5, -3.0, 2.0], at_least=0.0, at_most=1.0)
    assert [(each.value, each.shown, each.reference, each.ok) for each in claims] == [
        (9.0, "[1, 2, 9, 3]", "[1, 2, 3, 3.5]", False),
        (-3.0, "[0.5, -3, 2]", "at least 0 and at most 1", False),
    ]


@pytest.mark.parametrize(
    ("value", "options", "shown"),
    [
        ((28, 28, 3), {"reference": [28, 28, 3]}, "[28, 28, 3] (expected [28, 28, 3], exactly)"),
        ([[1, 2], [3, 5]], {"reference": [[1, 2], [3, 4]]}, "[[1, 2], [3, 5]] (expected [[1, 2], [3, 4]], exactly)"),
        ([4.5], {"at_most": 5}, "[4.5] (expected at most 5)"),
        (np.array(4.5), {"at_most": 5}, "4.5 (expected at most 5)"),
        (np.arange(300) / 100, {"reference": 0, "atol": 3}, "2.99, the furthest of 300 (expected 0, atol 3)"),
        (np.arange(300), {"reference": np.arange(1, 301)}, "0, the furthest of 300 (expected 1, exactly)"),
        (np.full(12, np.pi), {"at_most": 3}, "3.14159, the furthest of 12 (expected at most 3)"),
        (
            np.full(12, 3.0),
            {"reference": np.full(12, np.pi), "atol": 1},
            "3, the furthest of 12 (expected 3.14159, atol 1)",
        ),
    ],
)
def test_what_is_compared_is_shown_as_a_whole_if_it_is_short(value, options, shown, capsys):
    claim("A1", "this", value, **options)
    assert capsys.readouterr().out.partition("this: ")[2] == shown + "\n"


def test_a_tensor_is_a_value(capsys):
    assert claim(" A1  F13 ", "equal", Parameter([2.0]).sum(), 2)
    assert capsys.readouterr().out == "ok       A1 F13  equal: 2 (expected 2, exactly)\n"


def test_recordings_are_nested():
    with recording() as outer:
        claim("A1", "first", 1, 1)
        with recording() as inner:
            claim("A1", "second", 2, 2)
        claim("A1", "third", 3, 3)
    claim("A1", "fourth", 4, 4)
    assert [each.sentence for each in outer] == ["first", "third"]
    assert [each.sentence for each in inner] == ["second"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("A1", "nothing is expected", 1.0), {}, "expected a reference with tolerances, or bounds"),
        (("A1", "both", 1.0, 1.0), {"at_least": 0}, "expected a reference with tolerances, or bounds"),
        (("A1", "a bound with a tolerance", 1.0), {"at_least": 0, "rtol": 1e-6}, "expected a reference with toleran"),
        (("A1", "", 1.0, 1.0), {}, "expected sentence to be a text"),
        (("", "no id", 1.0, 1.0), {}, "expected ids to be a text"),
        ((3, "no id", 1.0, 1.0), {}, "expected ids to be a text"),
        (("A1", "text", "one", 1.0), {}, "expected value to be a number"),
        (("A1", "empty", [], 1.0), {}, "expected value to have entries"),
        (("A1", "shapes", [1.0, 2.0], [1.0, 2.0, 3.0]), {}, "expected a reference of the shape of the value"),
        (("A1", "negative", 1.0, 1.0), {"rtol": -1.0}, "rtol"),
        (("A1", "not finite", 1.0, 1.0), {"atol": np.nan}, "atol"),
        (("A1", "crossed", 1.0), {"at_least": 2.0, "at_most": 1.0}, "expected at_least to be at most at_most"),
    ],
)
def test_claims_that_cannot_be_checked_are_refused(arguments, options, message):
    with recording() as claims, pytest.raises((ValueError, TypeError), match=message):
        claim(*arguments, **options)
    assert claims == []
