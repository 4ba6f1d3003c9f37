"""The types: public signatures are annotated, and type checkers find no error in the package and on the pages."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.architecture import PACKAGE, part_of_path, tree_of
from helpers.pages import PAGES, code_of
from helpers.paths import ROOT
from helpers.tools import requires

ARITHMETIC = """
import numpy as np

import tinygen as tg

x = tg.Parameter(np.ones(3))
y: tg.Tensor = tg.exp(x) + x
y = 2 * tg.tanh(y) ** 2 - x @ np.ones((3, 3)) + np.ones(3) * x
dy: tg.Tensor = tg.grad(y.sum(), x)
dx, dy = tg.grad((x * y).sum(), [x, y])
"""


# -- annotations -------------------------------------------------------------------------------------------------------


def public_functions(body: list[ast.stmt], is_method: bool = False) -> Iterator[tuple[ast.FunctionDef, bool]]:
    """Public functions, and methods of classes that override none of NumPy's; `__init__` and `__call__` too."""
    for node in body:
        name = getattr(node, "name", "_")
        if isinstance(node, ast.FunctionDef) and (not name.startswith("_") or name in ("__init__", "__call__")):
            yield node, is_method
        elif isinstance(node, ast.ClassDef) and not any(ast.unparse(b).startswith("np.") for b in node.bases):
            yield from public_functions(node.body, is_method=True)


def decorators(function: ast.FunctionDef) -> set[str]:
    """The names of a function's decorators, without arguments."""
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d).split(".")[-1] for d in function.decorator_list}


def unannotated(function: ast.FunctionDef, is_method: bool) -> list[str]:
    """The parameters without annotation, and `return`: for all but `__init__`, which always returns None."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args][is_method and "staticmethod" not in decorators(function) :]
    parameters += [*given.kwonlyargs, *(extra for extra in (given.vararg, given.kwarg) if extra)]
    missing = [parameter.arg for parameter in parameters if parameter.annotation is None]
    return missing + ["return"] * (function.returns is None and function.name != "__init__")


def test_public_signatures_are_annotated():
    """Except in kernels/, where numba finds the types; in ops/, where hints would make rules hard to read; in the
    tables of cases; in networks written in PyTorch; and for the argument `draw` of Hypothesis' composite strategies.
    """
    found = []
    for path in PACKAGE:
        for function, is_method in public_functions(tree_of(path).body):
            missing = unannotated(function, is_method)
            exempt = part_of_path(path) in ("kernels", "ops") or path.parent.name == "cases"
            exempt = exempt or path.name.startswith("torch_") or missing == ["draw"]
            if missing and not exempt:
                found.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {', '.join(missing)}")
    assert found == [], "annotate these parameters and results"


def test_a_missing_annotation_is_found():
    source = (
        "class A:\n    def f(self, x, *y: int, **z) -> None: ...\n    @op\n    def g(self, x): ...\n    def _h(x): ..."
    )
    (f, _), (g, _) = public_functions(ast.parse(source).body)
    assert unannotated(f, is_method=True) == ["x", "z"]
    assert decorators(g) == {"op"} and unannotated(g, is_method=True) == ["x", "return"]


# -- type checkers -----------------------------------------------------------------------------------------------------


# Where errors are left: shorten this list only.
UNFINISHED = ()


def write_code_of_pages(folder: Path, pages: list[Path]) -> list[Path]:
    """The Python code of each page as a file in `folder`, with the line numbers of the page."""
    paths = []
    for page in pages:
        if code := code_of(page):
            paths.append(folder / f"page_{page.stem}.py")
            paths[-1].write_text(code, encoding="utf-8")
    paths.append(folder / "arithmetic.py")
    paths[-1].write_text(ARITHMETIC, encoding="utf-8")
    return paths


@pytest.mark.usefixtures("not_quick")  # it takes twenty seconds
@requires("pyright", "scikit-learn", "torch")
def test_pyright_finds_no_error_in_the_package_and_on_the_pages(tmp_path):
    shutil.copytree(ROOT / "tinygen", tmp_path / "tinygen", ignore=shutil.ignore_patterns("__pycache__"))
    write_code_of_pages(tmp_path, PAGES)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "basic", "pythonVersion": "3.11"}))
    command = [sys.executable, "-m", "pyright", "--project", ".", "--pythonpath", sys.executable, "--outputjson"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""})
    if not run.stdout.startswith("{"):
        pytest.skip(f"pyright can't start: {(run.stdout + run.stderr).strip()[:200]}")
    report = json.loads(run.stdout)
    assert report["summary"]["filesAnalyzed"] > len(PACKAGE)
    found = []
    for problem in report["generalDiagnostics"]:
        if problem["severity"] == "error":
            place = f"{Path(problem['file']).relative_to(tmp_path).as_posix()}:{problem['range']['start']['line'] + 1}"
            found.append(f"{place} {problem['message'].splitlines()[0]}")
    found = [line for line in found if not line.startswith(UNFINISHED)]
    assert found == []


@requires("mypy")
def test_mypy_finds_no_error_in_the_code_of_the_readme(tmp_path):
    """The other type checker that users have: it must accept the annotations of the package."""
    paths = write_code_of_pages(tmp_path, [ROOT / "README.md"])
    settings = ["--follow-imports=silent", "--ignore-missing-imports", "--cache-dir", str(tmp_path / "cache")]
    command = [sys.executable, "-m", "mypy", *settings, *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
