"""What is shipped: the source distribution, the metadata, and the versions of the tools that check the project."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser

import pytest
from helpers.architecture import PACKAGE
from helpers.paths import ROOT
from helpers.tools import requires

SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def tracked() -> set[str]:
    """The files under version control, as paths with forward slashes."""
    run = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    if run.returncode or not run.stdout:
        pytest.skip("this is not a git working tree")
    return {name for name in run.stdout.splitlines() if (ROOT / name).exists()}


@requires("build", "setuptools")
def test_the_source_distribution_contains_every_tracked_file(tmp_path):
    """So its tests run, and its documentation is whole. It is built from a copy: a build writes into its folder."""
    expected, source = tracked(), tmp_path / "source"
    for name in expected:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        modes = {member.name.partition("/")[2]: member.mode for member in file.getmembers() if member.isfile()}
    made = {name for name in modes if name.startswith("tinygen.egg-info/")} | {"PKG-INFO"}
    assert modes.keys() - made == expected
    assert modes[".ci/run"] & 0o100, ".ci/run has lost its permission to run"


@requires("setuptools")
def test_the_wheel_contains_every_package():
    from setuptools import find_packages

    found = find_packages(str(ROOT), include=[SETUP["options.packages.find"]["include"]])
    assert {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in PACKAGE} == set(found)


def test_an_editable_install_is_a_path_that_editors_read():
    """setuptools writes the root to a .pth file if it is the package folder; else a hook, which no editor follows."""
    assert SETUP["options"]["package_dir"].split("=")[-1].strip() == "."


def test_tools_have_one_version():
    """The extra `dev`, from which pre-commit runs them, has the versions of .ci/run."""
    pinned = dict(re.findall(r"\b(ruff|pyright|mypy)==([\d.]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert pinned == dict(re.findall(r"(ruff|pyright|mypy)==([\d.]+)", SETUP["options.extras_require"]["dev"]))
    assert set(pinned) == {"ruff", "pyright", "mypy"}


def test_the_version_is_the_same_everywhere():
    from tinygen import __version__

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [__version__]


@pytest.mark.parametrize("name", "CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE README.md SECURITY.md".split())
def test_the_files_that_engineers_look_for_are_there(name):
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_ci_runs_on_every_machine():
    assert os.name != "posix" or os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "run: .ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
