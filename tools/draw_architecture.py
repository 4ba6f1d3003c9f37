"""Write docs/architecture.md and its picture from the rules of the tests: `python tools/draw_architecture.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.architecture import PAGE, PICTURE, page, picture

if __name__ == "__main__":
    for path, text in ((PAGE, page()), (PICTURE, picture())):
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(Path(__file__).parents[1])}")
