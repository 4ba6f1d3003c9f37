"""The wheel, as a user installs it: the command `tinygen`, the examples and lessons, and types for editors.

A fresh virtual environment sees the packages of this one, so nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.tools import requires

from tinygen import __version__
from tinygen.io.examples import example_files

pytestmark = [pytest.mark.usefixtures("not_quick"), pytest.mark.skipif(os.name != "posix", reason="paths of a venv")]

SCRIPT = """
import numpy as np

import tinygen as tg
from tinygen import grad, nn, optim
from tinygen.models import VAE

rng = np.random.default_rng(0)
model: VAE = VAE.dense((8, 8, 1), (32,), 2, rng=rng)
opt = optim.Adam(model.parameters(), 1e-3)
loss: tg.Tensor = model.loss(np.zeros((4, 8, 8, 1), np.float32), rng)
opt.step(grad(loss, model.parameters()))
x = tg.Parameter(np.ones((1, 4, 4, 1), np.float32))
y: tg.Tensor = tg.conv2d(x, tg.Parameter(np.ones((3, 3, 1, 2), np.float32)), padding=1)
z: tg.Tensor = tg.exp(y) + 2 * tg.relu(y).mean() - nn.Dense(2, 2, rng=rng)(y)
samples: np.ndarray = model.sample(3, rng)
print(loss.item(), samples.shape)
"""
WRONG = "import tinygen as tg\nfrom tinygen import conv2d\ntg.Tensor([1.0]).nope\nconv2d(tg.Tensor([1.0]), strid=2)\n"


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess:
    """A program in a folder of the user, without the checkout on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=folder, env=environment, timeout=300
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder of the programs of a virtual environment in which the wheel is installed."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    source, home = folder / "source", folder / "venv"
    skip = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    for name in ("tinygen", "examples", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=skip)
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    built = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source, folder=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("tinygen-*.whl")
    venv.create(home)
    (site,) = home.glob("lib/python*/site-packages")
    packages = Path(pytest.__file__).parents[1]  # those of the environment that runs the tests
    (site / "these.pth").write_text(f"{packages}\n")
    done = run(*pip, "--python", home / "bin" / "python", "install", "--no-deps", "--no-index", wheel, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "bin"


def test_the_wheel_has_the_command(installed, tmp_path):
    for command in ([installed / "tinygen"], [installed / "python", "-m", "tinygen"]):
        shown = run(*command, "--version", folder=tmp_path)
        assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"tinygen {__version__}\n", "")
    assert run(installed / "tinygen", "chek", folder=tmp_path).stderr.startswith("tinygen: unknown command chek")


def test_the_command_copies_the_examples_and_they_run(installed, tmp_path):
    listed = run(installed / "tinygen", "examples", "mine", folder=tmp_path)
    assert listed.returncode == 0 and "Start with: python mine/tour.py" in listed.stdout, listed.stderr
    files = example_files()
    copied = [path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*") if path.is_file()]
    assert sorted(copied) == sorted(files)
    assert all((tmp_path / "mine" / path).read_bytes() == (ROOT / "examples" / path).read_bytes() for path in files)
    again = run(installed / "tinygen", "examples", "mine", folder=tmp_path)
    assert again.returncode == 1 and "exist already, and nothing was copied" in again.stderr
    example = run(installed / "python", "mine/mnist/vae.py", "--data", "digits", "--quick", folder=tmp_path)
    assert example.returncode == 0 and (tmp_path / "runs" / "vae" / "index.html").exists(), example.stderr


def test_a_learner_begins_outside_the_checkout(installed, tmp_path):
    tinygen = installed / "tinygen"
    listed = run(tinygen, "exercise", "list", folder=tmp_path)
    assert listed.returncode == 0 and "Next: python -m tinygen exercise start" in listed.stdout, listed.stderr
    begun = run(tinygen, "exercise", "start", "mul", folder=tmp_path)
    page = Path(begun.stdout.rpartition("Read about it: ")[2].strip())
    assert begun.returncode == 0 and page.read_bytes() == (ROOT / "docs" / "gradients.md").read_bytes()
    failed = run(tinygen, "exercise", "check", folder=tmp_path)
    assert failed.returncode == 1 and "mul: stage 1 of 5 failed" in failed.stdout and str(page) in failed.stdout
    file = tmp_path / "exercises" / "mul.py"
    file.write_text(file.read_text().replace("    ...", "    return a.data * b.data, lambda g: g * b, lambda g: g * a"))
    assert run(tinygen, "exercise", "check", folder=tmp_path).returncode == 0
    alone = run(installed / "python", file, folder=tmp_path)
    assert "mul: all 5 stages passed" in alone.stdout and alone.stderr == ""
    graded = run(tinygen, "exercise", "grade", "exercises", "--csv", "table.csv", folder=tmp_path)
    assert graded.returncode == 0 and "1 submissions, 1 passed" in graded.stdout, graded.stderr


def test_verify_finds_the_lessons_of_the_wheel(installed, tmp_path):
    unknown = run(installed / "tinygen", "verify", "no_such_lesson", folder=tmp_path)
    assert unknown.returncode == 2 and "choose from" in unknown.stderr
    done = run(installed / "tinygen", "verify", "engine_in_40_lines", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "checker",
    [
        pytest.param(["pyright", "--pythonpath"], marks=requires("pyright")),
        pytest.param(["mypy", "--strict", "--python-executable"], marks=requires("mypy")),
    ],
    ids=["pyright", "mypy"],
)
def test_type_checkers_accept_a_users_script(installed, tmp_path, checker):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    shown = run(installed / "python", "script.py", folder=tmp_path)
    assert shown.returncode == 0 and "(3, 8, 8, 1)" in shown.stdout, shown.stderr
    command = [sys.executable, "-m", *checker, installed / "python"]
    right, wrong = (run(*command, name, folder=tmp_path) for name in ("script.py", "wrong.py"))
    assert right.returncode == 0, right.stdout + right.stderr
    assert "nope" in wrong.stdout and "strid" in wrong.stdout, wrong.stdout  # the checker has read the types
