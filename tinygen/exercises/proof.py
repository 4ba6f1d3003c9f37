"""Proof of the graders: every wrong answer that can be made from a solution by a rule, and the right ones.

Wrong answers come from four sources: the file as it starts, the listed wrong answers, the ten corruptions of a
derivative rule (`testing.corruptions`), and mutants, in which one operator, number or function is another one.
"""

import ast
import copy
import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.source import edited, file_text, load, shipped, solution, stub
from tinygen.exercises.stages import Derivatives
from tinygen.tensor import OPS
from tinygen.testing.corruptions import CORRUPTIONS, applies, corrupt


class Attempt(NamedTuple):
    """An answer to an exercise; `make` loads it, and may raise what the learner's file would."""

    what: str
    make: Callable[[], Callable]
    says: str = ""  # what the grader must say, if that is known


def right(exercise: Exercise) -> Iterator[Attempt]:
    """The solution, and the other correct ways of writing it."""
    yield Attempt("the solution", lambda: shipped(exercise))
    for i, text in enumerate(exercise.correct, 1):
        yield Attempt(f"correct answer {i}", lambda text=text: answer(exercise, textwrap.dedent(text)))


def wrong(exercise: Exercise) -> Iterator[Attempt]:
    """The file as it starts, and the listed wrong answers."""
    yield Attempt("the file as it starts", lambda: answer(exercise, stub(exercise)))
    for each in exercise.wrong:
        yield Attempt(each.says, lambda each=each: answer(exercise, edited(exercise, each.edits)), each.says)


def corrupted(exercise: Exercise) -> Iterator[Attempt]:
    """The solution with one wrong derivative rule, for exercises whose function is an op."""
    stage = next((each for each in exercise.stages if isinstance(each, Derivatives)), None)
    op = shipped(exercise)
    if stage is None or not is_op(exercise):
        return
    for how in CORRUPTIONS:
        for argument in range(len(stage.draw(np.random.default_rng(0), 1).args)):
            rng = np.random.default_rng(0)
            for size in (3, 2, 1):
                call = stage.draw(rng, size)
                if applies(how, op, argument, call.args, call.settings, rng):
                    yield Attempt(f"{how}, argument {argument}", lambda i=argument, how=how: corrupt(op, i, how))
                    break


def is_op(exercise: Exercise) -> bool:
    """Whether the learner writes a value and its derivative rules."""
    op = OPS.get(exercise.function)
    return op is not None and exercise.source.startswith(f"{op.__module__}:")


def answer(exercise: Exercise, function: str) -> Callable:
    """The function of a file that holds this text."""
    return load(exercise, file_text(exercise, function))


# -- mutants -----------------------------------------------------------------------------------------------------------

OTHER = {  # an operator, and the one that takes its place
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
NAMES = {"maximum": "minimum", "minimum": "maximum", "exp": "log1p", "log": "log1p", "log1p": "log", "sqrt": "abs"}
NAMES |= {"sum": "mean", "mean": "sum", "argmax": "argmin", "zeros": "ones", "ones": "zeros", "eigh": "svd"}


def mutants(exercise: Exercise) -> Iterator[Attempt]:
    """The solution with one change each; checks of arguments, whose branch only raises, stay as they are."""
    tree = ast.parse(solution(exercise))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    spared = {id(inner) for node in ast.walk(function) if _only_raises(node) for inner in ast.walk(node)}
    spared |= {id(inner) for part in (function.args, *function.decorator_list) for inner in ast.walk(part)}
    for i, node in enumerate(ast.walk(tree)):
        if id(node) not in spared:
            for change in _changes(node):
                other = copy.deepcopy(tree)
                mutant = [*ast.walk(other)][i]
                before = ast.unparse(mutant)
                change(mutant)
                what = f"line {getattr(node, 'lineno', 0)}: {before} becomes {ast.unparse(mutant)}"
                text = ast.unparse(other)
                yield Attempt(what, lambda text=text: answer(exercise, text))


def _only_raises(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and all(isinstance(each, ast.Raise) for each in node.body) and not node.orelse


def _changes(node: ast.AST) -> Iterator[Callable]:
    """Functions that change a copy of the node in place."""
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        yield lambda n: setattr(n, "op", OTHER[type(n.op)]())
    if isinstance(node, ast.AugAssign) and type(node.op) in OTHER:
        yield lambda n: setattr(n, "op", OTHER[type(n.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        yield lambda n: n.ops.__setitem__(0, OTHER[type(n.ops[0])]())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield lambda n: setattr(n, "attr", NAMES[n.attr])
    if isinstance(node, ast.IfExp):
        yield lambda n: setattr(n, "test", ast.Constant(True))
        yield lambda n: setattr(n, "test", ast.Constant(False))
