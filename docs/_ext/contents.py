"""The table of contents of the site, from the front page: lessons and exercises, then its numbered list."""

import re
from typing import Any

from sphinx.application import Sphinx

ITEM = re.compile(r"^\d+\. \[[^\]]+\]\(([\w/]+)\.md\)", re.MULTILINE)
LEARN = ["lessons/index", "exercises"]
REST = {
    "Look up": ["reference/index", "glossary", "architecture"],
    "Project": ["Readme <project/readme>", "project/contributing", "project/security", "project/changelog"],
}


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == "index":
        pages = [page for page in ITEM.findall(source[0]) if page not in LEARN]
        groups = {"Learn": LEARN, "Read": pages, **REST}
        source[0] += "".join(toctree(app, caption, pages) for caption, pages in groups.items())


def toctree(app: Sphinx, caption: str, pages: list[str]) -> str:
    return "\n\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(pages) + "\n```\n"
