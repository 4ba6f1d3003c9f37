"""The page docs/your_own_op.md is followed literally, in a copy of the project."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.processes import python, run_tests

EDIT = re.compile(
    r"^Add (?:at the end of|below `+(?P<anchor>.+?)`+ in) `(?P<file>[^`]+)`:\n\n```\w+\n(?P<block>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
OP, CASE, LINE = "tinygen/ops/elementwise.py", "tinygen/testing/cases/elementwise.py", "docs/rules.md"
LOCKS = (
    "tests/testing/test_completeness.py",
    "tests/parity/test_ops_parity.py::test_every_op_has_a_counterpart_or_a_reason",
    "tests/project/test_docs.py::test_the_page_of_rules_names_every_op",
)


def edits() -> dict[str, re.Match]:
    page = (ROOT / "docs" / "your_own_op.md").read_text(encoding="utf-8")
    return {edit["file"]: edit for edit in EDIT.finditer(page)}


def copy_with(folder: Path, *files: str) -> Path:
    """A copy of the project in which these files have the edits of the page."""
    for name in ("tinygen", "tests", "docs"):  # with compiled kernels, which are valid for the times of the sources
        shutil.copytree(ROOT / name, folder / name)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "README.md", folder / "examples")  # a page too
    for name in files:
        edit, path = edits()[name], folder / name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if edit["anchor"] is None:
            lines += ["\n\n", edit["block"]]
        else:
            lines.insert(next(i for i, line in enumerate(lines, 1) if edit["anchor"] in line), edit["block"])
        path.write_text("".join(lines), encoding="utf-8")
    return folder


def test_the_page_edits_the_op_its_case_and_its_line_in_the_documentation():
    assert list(edits()) == [OP, CASE, LINE]


def test_the_op_of_the_page_passes_the_battery(tmp_path, profile):
    root = copy_with(tmp_path, OP, CASE, LINE)
    battery = run_tests("tests/testing/test_properties.py", "--op", "squareplus", root=root)
    assert battery.returncode == 0, battery.stdout + battery.stderr
    checked = python("-m", "tinygen", "check", "squareplus", root=root)
    assert checked.returncode == 0 and "1 op, 1 argument: all right" in checked.stdout, checked.stdout
    if profile != "quick":
        locks = run_tests(*LOCKS, root=root)
        assert locks.returncode == 0, locks.stdout + locks.stderr


@pytest.mark.usefixtures("not_quick")
@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (CASE, "squareplus: add Case(op=squareplus, sample=..., oracle=...) to tinygen/testing/cases/elementwise.py"),
        (LINE, "squareplus: add a line with the op and its rule to docs/rules.md"),
    ],
)
def test_without_an_edit_the_suite_names_the_file(missing, message, tmp_path):
    root = copy_with(tmp_path, *{OP, CASE, LINE} - {missing})
    run = run_tests(*LOCKS, root=root)
    assert run.returncode == 1 and message in run.stdout, run.stdout + run.stderr
