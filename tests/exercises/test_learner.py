"""An op of a learner's file says at once what its definition returns wrongly, and in which line."""

import pytest

from tinygen.exercises.grading import grade
from tinygen.exercises.source import file_text, load
from tinygen.exercises.tracks import EXERCISES

MUL = EXERCISES["mul"]


def graded(text: str) -> tuple[str, str]:
    """The stage that fails, and what it says."""
    result = grade(MUL, load(MUL, text))
    assert result.finding is not None
    return result.stage, result.finding.says


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("a * b, lambda g: g * b, lambda g: g * a", "mul: the value is a Tensor: compute with a.data, b.data"),
        ("a.data * b.data, lambda g: g * b", "got 2 tensors and 1 rule"),
        ("a.data * b.data, b, a", "mul: expected a derivative rule, a function of g or of g and y, got Tensor"),
        ("a.data * b.data", "mul: expected the value and the derivative rules, got ndarray"),
    ],
)
def test_what_a_definition_returns_is_checked_in_the_first_stage(returned, says):
    text = file_text(MUL, f"@elementwise\ndef mul(a, b):\n    return {returned}\n")
    line = 1 + next(i for i, line in enumerate(text.splitlines()) if line.startswith("    return"))
    stage, said = graded(text)
    assert stage == "a tiny example"
    assert says in said and said.endswith(f"(line {line})")


def test_no_line_is_named_where_there_are_several():
    body = "    if a.shape:\n        return a * b, 0, 0\n    return a.data, 0\n"
    _, says = graded(file_text(MUL, f"@elementwise\ndef mul(a, b):\n{body}"))
    assert says == "It raises TypeError: mul: the value is a Tensor: compute with a.data, b.data"


def test_a_wrong_rule_of_one_entry_is_not_called_a_factor():
    text = file_text(
        MUL, "@elementwise\ndef mul(a, b):\n    return a.data * b.data, lambda g: g * b, lambda g: g * b\n"
    )
    stage, says = graded(text)
    assert stage == "derivatives"
    assert "its derivative in b (1,) is the one that belongs to a (1,)" in says
