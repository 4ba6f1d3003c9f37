"""Excerpts of source code for pages: the lines that ran, taken from the file, so that they can't become out of date."""

import inspect
import io
import keyword
import textwrap
import tokenize
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import NamedTuple


class Code(NamedTuple):
    """Lines of Python, and the file that contains them."""

    text: str
    source: Path


def excerpt(*parts: tuple[Callable, str, str]) -> Code:
    """Lines of the sources of functions, one part below the other.

    Each part is (function, beginning, end): from the line that begins with the first text to the next line that begins
    with the second. Raises ValueError unless each beginning is found exactly once and each end in it or after it.
    """
    found = []
    for function, beginning, end in parts:
        lines = [line.rstrip() for line in inspect.getsource(function).splitlines()]
        firsts = [i for i, line in enumerate(lines) if line.strip().startswith(beginning)]
        lasts = [i for i in range(firsts[0], len(lines)) if lines[i].strip().startswith(end)] if firsts else []
        if len(firsts) != 1 or not lasts:
            what = f"one line that begins with {beginning!r} and a later one with {end!r}"
            raise ValueError(f"excerpt: expected {what} in {function.__name__}, got {len(firsts)} and {len(lasts)}")
        found.append(textwrap.dedent("\n".join(lines[firsts[0] : lasts[0] + 1])))
    return Code("\n".join(found), Path(inspect.getsourcefile(parts[0][0]) or ""))


def highlighted(code: str) -> str:
    """Python as HTML with a class for keywords (k), strings (s), comments (c) and numbers (n)."""
    lines, starts, done, end = code.splitlines(keepends=True), [0], [], 0
    for line in lines:
        starts.append(starts[-1] + len(line))
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            kind = _class(token)
            first, last = (starts[row - 1] + column for row, column in (token.start, token.end))
            if kind:
                done += [escape(code[end:first]), f'<span class="{kind}">{escape(code[first:last])}</span>']
                end = last
    except (tokenize.TokenError, SyntaxError, IndexError):  # an excerpt may stop in the middle of a statement
        pass
    return "".join(done) + escape(code[end:])


def _class(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME:
        return "k" if keyword.iskeyword(token.string) else ""
    if tokenize.tok_name[token.type].startswith("FSTRING"):
        return "s"
    return {tokenize.STRING: "s", tokenize.COMMENT: "c", tokenize.NUMBER: "n"}.get(token.type, "")
