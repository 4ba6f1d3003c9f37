"""The reading order of docs/backprop.md: every part is in it, the README and the package agree, its sizes are right."""

import ast
import re

import pytest
from helpers.architecture import HEIGHT
from helpers.pages import blocks
from helpers.paths import ROOT

PAGE = ROOT / "docs" / "backprop.md"
LESSON = ROOT / "examples" / "backprop" / "engine_in_40_lines.py"
ROW = re.compile(r"^\| \[`[\w/]+\.py`\]\(\.\./([\w/]+\.py)\) \| (all|(?:to )?`[^`]+`) \| (\d+) \|", re.MULTILINE)


def parts_in(text):
    """The parts of the package, in the order in which a text first links to them or their files."""
    return list(dict.fromkeys(re.findall(r"\]\((?:\.\./)?tinygen/(\w+)", text)))


def the_rest():
    return PAGE.read_text(encoding="utf-8").partition("**The rest**")[2]


def test_every_part_is_in_the_reading_order():
    assert set(parts_in(the_rest())) == HEIGHT.keys() - {"__main__"}


def test_the_readme_has_the_same_order():
    assert parts_in((ROOT / "README.md").read_text(encoding="utf-8")) == parts_in(the_rest())


def test_the_docstring_of_the_package_has_the_same_order():
    text = ast.get_docstring(ast.parse((ROOT / "tinygen" / "__init__.py").read_text(encoding="utf-8"))) or ""
    order = text.partition("Reading order:")[2].partition(".")[0]
    named = [word for word in re.findall(r"\w+", re.sub(r"\(.*?\)", "", order, flags=re.DOTALL)) if word in HEIGHT]
    assert len(named) >= 7 and sorted(named, key=parts_in(the_rest()).index) == named


def test_the_index_of_the_pages_has_the_same_order():
    index = re.findall(
        r"^\d+\. \[[^\]]+\]\((\w+)\.md\)", (PAGE.with_name("index.md")).read_text(encoding="utf-8"), re.M
    )
    named = re.findall(r"\((\w+)\.md\)", the_rest().partition("[Architecture]")[0])
    assert index[0] == "backprop" and len(named) >= 10
    assert [page for page in index if page in named] == named


def code_lines(path):
    """The numbers of the lines of a file that contain code: not docstrings, comments and blank lines."""
    text = (ROOT / path).read_text(encoding="utf-8")
    texts = [
        node.body[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
    ]
    docstrings = {line for node in texts for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    code = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")}
    return code - docstrings


def size_of(path, part):
    """How many lines of code a file has, up to a banner, or between a banner and the next."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    starts = {m[1]: i for i, line in enumerate(lines, 1) if (m := re.fullmatch(r" *# -- (.+?) -+", line))}
    first, last = 1, len(lines)
    if part.startswith("to "):
        last = starts[part[3:].strip("`")]
    elif part != "all":
        first = starts[part.strip("`")]
        last = min([i for i in starts.values() if i > first], default=last)
    return sum(first <= i <= last for i in code_lines(path))


def test_the_first_day_has_the_stated_number_of_lines():
    text = PAGE.read_text(encoding="utf-8")
    rows = ROW.findall(text.partition("**The first day**")[2].partition("**The rest**")[0])
    assert len(rows) >= 6
    sizes = {(path, part): size_of(path, part) for path, part, _ in rows}
    assert sizes == pytest.approx({(path, part): int(lines) for path, part, lines in rows}, rel=0.1, abs=6), (
        "correct the numbers in docs/backprop.md"
    )
    (total,) = re.findall(r"\*\*The first day\*\*, about (\d+) lines", text)
    assert sum(int(lines) for _, _, lines in rows) == pytest.approx(int(total), abs=10)


def test_the_page_and_the_lesson_have_the_same_engine_of_40_lines():
    (code,) = [code for _, code in blocks(PAGE) if "class Tensor" in code]
    engine = code[code.index("class Tensor") :].strip()
    assert engine in LESSON.read_text(encoding="utf-8")
    assert len([line for line in code.splitlines() if line]) <= 40


def test_what_the_page_names_in_a_file_is_in_that_file():
    """In `[`grad.py`](../tinygen/grad.py): `reachable`, `_between`` these two are functions of that file."""
    table = PAGE.read_text(encoding="utf-8").partition("## From the 40 lines")[2].partition("\n## ")[0]
    named = re.findall(r"\]\(\.\./([\w/]+\.py)\): (`\w+`(?:, `\w+`)*)", table)
    assert len(named) >= 7
    for path, names in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert [
            name for name in re.findall(r"\w+", names) if not re.search(rf"^(def|class) {name}\b", text, re.M)
        ] == []
