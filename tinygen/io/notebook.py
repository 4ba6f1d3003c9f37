"""The progress bar of a notebook: a bar of HTML below the cell that is replaced in place, so that none is left over."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, Protocol

from tinygen.io import html

SECONDS = 0.2  # between two pictures of the bar: each is a message to the browser


class Place(Protocol):
    """Where a loop is; `progress` counts."""

    total: int | None
    label: str
    done: int

    @property
    def early(self) -> bool: ...
    def advance(self) -> None: ...
    def share(self, done: int) -> float: ...
    def words(self, figures: Mapping[str, float], *, stopped: bool = False) -> str: ...


class NotebookBar:
    """A bar with the share that is done, the time that is left and the figures; the last picture stays."""

    def __init__(self, place: Place):
        from IPython.display import display  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

        self._place, self._last = place, monotonic()
        self._handle: Any = display(self._piece({}), raw=True, display_id=True)

    def advance(self, figures: Mapping[str, float]) -> None:
        """One more item is done."""
        self._place.advance()
        if monotonic() - self._last >= SECONDS:
            self._last = monotonic()
            self._handle.update(self._piece(figures), raw=True)

    def close(self, figures: Mapping[str, float]) -> None:
        """Show the end, also of a loop that stopped early."""
        self._handle.update(self._piece(figures, stopped=self._place.early), raw=True)

    def _piece(self, figures: Mapping[str, float], *, stopped: bool = False) -> dict[str, str]:
        """The bar as HTML and as text, for the browser to choose."""
        place, words = self._place, self._place.words(figures, stopped=stopped)
        value = "" if place.total is None else f'value="{place.share(place.done):.4f}"'
        bar = f'<progress aria-label="{html.text(place.label or "progress")}" {value}></progress>'
        style = "font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums"
        return {"text/html": f'<div style="{style}">{bar} {html.text(words)}</div>', "text/plain": words}
