"""Import an example as a module."""

import importlib.util
import sys

from helpers.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
sys.path.append(str(EXAMPLES[0].parent))  # as for `python examples/tour.py`, which imports from the folder beside it


def example(name: str):
    """The module examples/NAME.py; `examples` is not a package, because a reader starts each file by itself."""
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
