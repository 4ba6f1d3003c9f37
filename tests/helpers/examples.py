"""Import an example as a module."""

import importlib.util
import re
import sys
from pathlib import Path

from helpers.paths import ROOT

FOLDER = ROOT / "examples"
EXAMPLES = sorted([*FOLDER.glob("*.py"), *(FOLDER / "mnist").glob("*.py")])  # with a command line and a run folder
sys.path.append(str(FOLDER))  # as for `python examples/tour.py`, which imports from the folder beside it


def example(name: str):
    """The example NAME.py as a module; `examples` is not a package, because a reader starts each file by itself."""
    (path,) = (path for path in EXAMPLES if path.stem == name)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures_of(folder: Path) -> list[str]:
    """The names of the pictures on the page of a run, each of which exists."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'<img src="(?!data:)([^"]+)"', page)
    assert names and all((folder / name).stat().st_size > 1000 for name in names)
    return names
