"""The page of a run: `index.html` beside its pictures, a single file that loads nothing from elsewhere.

page = Page(run)
page.save("samples.png", plot.image_grid, samples, columns=10)
page.write(title="A VAE", intro="...", results=results, sections=[Section("Samples", "...", "samples.png", "...")])
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np

from tinygen.io.files import replace
from tinygen.io.table import format_number
from tinygen.runs.run import Result, Run

if TYPE_CHECKING:  # matplotlib and Pillow are imported where a picture is written or measured
    from tinygen.plot import Picture

# -- the parts of a page -----------------------------------------------------------------------------------------------


class Panel(NamedTuple):
    """One of several pictures side by side: its file name, a description for readers who can't see it, a caption."""

    picture: str
    alt: str
    caption: str = ""


class Table(NamedTuple):
    """Column names, and rows with one cell per column; the first cell of a row is its heading."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | float]]


class Section(NamedTuple):
    """A heading, a text whose paragraphs are separated by blank lines, and optionally pictures or a table.

    `picture` is a file name and `alt` describes it. `panels` are pictures side by side, each at least `min_width`
    pixels wide. `table` comes below the text.
    """

    heading: str
    text: str = ""
    picture: str = ""
    alt: str = ""
    panels: Sequence[Panel] = ()
    min_width: int = 150
    table: Table | None = None


class Page:
    """Writes the pictures of a run and its page. A picture that can't be written costs one line, never the run.

    The page leaves out missing pictures. Call `run.finish` first: pictures can be made again with --resume.
    """

    def __init__(self, run: Run):
        self.run = run
        self._missing: set[str] = set()

    def save(self, name: str, draw: "Callable[..., Picture]", *args: Any, **options: Any) -> None:
        """Write the picture `draw(*args, **options)` to the PNG file `name` in the folder of the run."""
        from tinygen import plot

        self._try(name, lambda path: plot.save(draw(*args, **options), path))

    def save_gif(self, name: str, frames: Sequence[np.ndarray], *, fps: float) -> None:
        """Write images (H, W, C) to the GIF file `name` at `fps` frames per second; the last frame stays longer."""
        from tinygen import plot

        self._try(name, lambda path: plot.save_gif(np.stack([*frames, *[frames[-1]] * 15]), path, fps=fps))

    def write(
        self, *, title: str, intro: str, results: Sequence[Result] = (), sections: Sequence[Section] = ()
    ) -> None:
        """Write `index.html` with the arguments of `write_page`, and print where it is."""
        present = [section for section in map(self._present, sections) if section.picture not in self._missing]

        def write(path: Path) -> None:
            write_page(path.parent, title=title, intro=intro, results=results, sections=present)

        if self._try("index.html", write):
            self.run.say(f"Now open {self.run.path('index.html')}")

    def _present(self, section: Section) -> Section:
        return section._replace(panels=[panel for panel in section.panels if panel.picture not in self._missing])

    def _try(self, name: str, write: Callable[[Path], Any]) -> bool:
        """Whether `write` could write this file; if not, a line is printed and nothing of that name is left."""
        path = self.run.path(name)
        try:
            write(path)
        except (OSError, MemoryError, ValueError) as error:
            with suppress(OSError):
                path.unlink()  # incomplete, or from an earlier run
            self._missing.add(name)
            self.run.say(f"{name} could not be written: {error}")
            return False
        return True


# -- HTML --------------------------------------------------------------------------------------------------------------


def write_page(
    folder: str | Path, *, title: str, intro: str, results: Sequence[Result] = (), sections: Sequence[Section] = ()
) -> Path:
    """Write `index.html` into `folder` and return its path: title, introduction, table of results, sections.

    Pictures are named relative to `folder`. Raises FileNotFoundError for a picture that does not exist, ValueError for
    one without `alt`.
    """
    folder = Path(folder)
    body = [f"<h1>{escape(title)}</h1>", _paragraphs(intro)]
    body += [_table(Table(Result._fields, [Result(*row) for row in results]))] if results else []
    body += [_section(folder, section) for section in sections]
    page = folder / "index.html"
    replace(page, _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(body)).encode())
    return page


def _section(folder: Path, section: Section) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>", _paragraphs(section.text)]
    if section.table:
        parts.append(_table(section.table))
    if section.picture:
        parts.append(_image(folder, section.heading, section.picture, section.alt))
    if section.panels:
        parts.append(_panels(folder, section))
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _image(folder: Path, heading: str, picture: str, alt: str) -> str:
    from PIL import Image

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


def _panels(folder: Path, section: Section) -> str:
    figures = []
    for panel in section.panels:
        image = _image(folder, section.heading, panel.picture, panel.alt)
        caption = f"<figcaption>{escape(panel.caption)}</figcaption>" if panel.caption else ""
        figures.append(f"<figure>{image}{caption}</figure>")
    return f'<div class="panels" style="--min-width: {section.min_width}px">\n' + "\n".join(figures) + "\n</div>"


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
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--min-width)), 1fr)); gap: 1rem; }
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
