"""Everything around a training loop: the run's folder, progress, checkpoints, the page, options. Never the loop itself.

Reading order: run (the folder of a run and the table of results), record (its `config.json`), lock (one process per
folder), loop (stop and resume), page and markup (`index.html`), excerpt (the code on it), cli (options, errors and exit
codes of a command line).
"""

import sys

from tinygen.errors import hints
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.progress import parts, progress
from tinygen.runs.excerpt import Code, excerpt
from tinygen.runs.page import Link, Page, Panel, Section, Table
from tinygen.runs.record import RunError
from tinygen.runs.run import Result, Run, figures_table, open_run

__all__ = [
    "CheckpointError",
    "Code",
    "Link",
    "Page",
    "Panel",
    "Result",
    "Run",
    "RunError",
    "Section",
    "Table",
    "excerpt",
    "figures_table",
    "open_run",
    "parts",
    "progress",
]


def __getattr__(name: str):
    """Called only for a name that this module does not have."""
    raise hints.missing(sys.modules[__name__], name)
