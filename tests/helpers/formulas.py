"""The formulas of a page as a code host reads them: CommonMark first, then TeX.

There is one notation for the code host and the site. Inline: a dollar sign, a code span, a dollar sign, because a code
span protects TeX from Markdown. On its own: a fenced block with the language `math`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token


@dataclass(frozen=True)
class Formula:
    """A formula, whether it is set on its own, and the line of its paragraph."""

    tex: str
    display: bool
    line: int


def formulas(text: str) -> tuple[list[Formula], list[str]]:
    """The formulas of a page of Markdown, and one message for each thing that only looks like a formula."""
    found: list[Formula] = []
    wrong: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "fence" and token.info.split()[:1] == ["math"]:
            found.append(Formula(token.content.strip(), True, line))
        elif token.type == "code_block" and "$" in token.content:
            wrong.append(f"line {line}: a formula in an indented block: {token.content.strip()[:50]}")
        elif token.type == "inline":
            inline, rest = _inline(token.children or [])
            found += [Formula(tex, False, line) for tex in inline]
            wrong += [f"line {line}: a dollar sign outside a formula: {part[:50]!r}" for part in rest if "$" in part]
            wrong += [f"line {line}: a formula in two lines: {part}" for part in _broken(token.content, inline)]
    return found, wrong


def _inline(tokens: list[Token]) -> tuple[list[str], list[str]]:
    """The formulas of a paragraph, and the texts around them without their dollar signs."""
    texts = [token.content if token.type == "text" else "" for token in tokens]
    found = []
    for place in _places(tokens):
        texts[place - 1], texts[place + 1] = texts[place - 1][:-1], texts[place + 1][1:]
        found.append(tokens[place].content)
    return found, texts


def _places(tokens: list[Token]) -> Iterator[int]:
    """Where a code span is between dollar signs."""
    for place, token in enumerate(tokens[1:-1], 1):
        before, after = tokens[place - 1], tokens[place + 1]
        if token.type == "code_inline" and before.content.endswith("$") and after.content.startswith("$"):
            yield place


def _broken(source: str, inline: list[str]) -> list[str]:
    """The formulas that contain a line break in the source."""
    return [tex for tex in inline if f"$`{tex}`$" not in source]
