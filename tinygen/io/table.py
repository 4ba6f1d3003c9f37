"""Text in aligned columns: what every table that is printed is made of."""

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], *, numbers: int = 0, ruled: bool = False) -> str:
    """One line per row, the last `numbers` columns to the right; `ruled` draws a line below the first row."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    first = len(widths) - numbers
    lines = [
        "  ".join(c.rjust(w) if i >= first else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]
    if ruled:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
