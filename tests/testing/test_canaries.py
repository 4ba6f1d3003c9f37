"""Tests of the locks: six ways to bring in something untested or wrong, and each must turn a run of the suite red.

Each canary is a plugin for a run of its own. The seventh brings in a right op with a right case: that run is green, so
it is the defects that the others die of.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

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

CANARIES = {  # what is wrong: (what is put in place of what, where it must be noticed, a word of the complaint)
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


def run_with(plugin: str, folder: Path, *tests: str) -> subprocess.CompletedProcess:
    """A run of the suite for the op `canary`, in a process where `plugin` is imported first."""
    (folder / "canary_plugin.py").write_text(plugin)
    root = ROOT
    path = os.pathsep.join([str(folder), str(root), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "canary_plugin",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "--op=canary",
    ]
    environment = {**os.environ, "PYTHONPATH": path, "TINYGEN_PROFILE": "quick"}
    return subprocess.run([*command, *tests], env=environment, cwd=root, capture_output=True, text=True)


QUICK = ("a wrong derivative",)  # each costs a process: the others are left to the full profile


@pytest.mark.parametrize("name", CANARIES)
def test_canary_dies(name, tmp_path, request, profile):
    if name not in QUICK:
        request.getfixturevalue("not_quick")
    old, new, tests, complaint = CANARIES[name]
    assert old in RIGHT
    run = run_with(RIGHT.replace(old, new), tmp_path, tests)
    assert run.returncode == 1, run.stdout + run.stderr
    assert complaint in run.stdout


@pytest.mark.usefixtures("not_quick")
def test_a_right_op_lives(tmp_path):
    run = run_with(RIGHT, tmp_path, PROPERTIES, LOCKS)
    assert run.returncode == 0, run.stdout + run.stderr
