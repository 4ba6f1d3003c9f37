"""Excerpts: the lines of a function as they are in its file, and highlighted without changing a character."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.runs.excerpt import excerpt, highlighted


def example(steps):
    """A function to take lines from."""
    total = 0
    for step in range(steps):
        total += step  # a comment
        if total < 10:
            total = 2 * total
    return f"{total} <steps>"


def test_an_excerpt_is_taken_from_the_source_without_its_indent():
    code = excerpt((example, "for step", "total += step"), (example, "return", "return"))
    assert code.text == ('for step in range(steps):\n    total += step  # a comment\nreturn f"{total} <steps>"')
    assert code.source.name == "test_excerpt.py"
    for part in (("while", "total"), ("total", "return"), ("return", "for step")):
        with pytest.raises(ValueError, match=r"excerpt: expected one line that begins with '\w+' and a later one"):
            excerpt((example, *part))


def plain(markup):
    return unescape(re.sub(r"</?span[^>]*>", "", markup))


@given(
    st.text(st.characters(codec="ascii"), max_size=60) | st.sampled_from(["for", "x = (1,", '"""a', "if a:\n  b\n c"])
)
def test_highlighting_keeps_every_character(code):
    code = code.replace("\r", "")
    assert plain(highlighted(code)) == code


def test_keywords_strings_comments_and_numbers_have_classes():
    found = re.findall(r'<span class="(\w)">(.*?)</span>', highlighted('for x in "<a>": y = 3e-3  # see\nprint(x)'))
    assert found == [("k", "for"), ("k", "in"), ("s", "&quot;&lt;a&gt;&quot;"), ("n", "3e-3"), ("c", "# see")]
