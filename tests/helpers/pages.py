"""The pages of documentation: which there are, and the Python code on them."""

import importlib.util
import re
from doctest import ELLIPSIS, DocTestParser, DocTestRunner
from pathlib import Path
from typing import Any

from helpers.paths import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Each block of Python on a page, with the number of lines before it."""
    text = page.read_text(encoding="utf-8")
    return [(text[: match.start(1)].count("\n"), match[1]) for match in BLOCK.finditer(text)]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(prose(page))}


def is_session(code: str) -> bool:
    """Whether a block shows an interactive session, with `>>>` and printed results."""
    return code.lstrip().startswith(">>>")


def run(page: Path) -> None:
    """Run all blocks of a page in order, with common variables; AssertionError if a session prints something else.

    A block that imports scikit-learn, an optional extra, is left out where that isn't installed.
    """
    optional = importlib.util.find_spec("sklearn") is None
    names: dict[str, Any] = {"__name__": page.stem}
    for number, (line, code) in enumerate(blocks(page)):
        if optional and "from sklearn" in code:
            continue
        if is_session(code):
            test = DocTestParser().get_doctest(code, names, f"{page.name} block {number}", page.name, line)
            runner = DocTestRunner(optionflags=ELLIPSIS)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0, f"{page.name} line {line}: a printed result differs, see the output"
            names.update(test.globs)
        else:
            exec(compile("\n" * line + code, str(page), "exec"), names)


def code_of(page: Path) -> str:
    """All Python code of a page as one file, each line at its number on the page; empty if there is none."""
    lines: list[str] = []
    for start, code in blocks(page):
        parts = [(0, code)]
        if is_session(code):
            parts = [(example.lineno, example.source) for example in DocTestParser().get_examples(code)]
        for offset, source in parts:
            lines += [""] * (start + offset - len(lines)) + source.splitlines()
    return "".join(f"{line}\n" for line in lines)
