"""Formulas become SVG while the site is built, with MathJax: the pages need no script and no font."""

import html
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import quickjax
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
INLINE = re.compile(r"\$`([^`\n]+)`\$")
FENCE = re.compile(r"^ *(`{3,}|~{3,})")
FAULT = re.compile(r'data-mml-node="merror"|data-mjx-error|fill="red"')
AFTER, BEFORE = re.compile(r"^[^\s\w(\[{]+(?:s\b)?"), re.compile(r"[(\[]+$")
GLYPH = re.compile(r'<path id="MJX-\d+-([^"]+)"([^>]*)/>')
USE = re.compile(r'xlink:href="#MJX-\d+-([^"]+)"')
NOTES = re.compile(r' (?:data-(?!c=)[\w-]+|xmlns(?::xlink)?|role|focusable)="[^"]*"')


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", read)
    app.connect("doctree-resolved", keep_together)
    app.add_html_math_renderer("svg", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the inline notation of code hosts into MyST's role."""
    if str(app.env.doc2path(docname)).endswith(".md"):
        source[0] = "".join(line if code else INLINE.sub(r"{math}`\1`", line) for line, code in lines(source[0]))


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line of a page, and whether it belongs to a fenced block."""
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = FENCE.match(line)
        yield line, bool(fence or mark)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and line.strip() == mark[1]:
            fence = ""


def keep_together(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Move the punctuation beside a formula into its element, so that no line begins or ends there."""
    for node in doctree.findall(nodes.math):
        place = node.parent.index(node)
        for name, at, mark in (("after", place + 1, AFTER), ("before", place - 1, BEFORE)):
            beside = node.parent[at] if 0 <= at < len(node.parent) else None
            if isinstance(beside, nodes.Text) and (found := mark.search(beside)):
                node[name] = found[0]
                node.parent[at] = nodes.Text(mark.sub("", beside))


@cache
def mathjax() -> quickjax.MathJaxRenderer:
    return quickjax.MathJaxRenderer()


@cache
def svg(tex: str, set_apart: bool) -> str:
    """The picture of a formula."""
    picture = mathjax().render(tex, display=set_apart)
    if FAULT.search(picture):
        LOG.warning("MathJax can't set the formula %r", tex)
    return NOTES.sub("", picture)


def shared(writer: Any, picture: str) -> str:
    """A formula whose letters are drawn once per page: later formulas refer to them."""
    known = writer.__dict__.setdefault("glyphs", set())

    def once(match: re.Match[str]) -> str:
        if match[1] in known:
            return ""
        known.add(match[1])
        return f'<path id="tex-{match[1]}"{match[2]}/>'

    return USE.sub(r'href="#tex-\1"', GLYPH.sub(once, picture)).replace("<defs></defs>", "")


def markup(writer: Any, node: nodes.Node, set_apart: bool) -> str:
    tex = node.astext().strip()
    before, after = (html.escape(node.get(name, "")) for name in ("before", "after"))
    tag, label = ("div" if set_apart else "span"), html.escape(tex, quote=True)
    attributes = ' tabindex="0"' if set_apart else ""  # a wide formula is scrolled with the keyboard too
    picture = shared(writer, svg(tex, set_apart)).replace("<svg ", '<svg aria-hidden="true" ', 1)
    formula = f'<{tag} class="math" role="math" aria-label="{label}"{attributes}>{picture}</{tag}>'
    return f'<span class="together">{before}{formula}{after}</span>' if before or after else formula


def inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(markup(writer, node, False))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(markup(writer, node, True))
    raise nodes.SkipNode
