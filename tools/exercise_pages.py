"""Write the tracks to docs/exercises.md, and to each page its exercises: `python tools/exercise_pages.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.exercises import PAGE, linked, page, pages

if __name__ == "__main__":
    for path in (PAGE, *pages()):
        before = path.read_text(encoding="utf-8")
        after = page(before) if path == PAGE else linked(path.name, before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"wrote {path.relative_to(Path(__file__).parents[1])}")
