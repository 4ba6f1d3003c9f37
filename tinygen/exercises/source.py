"""From the shipped source to the file of an exercise: the imports, the signature and the docstring stay.

The solution is the library's own text, so that task and solution always agree.
"""

import ast
import importlib
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from types import ModuleType

from tinygen.exercises.exercise import Exercise

LEARNER = ("op", "elementwise")  # decorators that a learner's file takes from this package
SITE = "docs/{}"


@cache
def solution(exercise: Exercise) -> str:
    """The text of the shipped function, with its decorators and its `parts`; a method becomes a function of `self`."""
    module, path = _place(exercise)
    nodes = [_definition(module, name) for name in (path, *exercise.parts)]
    lines = inspect.getsource(module).splitlines()
    texts = []
    for node in sorted(nodes, key=lambda node: node.lineno):
        first = node.lineno if "." in path else _first_line(node)
        texts.append(textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])) + "\n")
    return "\n\n".join(texts)


def edited(exercise: Exercise, edits: Iterable[tuple[str, str]]) -> str:
    """The text of the shipped function after the edits; ValueError where one doesn't fit."""
    text = solution(exercise)
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{exercise.name}: expected {old!r} once in the shipped function, got {text.count(old)}")
        text = text.replace(old, new)
    return text


def stub(exercise: Exercise) -> str:
    """The function without its body: signature and docstring, then the question and `...`; or with its bug."""
    if exercise.bug:
        return edited(exercise, exercise.bug)
    text = solution(exercise)
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    function = next(node for node in functions if node.name == exercise.function)
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    start, end = _first_line(function) - 1, first.end_lineno if documented else first.lineno - 1
    question = textwrap.indent("\n".join(f"# {line}".rstrip() for line in exercise.question.splitlines()), " " * 4)
    return "\n".join([*text.splitlines()[start:end], question, "    ...", ""])


def file_text(exercise: Exercise, function: str) -> str:
    """An ordinary module that holds `function`, what it needs, and the line that grades it."""
    what = "Find the bug" if exercise.bug else "Exercise"
    story = f"\n{textwrap.fill(exercise.story, 100)}\n" if exercise.story else ""
    task = f"\n{exercise.question}\n" if exercise.bug else ""
    head = (
        f'"""{what} {exercise.name}: {exercise.title}.\n{story}{task}\n'
        f"Check it: python -m tinygen exercise check {exercise.name}\n"
        f'Read about it: {SITE.format(exercise.page)}\n"""\n\n'
    )
    end = (
        '\n\nif __name__ == "__main__":\n    from tinygen.exercises import check\n\n'
        f'    check("{exercise.name}", {exercise.function})\n'
    )
    return head + _needed(exercise) + "\n\n" + function.rstrip("\n") + "\n" + end


def load(exercise: Exercise, text: str, file: str = "") -> Callable:
    """The function that a module of this text defines; SyntaxError, ValueError and the module's own errors pass.

    `file` is the name that tracebacks show.
    """
    file = file or f"<{exercise.name}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file  # for tracebacks
    names: dict = {"__name__": f"exercise_{exercise.name}", "__file__": file}
    exec(compile(text, file, "exec"), names)
    found = names.get(exercise.function)
    if not callable(found):
        raise ValueError(f"expected a function {exercise.function} in {file}, got none: keep its name")
    return found


@cache
def shipped(exercise: Exercise) -> Callable:
    """The solution as a function."""
    return load(exercise, file_text(exercise, solution(exercise)), f"<solution of {exercise.name}>")


# -- what the function needs -------------------------------------------------------------------------------------------


def _place(exercise: Exercise) -> tuple[ModuleType, str]:
    module, _, path = exercise.source.partition(":")
    return importlib.import_module(module), path


def _definition(module: ModuleType, path: str) -> ast.FunctionDef:
    body: list[ast.stmt] = _tree(module).body
    for name in path.split("."):
        node = next(n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name)
        body = node.body
    if not isinstance(node, ast.FunctionDef):
        raise TypeError(f"expected a function {path} in {module.__name__}, got a class: name one of its methods")
    return node


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


@cache
def _needed(exercise: Exercise) -> str:
    """The imports and the private functions and constants of the shipped module that the function uses."""
    module, _ = _place(exercise)
    tree = _tree(module)
    lines = inspect.getsource(module).splitlines()
    imports, given, own = {"import numpy as np"}, {}, set()
    todo: list[ast.AST] = [ast.parse(solution(exercise))]
    while todo:
        used = {node.id for node in ast.walk(todo.pop()) if isinstance(node, ast.Name)}
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) in used]
                imports |= {_import(node, alias) for alias in names}
                continue
            for name in _defined(node) & used - {exercise.function, *exercise.parts}:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not name.startswith("_"):
                    own.add(f"from {module.__name__} import {name}")
                elif node.lineno not in given:
                    given[node.lineno] = "\n".join(lines[_first_line(node) - 1 : node.end_lineno])
                    todo.append(node)
    texts = [given[line] for line in sorted(given)]
    ours = sorted(line for line in imports | own if " tinygen" in line)
    others = sorted((line for line in imports - {*ours}), key=lambda line: (line.startswith("from"), line))
    return "\n".join(others + [""] * bool(ours) + ours) + "".join("\n\n\n" + text for text in texts) + "\n"


def _first_line(node: ast.stmt) -> int:
    """The line where a statement starts, with its decorators."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def _import(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    name = alias.name + (f" as {alias.asname}" if alias.asname else "")
    if isinstance(node, ast.Import):
        return f"import {name}"
    base = "tinygen.exercises" if alias.name in LEARNER and (node.module or "").startswith("tinygen") else node.module
    return f"from {base} import {name}"


def _defined(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)}
