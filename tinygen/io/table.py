"""Numbers and tables as plain text."""

from collections.abc import Sequence
from numbers import Integral


def format_number(value: float | str, digits: int = 6) -> str:
    """A number as text: integers in full, floats with `digits` significant digits; a string stays as it is."""
    if isinstance(value, str | Integral):
        return str(value)
    return f"{float(value):.{digits}g}"


def columns(rows: Sequence[Sequence[str]], *, numbers: int = 0, ruled: bool = False) -> str:
    """Rows as aligned lines: the last `numbers` columns are right-aligned; `ruled` adds a rule below the first row."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    first = len(widths) - numbers
    lines = [
        "  ".join(c.rjust(w) if i >= first else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]
    if ruled:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
