"""The examples as modules."""

import importlib.util
import sys

from helpers.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
sys.path.append(str(EXAMPLES[0].parent))  # as `python examples/tour.py` has it: the tour's stops lie in a folder there


def example(name: str):
    """The module examples/NAME.py; the folder is no package, since a reader starts each file by itself."""
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
