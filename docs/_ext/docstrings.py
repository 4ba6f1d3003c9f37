"""Docstrings are written to be read in the source; here they become reStructuredText for the reference."""

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from _ext.sources import ROOT, page_of

SECTION = re.compile(r"^(Args|Arguments|Attributes|Returns|Yields|Raises|Example|Examples|Note):$")
CODE = re.compile(r"(`+[^`]+`+)")
MARKS = re.compile(r"([*|]|_(?=\W|$))")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon reads the sections
    app.connect("autodoc-skip-member", without_fields)
    app.connect("missing-reference", short_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def without_fields(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the fields of named tuples: the docstring of the class explains them."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = converted(lines)


def converted(lines: list[str]) -> list[str]:
    """The lines of a docstring: indented blocks become literal, and marks that only mean themselves are escaped."""
    result: list[str] = []
    section = literal = example = False
    for line in lines:
        blank, indented = not line.strip(), line.startswith("    ")
        example = not blank and (example or line.lstrip().startswith(">>>"))
        if not blank and not indented:
            section, literal = bool(SECTION.match(line)), False
        elif indented and not section and not literal and not example and (not result or not result[-1].strip()):
            result += ["::", ""]
            literal = True
        result.append(line if example or literal or (section and not indented) else escaped(line))
    return result


def escaped(line: str) -> str:
    """A line of text in which `*`, `|` and a final `_` mean themselves; code between backticks stays as it is."""
    return "".join(part if part.startswith("`") else MARKS.sub(r"\\\1", part) for part in CODE.split(line))


def short_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Node | None:
    """A name in a docstring leads to its entry if only one entry has this name."""
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    domain, target = env.domains["py"], node["reftarget"].removeprefix("tg.").removesuffix("()")
    path = ROOT / target
    if "/" in target and path.exists():
        return nodes.reference(
            "", "", content, internal=True, refuri=app.builder.get_relative_uri(node["refdoc"], page_of(path))
        )
    if not re.fullmatch(r"[A-Za-z_][\w.]*", target):
        return None
    found = [name for name in domain.data["objects"] if name == target or name.endswith(f".{target}")]
    if len(found) != 1:
        return None
    entry = domain.data["objects"][found[0]]
    uri = app.builder.get_relative_uri(node["refdoc"], entry.docname) + f"#{entry.node_id}"
    return nodes.reference("", "", content, internal=True, refuri=uri)
