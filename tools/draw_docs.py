"""Draw the figures of the documentation: `python tools/draw_docs.py [PAGE ...]`, by default those of all pages.

The blocks of Python on a page run in order. A block that ends with `plot.show(figure, name="spiral")` and is followed
by `![...](images/spiral.svg)` makes the file docs/images/spiral.svg (or .png). The file also contains a hash of the
block, so a test notices when the block has changed and the figure has not.
"""

import os
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.figures import images, stamp
from helpers.pages import PAGES, run
from helpers.paths import ROOT

from tinygen import plot
from tinygen.plot.show import showing


def stamped(content: bytes, text: bytes) -> bytes:
    """A PNG or SVG file with a text that no viewer shows."""
    if not content.startswith(b"\x89PNG"):
        return content + b"<!-- " + text + b" -->\n"
    chunk = b"tEXt" + b"Comment\0" + text
    end = content.rindex(b"IEND") - 4
    return (
        content[:end] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[end:]
    )


def draw(page: Path) -> list[Path]:
    """Run the blocks of a page in an empty folder, and write its figures; returns their paths."""
    figures: dict[str, Any] = {}
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, showing(lambda thing, name: figures.update({name: thing})):
        os.chdir(folder)
        try:
            run(page)
        finally:
            os.chdir(before)
    written = []
    for image in images(page):
        if image.code:
            figure = figures[image.path.stem]
            figure.save(image.path) if hasattr(figure, "_repr_svg_") else plot.save(figure, image.path)
            image.path.write_bytes(stamped(image.path.read_bytes(), stamp(image.code)))
            written.append(image.path)
    return written


def main(*names: str) -> None:
    """Draw the figures of the pages with these names, such as `gan` or docs/gan.md."""
    pages = {page.stem: page for page in PAGES if any(image.code for image in images(page))}
    for name in names or pages:
        page = pages.get(Path(name).stem)
        if page is None:
            raise SystemExit(f"draw_docs: expected pages with figures ({', '.join(pages)}), got {name!r}")
        for path in draw(page):
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
