"""Write docs/architecture.md from the rules that the tests enforce: `python tools/draw_architecture.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.architecture import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(Path(__file__).parents[1])}")
