"""Write measured speeds into docs/fast.md: `python tools/write_speed.py JSON ...`, then `tools/draw_docs.py fast`.

The files come from `python -m tinygen bench --layers [KIND ...] --vs torch --json FILE`, each with some of the kinds,
and from `python -m tinygen bench --scaling --vs torch --json FILE`. The summary is printed.
"""

import json
import re
import sys
from pathlib import Path

from tinygen.bench import sheet
from tinygen.bench.rows import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "fast.md"


def replaced(text: str, name: str, lines: list[str]) -> str:
    """The page with these lines between the braces of `name = {...}`."""
    return re.sub(rf"(?<=^{name} = {{\n).*?(?=^}}$)", "".join(lines), text, count=1, flags=re.MULTILINE | re.DOTALL)


def main(*files: str) -> None:
    rows, curves = [], {}
    for file in files:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        curves |= found.get("curves") or {}
        rows += found["rows"] if "ratios" in found else []
    rows.sort(key=lambda row: KINDS.index(row["kind"]))
    text = PAGE.read_text(encoding="utf-8")
    if rows:
        numbers = {kind: " ".join(f"{value:.2f}" for value in values) for kind, values in sheet.ratios(rows).items()}
        text = replaced(text, "ratios", [f'    "{kind}": "{line}",\n' for kind, line in numbers.items()])
        print(f"{sheet.summary(rows)}\n\n{sheet.slower(rows)}")
    if curves:
        lines = []
        for axis, points in curves.items():
            parts = [f"({size}, {ours:.3g}, {theirs:.3g})" for size, ours, theirs in points]
            joined = [f"        {', '.join(parts[i : i + 4])},\n" for i in range(0, len(parts), 4)]
            lines += [f'    "{axis}": [\n', *joined, "    ],\n"]
        text = replaced(text, "curves", lines)
        ratios = [ours / theirs for points in curves.values() for _, ours, theirs in points]
        print(f"\nscaling: {len(ratios)} points, {min(ratios):.2f} to {max(ratios):.2f} of PyTorch's time")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
