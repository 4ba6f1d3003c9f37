"""Tests of the tests: each of these plugins adds something untested or wrong, and a run of the suite must fail.

One more plugin adds a correct op with a correct case. Its run passes, so it is the defects that make the others fail.
"""

from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.processes import run_tests

RIGHT = """
from datetime import date

import numpy as np
import tinygen as tg
from tinygen import kernels
from tinygen.testing import CASES, Case, Waiver


@tg.op
def canary(x):
    return 3 * x.data, lambda g: 3 * g


def sample(rng):
    return (np.asarray(rng.normal(size=(int(rng.integers(3)), 2))),), {}


case = dict(op=canary, sample=sample, oracle=lambda x: 3 * x, linear=("x",), exact=True, flat=True)
CASES["canary"] = Case(**case)
"""

PROPERTIES, LOCKS = "tests/testing/test_properties.py", "tests/testing/test_completeness.py"
KERNEL_LOCKS = "tests/kernels/test_completeness.py"

CANARIES = {  # what is wrong: (text of RIGHT, its replacement, the test that must fail, a phrase of its message)
    "an op without a case": ('CASES["canary"] = Case(**case)', "", LOCKS, "canary"),
    "a wrong derivative": ("lambda g: 3 * g", "lambda g: 2 * g", PROPERTIES, "its derivative in x"),
    "nothing but empty arrays": ("int(rng.integers(3))", "0", PROPERTIES, "was tested by 0 examples"),
    "NaN": ("return 3 * x.data,", "return np.nan * x.data,", PROPERTIES, "differs from the oracle"),
    "a kernel without a reference": (
        "CASES[",
        "kernels.COMPILED['canary'] = kernels.COMPILED['conv2d']\nCASES[",
        KERNEL_LOCKS,
        "canary has no reference",
    ),
    "an expired waiver": (
        "Case(**case)",
        "Case(**case, waivers=(Waiver('layout', 'to be done', date(2020, 1, 1)),))",
        LOCKS,
        "canary: layout (to be done)",
    ),
}


def run_with(plugin: str, folder: Path, *tests: str) -> CompletedProcess:
    """A run of the suite for the op `canary`, in a process that imports `plugin` first."""
    (folder / "canary_plugin.py").write_text(plugin, encoding="utf-8")
    return run_tests("-p", "canary_plugin", "--op=canary", *tests, path=(folder,))


QUICK = ("a wrong derivative",)  # each starts a process: the others run in the full profile


@pytest.mark.parametrize("name", CANARIES)
def test_a_canary_makes_the_run_fail(name, tmp_path, request, profile):
    if name not in QUICK:
        request.getfixturevalue("not_quick")
    old, new, tests, message = CANARIES[name]
    assert old in RIGHT
    run = run_with(RIGHT.replace(old, new), tmp_path, tests)
    assert run.returncode == 1, run.stdout + run.stderr
    assert message in run.stdout


@pytest.mark.usefixtures("not_quick")
def test_a_correct_op_passes(tmp_path):
    run = run_with(RIGHT, tmp_path, PROPERTIES, LOCKS)
    assert run.returncode == 0, run.stdout + run.stderr
