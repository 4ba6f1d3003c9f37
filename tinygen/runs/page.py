"""The page that shows a run: one `index.html` beside its pictures, with nothing to load from anywhere else."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
from PIL import Image

from tinygen import plot
from tinygen.io.files import replace
from tinygen.io.progress import digits
from tinygen.runs.run import Result, Run


class Shown(NamedTuple):
    """A picture of several that stand side by side: its file name, what it shows, and a caption."""

    picture: str
    alt: str
    caption: str = ""


class Table(NamedTuple):
    """The names of the columns, and rows of as many cells; the first cell names its row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | float]]


class Section(NamedTuple):
    """A heading, a text (a blank line parts paragraphs), and perhaps a picture: its file name, and what it shows.

    Or several pictures side by side, as many as the screen has room for if each gets `least` pixels; or a table.
    """

    heading: str
    text: str = ""
    picture: str = ""
    alt: str = ""
    beside: Sequence[Shown] = ()
    least: int = 150
    table: Table | None = None


class Report:
    """The pictures of a run and its page. One that can't be drawn or written costs a line, never the run.

    The page leaves out what is missing. Call `run.finish` before: a picture can be made again, with --resume.
    """

    def __init__(self, run: Run):
        self.run, self._missing = run, set()

    def save(self, name: str, draw: Callable[..., plot.Picture], *args: Any, **options: Any) -> None:
        """Write the picture `draw(*args, **options)` as PNG."""
        self._try(name, lambda path: plot.save(draw(*args, **options), path))

    def save_gif(self, name: str, frames: Sequence[np.ndarray], *, fps: float) -> None:
        """Write a film as GIF; its last frame stays for a while, so that it can be looked at."""
        self._try(name, lambda path: plot.save_gif(np.stack([*frames, *[frames[-1]] * 15]), path, fps=fps))

    def page(self, *, sections: Sequence[Section], **about: Any) -> None:
        """Write `index.html` as `write_page` does, and say where it is."""
        there = [section for section in map(self._present, sections) if section.picture not in self._missing]
        if self._try("index.html", lambda path: write_page(path.parent, sections=there, **about)):
            self.run.say(f"Now open {self.run.path('index.html')}")

    def _present(self, section: Section) -> Section:
        return section._replace(beside=[shown for shown in section.beside if shown.picture not in self._missing])

    def _try(self, name: str, write: Callable[[Path], Any]) -> bool:
        path = self.run.path(name)
        try:
            write(path)
        except (OSError, MemoryError, ValueError) as error:
            with suppress(OSError):
                path.unlink()  # the rest of it, or an older one
            self._missing.add(name)
            self.run.say(f"{name} could not be made: {error}")
            return False
        return True


def write_page(
    folder: str | Path, *, title: str, intro: str, results: Sequence[Result] = (), sections: Sequence[Section] = ()
) -> Path:
    """Write `index.html` into the folder of a run and return its path.

    Pictures are named relative to the folder, and must exist by now and say in `alt` what they show.
    """
    folder = Path(folder)
    body = [f"<h1>{escape(title)}</h1>", _paragraphs(intro)]
    body += [_table(Table(Result._fields, [Result(*row) for row in results]))] if results else []
    body += [_section(folder, Section(*section)) for section in sections]
    page = folder / "index.html"
    replace(page, _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(body)).encode())
    return page


def _section(folder: Path, section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>", _paragraphs(section.text)]
    if section.table:
        parts.append(_table(Table(*section.table)))
    if section.picture:
        parts.append(_image(folder, section.heading, section.picture, section.alt))
    if section.beside:
        parts.append(_beside(folder, section))
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _image(folder: Path, heading: str, picture: str, alt: str) -> str:
    path = folder / picture
    if not path.is_file():
        raise FileNotFoundError(f"write_page: section {heading!r} shows {path}, which does not exist")
    if not alt:
        raise ValueError(f"write_page: {picture} needs an `alt`, for readers who cannot see it")
    with Image.open(path) as image:
        width, height = image.size  # so that the page does not jump while pictures load
    source = quote(picture)
    image = f'<img src="{source}" alt="{escape(alt)}" width="{width}" height="{height}" loading="lazy">'
    return f'<a href="{source}">{image}</a>'  # on a phone, a tap shows it in full size


def _beside(folder: Path, section: Section) -> str:
    figures = []
    for shown in (Shown(*each) for each in section.beside):
        image = _image(folder, section.heading, shown.picture, shown.alt)
        caption = f"<figcaption>{escape(shown.caption)}</figcaption>" if shown.caption else ""
        figures.append(f"<figure>{image}{caption}</figure>")
    return f'<div class="beside" style="--least: {section.least}px">\n' + "\n".join(figures) + "\n</div>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name.capitalize())}</th>' for name in table.head)
    rows = []
    for row in table.rows:
        name, *cells = (escape(digits(cell)) for cell in row)
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
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #222222; --faint: #6b6b6b; --line: #dddddd; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --ink: #e6e6e6; --faint: #a0a4ab; --line: #34383f; }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 .5rem; }
p { margin: 0 0 1rem; max-width: 42rem; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--least)), 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { color: var(--faint); font-size: .875rem; margin-top: .35rem; }
img { display: block; max-width: 100%; height: auto; border-radius: .5rem; background: #ffffff; }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--faint); font-size: .875rem; font-weight: normal; }
tbody th { font-weight: 600; }
@media (max-width: 40rem) {
  thead { position: absolute; clip-path: inset(50%); }
  tr, tbody th, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .6rem 0; }
  tbody th, td { border: 0; padding: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-title) " "; color: var(--faint); }
}
"""
