"""The page of a run: `index.html` beside its pictures, a single file that loads nothing from elsewhere.

page = Page(run)
page.save("samples.png", plot.image_grid, samples, columns=10)
page.write(title="A VAE", intro="...", results=results, sections=[Section("Samples", "...", "samples.png", "...")])
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinygen.io.output import open_page
from tinygen.runs.markup import Code, Link, Panel, Section, Table, write_page
from tinygen.runs.run import Result, Run

__all__ = ["Code", "Link", "Page", "Panel", "Section", "Table", "write_page"]


class Page:
    """Writes the pictures of a run and its page. A picture that can't be written costs one line, never the run.

    The page leaves out missing pictures. Call `run.finish` first: pictures can be made again with `resume=True`.
    """

    def __init__(self, run: Run):
        self.run = run
        self._missing: set[str] = set()
        self._interactive: dict[str, Any] = {}  # films and explorers, by the names of their files

    def save(self, name: str, draw: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Write what `draw(*args, **options)` returns to the file `name` in the folder of the run.

        A picture becomes a PNG file, `page.save("loss.png", plot.loss_curves, losses)`. A film or an explorer becomes
        an HTML file, which the page contains too: `page.save("film.html", plot.film, frames, fps=8)`.
        """
        from tinygen import plot

        def write(path: Path) -> None:
            made = draw(*args, **options)
            if isinstance(made, plot.Picture):
                plot.save(made, path)
            else:
                made.save(path)
                self._interactive[name] = made

        self._try(name, write)

    def write(
        self, *, title: str, intro: str, results: Sequence[Result] = (), sections: Sequence[Section] = ()
    ) -> None:
        """Write `index.html` with the arguments of `write_page`, and print where it is."""
        present = [section for section in map(self._present, sections) if section.picture not in self._missing]
        content: dict[str, Any] = dict(title=title, intro=intro, results=results, sections=present)

        def write(path: Path) -> None:
            write_page(path.parent, **content, interactive=self._interactive)

        if self._try("index.html", write):
            self.run.say(f"Now open {self.run.path('index.html')}")

    def open(self) -> None:
        """Open the page in the browser, or print why not."""
        if not open_page(self.run.path("index.html")):
            self.run.say("there is no browser with a window here: copy the folder, or open the page by hand")

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
