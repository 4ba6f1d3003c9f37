"""The figures of documentation: which image on a page is made by which block of Python, and by which version of it."""

import ast
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from helpers.pages import BLOCK
from helpers.paths import ROOT

IMAGES = ROOT / "docs" / "images"
COMMAND = "python tools/draw_docs.py"
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LESSON = re.compile(r"\]\([^)]*examples/[\w/]+\.py\)")
STAMP = re.compile(rb"tinygen figure ([0-9a-f]{16})")


class Image(NamedTuple):
    """An image on a page: the line, what it shows in words, its file, and the block above that makes it (or "")."""

    line: int
    alt: str
    path: Path
    code: str
    paragraph: str


def images(page: Path) -> list[Image]:
    """The images on a page that are files of this repository."""
    text = page.read_text(encoding="utf-8")
    codes = {match.end(): match[1] for match in BLOCK.finditer(text)}
    found = []
    for match in IMAGE.finditer(text):
        if match[2].startswith(("http:", "https:")):
            continue
        before = text[: match.start()]
        code = codes.get(len(before.rstrip("\n")), "")
        paragraph = before.rpartition("\n\n")[2] + text[match.start() :].partition("\n\n")[0]
        path = (page.parent / match[2]).resolve()
        found.append(Image(before.count("\n") + 1, match[1], path, code, paragraph))
    return found


def shown(code: str) -> str:
    """The name of the figure that a block ends with, `plot.show(figure, name="...")`; "" if it ends otherwise."""
    *_, last = ast.parse(code).body or [None]
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)):
        return ""
    call = last.value
    names = [word.value.value for word in call.keywords if word.arg == "name" and isinstance(word.value, ast.Constant)]
    return str(names[0]) if ast.unparse(call.func) == "plot.show" and names else ""


def stamp(code: str) -> bytes:
    """What is added to the file of a figure, to tell later whether its block has changed; spaces don't count."""
    return b"tinygen figure " + hashlib.sha256("".join(code.split()).encode()).hexdigest()[:16].encode()


def stamp_of(path: Path) -> bytes:
    """The stamp in a file; empty if it has none."""
    match = STAMP.search(path.read_bytes())
    return match[0] if match else b""
