"""The architecture of the package: its floors, the imports of its files, and the page that shows both.

The test of the imports and the generator of `docs/architecture.md` both read this file.
"""

import ast
from functools import cache
from itertools import takewhile
from pathlib import Path

from helpers.paths import ROOT

PACKAGE = sorted((ROOT / "tinygen").rglob("*.py"))
PROJECT = sorted(p for folder in ("tinygen", "examples", "tests", "tools") for p in (ROOT / folder).rglob("*.py"))
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
COMMAND = "python tools/draw_architecture.py"

# From the ground up. A part may import from the floors below its own, and from the parts to its left on its own floor.
FLOORS = {
    "messages and files": "errors io claims",
    "arithmetic on arrays": "kernels",
    "pictures of arrays": "plot",
    "the engine": "tensor op grad",
    "derivative rules": "ops",
    "compositions and checks": "functional derivatives explain graph gradcheck",
    "data and run folders": "data runs lessons",
    "tests for any op": "testing",
    "parts of models": "nn optim distributions",
    "models and their evaluation": "evaluate models",
    "commands": "bench exercises commands __main__",
}
HEIGHT = {
    part: (floor, place) for floor, parts in enumerate(FLOORS.values()) for place, part in enumerate(parts.split())
}
NO_ENGINE = ("messages and files", "arithmetic on arrays", "pictures of arrays", "data and run folders")
WITHOUT_ENGINE = {part for name in NO_ENGINE for part in FLOORS[name].split()}
TOP = FLOORS["commands"].split()
ONLY_IN = {"matplotlib": "plot", "torch": "bench", "sklearn": "models", "hypothesis": "testing", "pytest": "testing"}


# -- modules and what they import --------------------------------------------------------------------------------------


def name_of(path: Path) -> str:
    """tinygen/nn/layers.py is tinygen.nn.layers, tinygen/nn/__init__.py is tinygen.nn."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE}


def part_of(module: str) -> str:
    """The part of tinygen that a module belongs to: `nn` for tinygen.nn.layers; "" for tinygen itself."""
    return module.partition(".")[2].partition(".")[0]


def part_of_path(path: Path) -> str:
    """The part of tinygen that a file belongs to."""
    return part_of(name_of(path))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> list[tuple[int, str, str]]:
    """Each import of a file as (line, module, name), also those inside functions and below `if TYPE_CHECKING:`."""
    package = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1]
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from tinygen.nn import init` imports a module, not a name
                inner = f"{module}.{alias.name}"
                found.append((node.lineno, inner, "") if inner in MODULES else (node.lineno, module, alias.name))
    return found


def wrong_way(part: str, other: str, name: str) -> str:
    """Why `part` may not import `name` from `other`; empty if it may."""
    if not other:  # tinygen/__init__.py, which imports everything below: the lower parts may read its version only
        allowed = name == "__version__" or part in TOP
        return (
            ""
            if allowed
            else f"{part} imports {name} from tinygen/__init__.py: import it from the file that defines it"
        )
    if part in WITHOUT_ENGINE and other not in WITHOUT_ENGINE:
        return f"{part} works without the engine, but imports {other}"
    below = HEIGHT[other][0] < HEIGHT[part][0]
    beside = HEIGHT[other][0] == HEIGHT[part][0] and HEIGHT[other] <= HEIGHT[part]
    return "" if below or beside else f"{part} imports {other}, which is above it"


# -- the page ----------------------------------------------------------------------------------------------------------


TEMPLATE = f"""# Architecture

<!-- Written by `{COMMAND}` from tests/helpers/architecture.py: don't edit this page. -->

Imports point down. A part may import from the floors below its own, and from the parts to its left on its own floor.
Imports inside functions and imports for type checkers count too. No modules import each other in a circle.
`tests/project/test_architecture.py` enforces these rules, and fails if this page is out of date.

![The floors of the package, one above the other, with their parts](images/architecture.svg)

Each floor may import from all floors below it. The dashed floors work on arrays, files and text: they import no part of
the engine, only each other.

## Floors, from the top down

{{floors}}

## Parts, from the ground up

{{parts}}

## Dependencies with one home

{{homes}}

`import tinygen` loads NumPy and nothing else: every other dependency is imported where it is first used.
"""


def page() -> str:
    """The text of docs/architecture.md."""
    return TEMPLATE.format(
        floors=_table(["floor", "parts, from left to right", "imports the engine"], _floor_rows()),
        parts=_table(["part", "purpose"], [[_link(part), _purpose(part)] for part in HEIGHT]),
        homes=_table(["package", "imported only by"], [[f"`{name}`", _link(part)] for name, part in ONLY_IN.items()]),
    )


# -- the picture -------------------------------------------------------------------------------------------------------

LEFT, STEP, BOX = 262, 62, 44  # where the boxes begin, from floor to floor, and the height of a box, in pixels
WIDTH = LEFT + max(sum(32 + 9 * len(part) for part in parts.split()) for parts in FLOORS.values()) + 12
INK, FAINT, PLAIN, ENGINE = "#1f2933", "#5b6673", "#f3f4f6", "#d9e8fb"


def picture() -> str:
    """docs/images/architecture.svg: the floors as a building, drawn from the top down."""
    height = STEP * len(FLOORS) + 24
    floors = [
        _floor(12 + STEP * place, name, parts) for place, (name, parts) in enumerate(reversed(list(FLOORS.items())))
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
            "<title>The floors of the package: imports point down</title>",
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
            f'<path d="M28 20V{height - 34}" stroke="{FAINT}" stroke-width="2"/>',
            f'<path d="M28 {height - 20}l-6 -14h12z" fill="{FAINT}"/>',
            f'<text transform="translate(18 {height / 2}) rotate(-90)" text-anchor="middle" font-size="14" '
            f'fill="{FAINT}">imports</text>',
            *floors,
            "</svg>\n",
        ]
    )


def _floor(top: int, name: str, parts: str) -> str:
    """A floor: its name, and one box for each part, wide enough for the part's name."""
    lines = [f'<text x="48" y="{top + 27}" font-size="14" fill="{FAINT}">{name}</text>']
    left, dashed = LEFT, ' stroke-dasharray="5 4"' if name in NO_ENGINE else ""
    for part in parts.split():
        width = 24 + 9 * len(part)
        lines.append(
            f'<rect x="{left}" y="{top}" width="{width}" height="{BOX}" rx="6" stroke="{INK}"{dashed} '
            f'fill="{PLAIN if name in NO_ENGINE else ENGINE}"/>'
            f'<text x="{left + width / 2}" y="{top + 28}" text-anchor="middle" font-size="15" fill="{INK}">'
            f"{part}</text>"
        )
        left += width + 8
    return "\n".join(lines)


# -- the tables --------------------------------------------------------------------------------------------------------


def _floor_rows() -> list[list[str]]:
    return [
        [name, ", ".join(f"`{part}`" for part in parts.split()), "no" if name in NO_ENGINE else "yes"]
        for name, parts in reversed(FLOORS.items())
    ]


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def _link(part: str) -> str:
    name = f"{part}/" if (ROOT / "tinygen" / part).is_dir() else f"{part}.py"
    return f"[`{name}`](../tinygen/{name})"


def _purpose(part: str) -> str:
    """The first sentence or paragraph of a docstring, whichever ends first, in one line of a table."""
    text = ast.get_docstring(tree_of(MODULES[f"tinygen.{part}"])) or ""
    paragraph = " ".join(takewhile(str.strip, text.splitlines()))
    sentence, stop, _ = paragraph.partition(". ")
    return (sentence + stop.strip()).replace("|", r"\|")
