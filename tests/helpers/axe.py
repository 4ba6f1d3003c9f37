"""Accessibility faults of a page, by axe-core, which is not part of this project: TINYGEN_AXE names its file."""

import json
import os
from pathlib import Path

import pytest

from helpers.browser import run_in_browser

FILE = Path(os.environ.get("TINYGEN_AXE", "node_modules/axe-core/axe.min.js"))

needs_axe = pytest.mark.skipif(not FILE.is_file(), reason="needs axe-core: npm install axe-core")

SCRIPT = """
(0, eval)(AXE);
const { violations } = await axe.run(document);
return violations.map(({ id, nodes }) => [id, nodes.map(node => node.html.slice(0, 200))]);
"""


def faults(page: Path, *flags: str) -> list:
    """Each rule that a page breaks, with the elements."""
    source = json.dumps(FILE.read_text(encoding="utf-8")).replace("</", "<\\/")
    return run_in_browser(page, SCRIPT.replace("AXE", source, 1), flags=flags)
