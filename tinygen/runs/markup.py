"""The HTML of a page: titles, tables, pictures, films, code with links to its source; one file that loads nothing."""

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote

from tinygen.io.files import real, replace
from tinygen.io.table import format_number
from tinygen.runs.excerpt import Code, highlighted
from tinygen.runs.run import Result

if TYPE_CHECKING:  # matplotlib and Pillow are imported where a picture is written or measured
    from tinygen.plot.html import Fragment

# -- the parts of a page -----------------------------------------------------------------------------------------------


class Interactive(Protocol):
    """A film or an explorer of `tinygen.plot`."""

    def fragment(self, alt: str = ..., /) -> "Fragment":
        """Its HTML."""
        ...


class Panel(NamedTuple):
    """One of several pictures side by side: its file name, a description for readers who can't see it, a caption."""

    picture: str
    alt: str
    caption: str = ""


class Table(NamedTuple):
    """Column names, and rows with one cell per column; the first cell of a row is its heading."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | float]]


class Link(NamedTuple):
    """A text, and the file that it links to; the page leaves out links to files that don't exist."""

    text: str
    file: Path


class Section(NamedTuple):
    """A heading, a text whose paragraphs are separated by blank lines, and optionally pictures, a table, code, links.

    `picture` is a file name and `alt` describes it. `panels` are pictures side by side, each at least `min_width`
    pixels wide. `table` comes below the text. `code` is shown beside the picture, with a link to its file; `commands`
    are for the reader to try, `links` for reading on.
    """

    heading: str
    text: str = ""
    picture: str = ""
    alt: str = ""
    panels: Sequence[Panel] = ()
    min_width: int = 150
    table: Table | None = None
    code: Code | None = None
    commands: Sequence[str] = ()
    links: Sequence[Link] = ()


# -- HTML --------------------------------------------------------------------------------------------------------------


def write_page(
    folder: str | Path,
    *,
    title: str,
    intro: str,
    results: Sequence[Result] = (),
    sections: Sequence[Section] = (),
    interactive: Mapping[str, Interactive] | None = None,
) -> Path:
    """Write `index.html` into `folder` and return its path: title, introduction, table of results, sections.

    Pictures are named relative to `folder`; `interactive` maps names that end in .html to films and explorers, which
    become part of the page. Raises FileNotFoundError for a picture that does not exist, ValueError for one without
    `alt`.
    """
    page = _Writer(Path(folder), interactive or {})
    body = [f"<h1>{escape(title)}</h1>", f'<div class="intro">{_paragraphs(intro)}</div>']
    body += [_table(Table(Result._fields, [Result(*row) for row in results]))] if results else []
    body += [page.section(section) for section in sections]
    wide = any(section.code for section in sections)
    text = _PAGE.format(
        title=escape(title),
        style=page.style() + _STYLE,
        kind=' class="wide"' if wide else "",
        body="\n".join(body),
        script=page.script(),
    )
    path = Path(folder) / "index.html"
    replace(path, text.encode())
    return path


class _Writer:
    """Writes sections, and collects the styles and scripts of what is interactive in them."""

    def __init__(self, folder: Path, interactive: Mapping[str, Interactive]):
        self.folder, self.interactive = folder, interactive
        self.fragments: list[Fragment] = []

    def style(self) -> str:
        return "".join(dict.fromkeys(fragment.style for fragment in self.fragments))

    def script(self) -> str:
        script = "".join(dict.fromkeys(fragment.script for fragment in self.fragments))
        return f"<script>{script}</script>" if script else ""

    def section(self, section: Section) -> str:
        parts = [f"<h2>{escape(section.heading)}</h2>", _paragraphs(section.text)]
        if section.table:
            parts.append(_table(section.table))
        if section.picture:
            parts.append(self.picture(section.heading, section.picture, section.alt))
        if section.panels:
            parts.append(self.panels(section))
        beside = self.code(section)
        if beside:
            parts = ['<div class="shown">', *parts, "</div>", '<div class="beside">', *beside, "</div>"]
        anchor = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-")
        kind = ' class="split"' if beside else ""
        return f'<section id="{anchor}"{kind}>\n' + "\n".join(parts) + "\n</section>"

    def picture(self, heading: str, picture: str, alt: str) -> str:
        if not alt:
            raise ValueError(f"write_page: {picture} needs an `alt`, for readers who cannot see it")
        if picture in self.interactive:
            self.fragments.append(self.interactive[picture].fragment(alt))
            return self.fragments[-1].html
        return _image(self.folder, heading, picture, alt)

    def panels(self, section: Section) -> str:
        figures = []
        for panel in section.panels:
            image = self.picture(section.heading, panel.picture, panel.alt)
            caption = f"<figcaption>{escape(panel.caption)}</figcaption>" if panel.caption else ""
            figures.append(f"<figure>{image}{caption}</figure>")
        return f'<div class="panels" style="--min-width: {section.min_width}px">\n' + "\n".join(figures) + "\n</div>"

    def code(self, section: Section) -> list[str]:
        parts = []
        if section.code:
            name = self.link(Link(section.code.source.name, section.code.source)) or escape(section.code.source.name)
            parts.append(f'<p class="file">{name}</p>')
            parts.append(f'<pre tabindex="0"><code>{highlighted(section.code.text)}</code></pre>')
        if section.commands:
            lines = "\n".join(f'<span class="prompt">$ </span>{escape(command)}' for command in section.commands)
            parts.append(f'<p class="file">Try next</p>\n<pre class="terminal" tabindex="0"><code>{lines}</code></pre>')
        links = list(filter(None, map(self.link, section.links)))
        if links:
            parts.append(f'<p class="links">Read on: {", ".join(links)}</p>')
        return parts

    def link(self, link: Link) -> str:
        """The link as HTML, relative to the page; "" if the file doesn't exist."""
        if not link.file.is_file():
            return ""
        try:
            relative = os.path.relpath(real(link.file), real(self.folder))
        except ValueError:  # on another drive of Windows
            return ""
        return f'<a href="{quote(Path(relative).as_posix())}">{escape(link.text)}</a>'


def _image(folder: Path, heading: str, picture: str, alt: str) -> str:
    from PIL import Image

    path = folder / picture
    if not path.is_file():
        raise FileNotFoundError(f"write_page: section {heading!r} shows {path}, which does not exist")
    with Image.open(path) as image:
        width, height = image.size  # so that the page does not jump while pictures load
    source = quote(picture)
    image = f'<img src="{source}" alt="{escape(alt)}" width="{width}" height="{height}" loading="lazy">'
    return f'<a href="{source}">{image}</a>'  # on a phone, a tap shows it in full size


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name.capitalize())}</th>' for name in table.head)
    rows = []
    for row in table.rows:
        name, *cells = (escape(format_number(cell)) for cell in row)
        titled = (f'<td data-title="{escape(title)}">{cell}</td>' for title, cell in zip(table.head[1:], cells))
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(titled)}</tr>')
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


def _paragraphs(text: str) -> str:
    return "\n".join(f"<p>{escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main{kind}>
{body}
</main>
{script}
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #222222; --faint: #5f6368; --line: #dddddd;
  --accent: #3b55b5; --on-accent: #ffffff; --paper: #f5f6f8; --keyword: #8a1f7a; --text: #0b6e4f; --number: #9a4a00; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --ink: #e6e6e6; --faint: #a0a4ab; --line: #34383f;
    --accent: #a9bdf2; --on-accent: #16181c; --paper: #1f2228; --keyword: #e79bdc; --text: #8ed9b6; --number: #f0b274; }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
main.wide { max-width: 74rem; padding: 3rem 1.5rem 6rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
.wide h1 { font-size: clamp(1.9rem, 5vw, 2.8rem); letter-spacing: -.02em; }
.wide .intro { font-size: 1.15rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .5rem; }
.wide h2 { font-size: 1.5rem; margin-top: 4rem; letter-spacing: -.01em; }
p { margin: 0 0 1rem; max-width: 42rem; }
a { color: var(--accent); text-underline-offset: .15em; }
.split { display: grid; gap: 1.4rem 3rem; }
@media (min-width: 64rem) {
  .split { grid-template-columns: minmax(0, 9fr) minmax(0, 10fr); align-items: start; }
  .beside { margin-top: 4rem; }
}
.shown, .beside { min-width: 0; }
.beside .file { margin: 1.2rem 0 .3rem; color: var(--faint); font-size: .875rem; }
.beside .file:first-child { margin-top: 0; }
.links { color: var(--faint); font-size: .9375rem; }
pre { margin: 0 0 1rem; padding: .9rem 1rem; overflow-x: auto; border-radius: .5rem; background: var(--paper);
  font: .78rem/1.65 ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; tab-size: 4; }
pre code { font: inherit; }
pre:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .25rem; }
.k { color: var(--keyword); }
.s { color: var(--text); }
.n { color: var(--number); }
.c, .prompt { color: var(--faint); }
.prompt { user-select: none; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--min-width)), 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { color: var(--faint); font-size: .875rem; margin-top: .35rem; }
img { display: block; max-width: 100%; height: auto; border-radius: .5rem; background: #ffffff; }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--faint); font-size: .875rem; font-weight: normal; }
tbody th { font-weight: 600; }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr, tbody th, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .6rem 0; }
  tbody th, td { border: 0; padding: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-title) " "; color: var(--faint); }
}
"""
