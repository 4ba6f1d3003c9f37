"""The pages of documentation: which there are, and the Python code on them."""

import re
from doctest import DocTestParser
from pathlib import Path

from helpers.paths import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Each block of Python on a page, with the number of lines before it."""
    text = page.read_text(encoding="utf-8")
    return [(text[: match.start(1)].count("\n"), match[1]) for match in BLOCK.finditer(text)]


def is_session(code: str) -> bool:
    """Whether a block shows an interactive session, with `>>>` and printed results."""
    return code.lstrip().startswith(">>>")


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
