"""The pages of the API reference: one per package, in reading order, written from the public names."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from _ext.docstrings import escaped

DOCS = Path(__file__).parents[1]
FOLDER = DOCS / "reference"
LAST = 10_000
GALLERY = ".. start-sphx-glr-thumbnails"

# The reading order. A name is documented on the first page that has it.
PAGES = {
    "tinygen": "the engine",
    "tinygen.ops": "the ops",
    "tinygen.functional": "losses and other compositions",
    "tinygen.derivatives": "Jacobians and their kin",
    "tinygen.explain": "convolutions taken apart",
    "tinygen.graph": "the computation graph",
    "tinygen.gradcheck": "is a rule right?",
    "tinygen.testing": "tests for any op",
    "tinygen.nn": "layers",
    "tinygen.nn.init": "first values of weights",
    "tinygen.optim": "optimizers",
    "tinygen.distributions": "probability distributions",
    "tinygen.models": "generative models",
    "tinygen.models.theory": "models with a known answer",
    "tinygen.models.sklearn": "an autoencoder for scikit-learn",
    "tinygen.data": "data sets",
    "tinygen.evaluate": "how good is a model?",
    "tinygen.plot": "figures",
    "tinygen.claims": "what a lesson claims",
    "tinygen.runs": "run folders",
}

# Names that a package exports, but that are documented on the page of the package they come from.
ELSEWHERE = {"tinygen": ("tinygen.ops", "tinygen.functional"), "tinygen.models": ("tinygen.models.theory",)}

# What isn't a function or a class has no docstring.
VALUES = {
    "tinygen.OPS": "The registry of all ops, by name. `op` adds to it.",
    "tinygen.gradcheck.LIMITS": "The largest error that each kind of check accepts.",
    "tinygen.testing.CASES": "The table of ops: how each one is tested.",
    "tinygen.distributions.FAMILIES": "The families of distributions, by name.",
    "tinygen.data.KINDS": "The kinds of shapes that `shapes` draws.",
    "tinygen.plot.PALETTE": "Ten colours that colour-blind readers can tell apart.",
}


class Entry(NamedTuple):
    """A public name: its path for users, and the object."""

    path: str
    value: Any

    @property
    def home(self) -> str:
        """The module that defines it."""
        return getattr(self.value, "__module__", "") or ""


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write, priority=400)
    app.add_directive("lessons", Lessons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(app: Sphinx) -> None:
    """Write docs/reference/, which is not kept in version control."""
    pages = {name: text(name, found) for name, found in entries().items()}
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.rst"):
        old.unlink()
    for name, page in pages.items():
        (FOLDER / f"{name}.rst").write_text(page, encoding="utf-8")
    rows = [f"   * - :doc:`{name} <{name}>`\n     - {PAGES[name]}" for name in pages]
    index = [*heading("Reference", "="), INDEX, "", *rows, "", ".. toctree::", "   :hidden:", ""]
    (FOLDER / "index.rst").write_text("\n".join([*index, *[f"   {name}" for name in pages], ""]), encoding="utf-8")


INDEX = """The public names of the package, in reading order. Each entry links to its source, and to the lessons that
use it. `tg` stands for `tinygen`.

.. list-table::
   :widths: auto
"""


# -- what is public ----------------------------------------------------------------------------------------------------


def entries() -> dict[str, list[Entry]]:
    """The names of each page; a name that several modules export is on the first of their pages."""
    seen: set[int] = set()
    pages: dict[str, list[Entry]] = {}
    for name in PAGES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        found = []
        for entry in public(module):
            own = not entry.home.startswith(ELSEWHERE.get(name, ()))
            if own and id(entry.value) not in seen:
                seen.add(id(entry.value))
                found.append(Entry(shortest(entry, name), entry.value))
        pages[name] = sorted(found, key=lambda entry, page=name: place(entry, page))
    return pages


def public(module: ModuleType) -> Iterator[Entry]:
    """The functions, classes and other objects that a module offers; the modules in a package without such a list."""
    names = getattr(module, "__all__", None)
    if names is None and hasattr(module, "__path__"):  # import its modules, whether or not a lesson has done so
        for inner in pkgutil.iter_modules(module.__path__):
            importlib.import_module(f"{module.__name__}.{inner.name}")
    for name in names if names is not None else [name for name in vars(module) if not name.startswith("_")]:
        value = getattr(module, name)
        if inspect.ismodule(value):
            inside = value.__name__.startswith(f"{module.__name__}.") and value.__name__ not in PAGES
            if inside and hasattr(module, "__path__"):
                yield from public(value)
        elif names is not None or getattr(value, "__module__", "") == module.__name__:
            yield Entry(f"{module.__name__}.{name}", value)


def shortest(entry: Entry, page: str) -> str:
    """`tinygen.exp` rather than `tinygen.ops.exp`: the name in the outermost package that exports it."""
    name, parts = entry.path.rpartition(".")[2], page.split(".")
    for package in (".".join(parts[: i + 1]) for i in range(len(parts))):
        if getattr(importlib.import_module(package), name, None) is entry.value:
            return f"{package}.{name}"
    return entry.path


def place(entry: Entry, page: str) -> tuple:
    """Files in the order in which their package imports them, and names in the order of the file."""
    home = importlib.import_module(entry.home) if entry.home.startswith("tinygen") else None
    try:
        line = inspect.getsourcelines(inspect.unwrap(entry.value))[1]
    except (TypeError, OSError):
        line = 0
    return (order(entry.home, page) if home else LAST, entry.home, line, entry.path)


def order(home: str, page: str) -> int:
    """The position of a file in the docstring of the page's package, which states the reading order."""
    name = home.removeprefix(f"{page}.").partition(".")[0]
    text = importlib.import_module(page).__doc__ or ""
    found = re.compile(rf"\b{name}\b").search(text, text.find("ead"))  # after "Read" or "Reading order"
    return found.start() if found else LAST


# -- a page ------------------------------------------------------------------------------------------------------------


def text(name: str, found: list[Entry]) -> str:
    lines = [*heading(f"{name}: {PAGES[name]}", "="), f".. automodule:: {name}", "   :no-members:", ""]
    home = None
    several = len({entry.home for entry in found}) > 1
    for entry in found:
        if several and entry.home != home:
            home = entry.home
            lines += section(home, name)
        lines += described(entry)
    return "\n".join(lines)


def section(home: str, page: str) -> list[str]:
    title = home.removeprefix(f"{page}.") if home.startswith("tinygen.") else "values"
    return heading(title, "-")


def described(entry: Entry) -> list[str]:
    if inspect.isclass(entry.value):
        members = [] if issubclass(entry.value, Exception) else ["   :members:", "   :exclude-members: set"]
        lines = [f".. autoclass:: {entry.path}", *members, ""]
    elif callable(entry.value):
        lines = [f".. autofunction:: {entry.path}", ""]
    else:
        lines = [f".. py:data:: {entry.path}", "", f"   {sentence(entry)}", ""]
    return [*lines, f".. lessons:: {entry.path}", ""]


def sentence(entry: Entry) -> str:
    """What a value is: from the table above, or from the docstring below it in the source."""
    if entry.path in VALUES:
        return VALUES[entry.path]
    name = entry.path.rpartition(".")[2]
    documented = ModuleAnalyzer.for_module(entry.home).find_attr_docs() if entry.home else {}
    if ("", name) not in documented:
        raise ValueError(f"{entry.path}: expected a sentence about it in VALUES, got none: write one")
    return escaped(" ".join(" ".join(documented["", name]).split()))


def heading(title: str, mark: str) -> list[str]:
    return [title, mark * len(title), ""]


# -- the lessons that use a name ---------------------------------------------------------------------------------------


class Lessons(SphinxDirective):
    """Thumbnails of the lessons that use a name, from the galleries that sphinx-gallery writes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = DOCS / "reference" / "uses" / f"{self.arguments[0]}.examples"
        gallery = path.read_text(encoding="utf-8").partition(GALLERY)[2] if path.exists() else ""
        if not gallery:
            return []
        caption = nodes.paragraph("", "Lessons that use it:", classes=["lessons"])
        return [caption, *self.parse_text_to_nodes(gallery)]
