"""Completeness: no op or operator without its tests, and Nodes are made in two places only."""

import ast
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import tinygen as tg
from tinygen import OPS, Tensor, ops
from tinygen.errors.hints import Elsewhere
from tinygen.testing import CASES
from tinygen.testing.properties import PROPERTIES

PACKAGE = Path(tg.__file__).parent
COMPOSITIONS = {
    "batch_norm",
    "flatten",
    "layer_norm",
    "resize",
    "upsample",
    "where",
}  # public functions

# -- ops and cases -----------------------------------------------------------------------------------------------------


def test_every_op_has_a_case_and_every_case_an_op():
    missing = {name: op.__module__.rpartition(".")[2] for name, op in OPS.items() if name not in CASES}
    assert not missing, "\n".join(
        f"{name}: add Case(op={name}, sample=..., oracle=...) to tinygen/testing/cases/{file}.py"
        for name, file in missing.items()
    )
    assert set(CASES) - set(OPS) == COMPOSITIONS


def test_every_public_name_of_ops_is_an_op_or_a_listed_composition():
    assert set(ops.__all__) - set(OPS) == COMPOSITIONS
    assert set(tg.__all__) >= set(ops.__all__)


def test_every_plain_op_is_public():
    """Ops that exist for speed are not."""
    for_speed = (ops.backward.__name__, ops.fused.__name__)
    plain = {
        name for name, op in OPS.items() if op.__module__.startswith("tinygen.ops.") and op.__module__ not in for_speed
    }
    assert plain == set(ops.__all__) - COMPOSITIONS, "import the file of the op in tinygen/ops/__init__.py"


@pytest.mark.parametrize("op", sorted(CASES))
def test_the_flags_of_a_case_name_existing_arguments(op):
    case = CASES[op]
    assert set(case.linear) | set(case.added) <= set(case.arguments)
    assert {waiver.property for waiver in case.waivers} <= set(PROPERTIES)
    assert not case.exact or case.linear, "exact is for linear ops"


def test_no_waiver_is_needed_and_none_has_expired():
    waivers = [(case.name, waiver) for case in CASES.values() for waiver in case.waivers]
    assert [f"{op}: {w.property} ({w.reason})" for op, w in waivers if w.expires < date.today()] == []
    assert len(waivers) == 0, "the number of waivers may only fall"


# -- operators and methods of Tensor -----------------------------------------------------------------------------------

MATRIX, OTHER = Tensor(np.ones((3, 3))), np.full((3, 3), 2.0)

OPERATORS = {  # attribute of Tensor: (its op, arguments for a test call)
    "__add__": ("add", [OTHER]),
    "__radd__": ("add", [OTHER]),
    "__sub__": ("sub", [OTHER]),
    "__rsub__": ("sub", [OTHER]),
    "__mul__": ("mul", [OTHER]),
    "__rmul__": ("mul", [OTHER]),
    "__truediv__": ("div", [OTHER]),
    "__rtruediv__": ("div", [OTHER]),
    "__pow__": ("pow", [OTHER]),
    "__rpow__": ("pow", [OTHER]),
    "__matmul__": ("matmul", [OTHER]),
    "__rmatmul__": ("matmul", [OTHER]),
    "__neg__": ("neg", []),
    "__abs__": ("abs", []),
    "__iadd__": ("add", [OTHER]),
    "__isub__": ("sub", [OTHER]),
    "__imul__": ("mul", [OTHER]),
    "__itruediv__": ("div", [OTHER]),
    "__ipow__": ("pow", [OTHER]),
    "__imatmul__": ("matmul", [OTHER]),
    "__getitem__": ("getitem", [(0, slice(1))]),
    "astype": ("astype", [np.float64]),
    "max": ("max", [1]),
    "mean": ("mean", [1]),
    "min": ("neg", [1]),  # -max(-x)
    "reshape": ("reshape", [9]),
    "sum": ("sum", [1]),
    "transpose": ("transpose", []),
    "T": ("transpose", None),
    "var": ("var", [1]),
}
NOT_DIFFERENTIABLE = {  # attributes, text, and operations that are refused
    *("data", "node", "shape", "ndim", "size", "dtype", "requires_grad", "grad", "backward", "numpy", "item", "detach"),
    *("__array__", "__array_ufunc__", "__array_function__", "__bool__", "__float__", "__len__", "__iter__"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__setitem__"),
    *("__pos__", "__int__", "__round__", "__format__", "__dir__"),
    *("__init__", "__repr__", "__reduce__", "__doc__", "__module__", "__slots__"),
}


def test_every_attribute_of_a_tensor_is_an_op_or_listed():
    public = {name for name, value in vars(Tensor).items() if not isinstance(value, Elsewhere)}
    public = {name for name in public if not name.startswith("_") or name.startswith("__")}
    public.discard("__annotations__")  # Python makes it when a debugger or a plugin first reads it
    assert public == OPERATORS.keys() | NOT_DIFFERENTIABLE


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_and_methods_are_the_ops_of_their_names(name):
    op, arguments = OPERATORS[name]
    with tg.trace() as calls:
        y = getattr(MATRIX, name) if arguments is None else getattr(MATRIX, name)(*arguments)
    assert calls[-1][0] is OPS[op]
    assert calls[-1][3] is y


# -- private ways ------------------------------------------------------------------------------------------------------


def names_in(node: ast.AST, name: str) -> bool:
    return name == getattr(node, "id", getattr(node, "attr", ""))


def files_with(condition) -> set[str]:
    """The files of the package in whose syntax tree `condition` holds for some node."""
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(condition(node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    }


def test_nodes_are_made_in_two_places():
    makers = files_with(lambda node: isinstance(node, ast.Call) and names_in(node.func, "Node"))
    assert {path for path in makers if path.split("/")[0] != "exercises"} == {"tensor.py", "op.py"}


def test_only_kernels_are_compiled():
    compiled = files_with(lambda node: names_in(node, "njit") or names_in(node, "jit"))
    assert {path.split("/")[0] for path in compiled} <= {"kernels"}


def test_only_kernels_use_memory_before_it_is_written():
    users = files_with(lambda node: names_in(node, "empty") or names_in(node, "empty_like"))
    assert {path for path in users if path.split("/")[0] in ("ops", "nn", "optim", "functional.py", "op.py")} == set()
