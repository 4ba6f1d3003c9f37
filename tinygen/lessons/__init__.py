"""The lessons: scripts that explain one idea each, and check their claims whenever they run.

A lesson is a file `examples/<chapter>/<lesson>.py`. Its claims and figures are kept in
`runs/lessons/<chapter>/<lesson>/`. The command `verify`, the tests and the site use this result again as long as
neither the lesson nor tinygen changes, so that no lesson runs twice.

Reading order: results (find, run, keep), runner (the process of a lesson), ledger (the claims as text and as a page).
"""

from tinygen.lessons.ledger import page, text, verdict
from tinygen.lessons.results import CHAPTERS, RESULTS, Lesson, Result, current, find, kept, result

__all__ = [
    "CHAPTERS",
    "RESULTS",
    "Lesson",
    "Result",
    "current",
    "find",
    "kept",
    "page",
    "result",
    "text",
    "verdict",
]
