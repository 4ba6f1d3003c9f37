"""Run one lesson in this process and keep its result: `python -m tinygen.lessons.runner LESSON RESULTS`."""

import runpy
import sys
from pathlib import Path

from tinygen.lessons.results import Lesson, kept

if __name__ == "__main__":
    path, results = map(Path, sys.argv[1:])
    sys.path.insert(0, str(path.parent))  # as for a script
    with kept(Lesson(path), results):
        runpy.run_path(str(path), run_name="__main__")
