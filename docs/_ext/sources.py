"""Pages of the site for the source files of the project, and links to them from everywhere."""

import ast
import os
import posixpath
import re
from collections.abc import Iterator
from html import escape
from itertools import takewhile
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx.application import Sphinx

from _ext.formulas import lines
from tinygen.lessons import CHAPTERS

ROOT = Path(__file__).parents[2]
SCHEME = "source:"
LINK = re.compile(r"(\]\()((?!\w+:|#)[^)\s#]*)(#[^)\s]*)?(\))")
PROJECT = {"README": "readme", "CHANGELOG": "changelog", "CONTRIBUTING": "contributing", "SECURITY": "security"}
PACKAGE = ("tinygen", "examples", "tests", "tools")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", copy_project_pages)
    app.connect("source-read", read, priority=400)
    app.connect("doctree-resolved", resolve)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# -- the pages at the root of the project, such as the changelog -------------------------------------------------------


def copy_project_pages(app: Sphinx) -> None:
    """Copy README.md and its kin to docs/project/, which is not kept in version control."""
    folder = Path(app.srcdir) / "project"
    folder.mkdir(exist_ok=True)
    for name, page in PROJECT.items():
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        target = folder / f"{page}.md"
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def origin(app: Sphinx, docname: str) -> Path:
    """The folder from which a page's relative links start."""
    folder, _, _ = docname.rpartition("/")
    if folder == "project":
        return ROOT
    if folder.startswith("lessons"):
        return ROOT / "examples" / folder.removeprefix("lessons").strip("/")
    return Path(app.srcdir) / folder


# -- links -------------------------------------------------------------------------------------------------------------


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Point the links of a Markdown page at pages of the site."""
    if str(app.env.doc2path(docname)).endswith(".md"):
        folder = origin(app, docname)
        here = Path(app.srcdir) / posixpath.dirname(docname)

        def pointed(match: re.Match[str]) -> str:
            target = (folder / match[2]).resolve()
            return match[1] + address(app, here, target, match[2]) + (match[3] or "") + match[4]

        source[0] = "".join(line if code else LINK.sub(pointed, line) for line, code in lines(source[0]))


def address(app: Sphinx, here: Path, target: Path, written: str) -> str:
    """What a link to a file becomes: a page of the site, a picture, or the page of a source file."""
    docs = Path(app.srcdir)
    if lesson := lesson_page(target):
        return os.path.relpath(docs / f"{lesson}.rst", here)
    if target.parent == ROOT and target.stem in PROJECT:
        target = docs / "project" / f"{PROJECT[target.stem]}.md"
    if target.is_relative_to(docs) and (target.suffix in (".md", ".rst", ".png", ".svg", ".gif")):
        return os.path.relpath(target, here)
    if target == docs:
        return os.path.relpath(docs / "index.md", here)
    if target.is_relative_to(ROOT) and target.exists() and written:
        return SCHEME + str(target.relative_to(ROOT))
    return written


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Point links to source files at their pages."""
    for node in doctree.findall(nodes.reference):
        target, _, anchor = node.get("refuri", "").partition("#")
        if node.get("internal") or not target or (":" in target and not target.startswith(SCHEME)):
            continue
        if target.startswith(SCHEME):
            path = ROOT / target.removeprefix(SCHEME)
        else:
            path = (origin(app, docname) / target).resolve()
        if path.is_relative_to(ROOT) and path.exists():
            page = lesson_page(path) or markdown_page(path) or page_of(path)
            node["refuri"] = app.builder.get_relative_uri(docname, page) + (f"#{anchor}" if anchor else "")
            node["internal"] = True


def lesson_page(path: Path) -> str:
    """The page of a lesson, of a chapter or of all lessons; empty for any other path."""
    if path == ROOT / "examples" / "README.md":  # on the site, the index of the gallery
        return "lessons/index"
    parts = path.relative_to(ROOT / "examples").parts if path.is_relative_to(ROOT / "examples") else None
    if parts is None or (parts and parts[0] not in CHAPTERS) or path.suffix not in ("", ".py"):
        return ""
    return "/".join(("lessons", *parts)).removesuffix(".py") if path.suffix else "/".join(("lessons", *parts, "index"))


def markdown_page(path: Path) -> str:
    """The page of a file in docs/; empty for any other path."""
    docs = ROOT / "docs"
    return str(path.relative_to(docs).with_suffix("")) if path.suffix == ".md" and path.is_relative_to(docs) else ""


def page_of(path: Path) -> str:
    """The page of a file or folder of the project."""
    name = "" if path == ROOT else f"/{path.relative_to(ROOT)}"
    return f"source{name}/index" if path.is_dir() else f"source{name}"


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where the source of an entry of the reference is, for sphinx.ext.linkcode."""
    import importlib
    import inspect

    try:
        value: Any = importlib.import_module(info["module"])
        for part in info["fullname"].split("."):
            value = getattr(value, part)
        value = inspect.unwrap(value.fget if isinstance(value, property) else value)
        path = Path(inspect.getsourcefile(value) or "")
        line = inspect.getsourcelines(value)[1]
    except (AttributeError, TypeError, OSError, ModuleNotFoundError):
        return None
    return f"../{page_of(path)}.html#L{line}" if path.is_relative_to(ROOT) else None


# -- the pages of source files -----------------------------------------------------------------------------------------


def files() -> list[Path]:
    """The files that have a page: the code of the project, and what describes it."""
    code = [path for folder in PACKAGE for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".rst", ".txt")]
    others = [ROOT / name for name in ("setup.cfg", "pyproject.toml", ".ci/run", "CITATION.cff", "LICENSE")]
    return sorted(
        path for path in [*code, *others] if path.exists() and not path.is_relative_to(ROOT / "examples" / "runs")
    )


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    listed = files()
    for path in listed:
        yield page_of(path), context(path, code(path)), "page.html"
    for folder in sorted({parent for path in listed for parent in path.parents if parent.is_relative_to(ROOT)}):
        yield page_of(folder), context(folder, listing(folder, listed)), "page.html"


def context(path: Path, body: str) -> dict[str, Any]:
    name = "." if path == ROOT else str(path.relative_to(ROOT))
    parts = Path(name).parts
    up = [escape(parts[-1])] if parts else ["the project"]
    for depth, part in enumerate(reversed(parts[:-1]), 1 if path.is_dir() else 0):
        link = "../" * depth + "index.html" if depth else "index.html"
        up.insert(0, f'<a href="{link}">{escape(part)}</a>')
    return {"title": name, "body": f'<div class="source-page"><h1>{" / ".join(up)}</h1>{body}</div>'}


def code(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    try:
        lexer = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = TextLexer()
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True)
    formatter.lineanchors = "L"
    found = highlight(text, lexer, formatter)
    return re.sub(r'(id|name|href)="(#?)L-(\d+)"', r'\1="\2L\3"', found)


def listing(folder: Path, listed: list[Path]) -> str:
    inside = sorted({folder / path.relative_to(folder).parts[0] for path in listed if path.is_relative_to(folder)})
    rows = []
    for path in inside:
        link = f"{path.name}/index.html" if path.is_dir() else f"{path.name}.html"
        purpose = escape(sentence(path / "__init__.py" if path.is_dir() else path))
        rows.append(f'<tr><td><a href="{link}"><code>{escape(path.name)}</code></a></td><td>{purpose}</td></tr>')
    return f'<div class="table-wrapper"><table class="docutils">{"".join(rows)}</table></div>'


def sentence(path: Path) -> str:
    """The first sentence of a file's docstring."""
    if path.suffix != ".py" or not path.exists():
        return ""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first, stop, _ = " ".join(takewhile(str.strip, text.splitlines())).partition(". ")
    return first + stop.strip()
