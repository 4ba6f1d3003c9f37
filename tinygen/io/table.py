"""Numbers and tables as plain text that fits the terminal."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from numbers import Integral

_GAP = "  "  # between columns
_WORD, _TEXT = 16, 20  # a column is wide enough for words of this many letters, and no text gets narrower


def format_number(value: float | str, digits: int = 6) -> str:
    """A number as text: integers in full, floats with `digits` significant digits; a string stays as it is."""
    if isinstance(value, str | Integral):
        return str(value)
    return f"{float(value):.{digits}g}"


def terminal_width() -> int:
    """The number of columns of the terminal, at least 20; 80 where there is no terminal. COLUMNS has priority."""
    return max(20, shutil.get_terminal_size().columns)


def paragraphs(text: str, *, width: int | None = None, indent: str = "") -> str:
    """Text whose paragraphs are filled to the width of the terminal, at most 100 columns, with an indent."""
    width = min(width or terminal_width(), 100)
    parts = (" ".join(part.split()) for part in text.strip().split("\n\n"))
    return "\n\n".join(_fill(part, width, indent, indent) for part in parts)


def columns(rows: Sequence[Sequence[str]], *, numbers: int = 0, ruled: bool = False, width: int | None = None) -> str:
    """Rows as aligned lines of at most `width` columns, by default those of the terminal.

    The first row has the names of the columns. The last `numbers` columns are right-aligned; `ruled` adds a rule below
    the first row. Cells of a table that is too wide are wrapped; if that is not enough, each row becomes a paragraph
    with one line per cell.
    """
    width = width or terminal_width()
    widths = [max(map(len, column)) for column in zip(*rows)]
    if not _narrow(rows, widths, width - len(_GAP) * (len(widths) - 1)):
        return "\n\n".join(_paragraph(rows[0], row, width) for row in rows[1:])
    lines = [line for row in rows[:1] for line in _lines(row, widths, numbers)]
    if ruled:
        lines.append(_GAP.join("-" * width for width in widths))
    return "\n".join([*lines, *(line for row in rows[1:] for line in _lines(row, widths, numbers))])


def _narrow(rows: Sequence[Sequence[str]], widths: list[int], space: int) -> bool:
    """Make the widest columns narrower until their sum is `space`; False if a column would be too narrow to read."""
    words = [max((len(word) for cell in column for word in cell.split()), default=0) for column in zip(*rows)]
    least = [min(width, max(min(word, _WORD), min(width // 4, _TEXT))) for width, word in zip(widths, words)]
    least[:1] = [max(least[0], words[0])]  # names, which a reader may want to copy
    if sum(least) > space:
        return False
    while sum(widths) > space:
        widths[max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i])] -= 1
    return True


def _lines(row: Sequence[str], widths: Sequence[int], numbers: int) -> Iterator[str]:
    """The lines of one row: several if a cell is wider than its column."""
    first = len(widths) - numbers
    cells = [_wrap(cell, width) for cell, width in zip(row, widths)]
    for parts in zip_longest(*cells, fillvalue=""):
        aligned = (p.rjust(w) if i >= first else p.ljust(w) for i, (p, w) in enumerate(zip(parts, widths)))
        yield _GAP.join(aligned).rstrip()


def _wrap(cell: str, width: int) -> list[str]:
    """A cell as lines; all of them have the indent of the first one."""
    if len(cell) <= width:
        return [cell]
    indent = cell[: min(len(cell) - len(cell.lstrip()), width - 1)]
    return _fill(cell.strip(), width, indent, indent).splitlines()


def _paragraph(head: Sequence[str], row: Sequence[str], width: int) -> str:
    """A row as the line of its first cell, and one indented line "name: cell" for each other cell that is not empty."""
    lines = [_fill(row[0].strip(), width, "", "  ")]
    lines += [_fill(f"{name}: {cell.strip()}", width, "  ", "    ") for name, cell in zip(head[1:], row[1:]) if cell]
    return "\n".join(lines)


def _fill(text: str, width: int, first: str, later: str) -> str:
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=True
    )
