"""The examples, lessons and pages: where they are, what they are about, and how they are copied to a user's folder."""

import ast
from pathlib import Path

from tinygen.io.files import replace

_PACKAGE = Path(__file__).parents[1]


def examples_folder() -> Path:
    """The folder of the examples and lessons: `tinygen/examples` in an installed wheel, `examples` in a checkout.

    Raises FileNotFoundError if there is neither.
    """
    for folder in (_PACKAGE / "examples", _PACKAGE.parent / "examples"):  # a wheel first: it may have any neighbours
        if (folder / "tour.py").is_file():
            return folder
    raise FileNotFoundError(f"expected the examples of tinygen in {_PACKAGE / 'examples'}, got none: install it again")


def page_file(name: str) -> Path:
    """The path of a page of the documentation: in `tinygen/docs` of an installed wheel, `docs` of a checkout."""
    inside = _PACKAGE / "docs" / name  # a wheel first, as for the examples
    return inside if inside.is_file() else _PACKAGE.parent / "docs" / name


def example_files() -> list[Path]:
    """The paths of the examples and of their list, relative to their folder; programs in the root come first."""
    folder = examples_folder()
    paths = [path.relative_to(folder) for path in (*folder.rglob("*.py"), folder / "README.md")]
    return sorted((path for path in paths if "runs" not in path.parts), key=lambda path: (len(path.parts), path))


def is_program(path: Path) -> bool:
    """Whether this file of the examples is started by a reader, and is not a part of another program."""
    return path.suffix == ".py" and not (path.parent / "__init__.py").exists()


def about(path: Path) -> str:
    """What an example is about, in one line: the first sentence of its docstring, or the title of a lesson."""
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except SyntaxError:  # by a user, in a checkout
        return ""
    return " ".join(text.split("\n\n")[0].split("\n===")[0].split())


def copy_examples(target: Path) -> list[Path]:
    """Copy all examples into the folder `target`, and return their paths relative to it.

    Raises FileExistsError if one of the files exists already; then nothing is copied.
    """
    folder, files = examples_folder(), example_files()
    if found := [target / path for path in files if (target / path).exists()]:
        more = f" and {len(found) - 1} more files" if len(found) > 1 else ""
        raise FileExistsError(f"{found[0]}{more} exist already, and nothing was copied: choose another folder")
    for path in files:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        replace(target / path, (folder / path).read_bytes())
    return files
