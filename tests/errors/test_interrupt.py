"""Ctrl-C during the imports of a command or an example: no traceback, exit code 130."""

import os
import subprocess
import sys

import pytest
from helpers.examples import EXAMPLES
from helpers.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only there can a program press Ctrl-C in itself")

STUB = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"  # in the place of NumPy, which is imported first
MAIN = ["-c", "import sys; sys.argv[0] = 'tinygen'; from tinygen.__main__ import main"]  # as the script `tinygen`
ENDS = [
    ["-m", "tinygen"],
    ["-m", "tinygen", "check"],
    MAIN,
    *([str(path)] for path in EXAMPLES),
]


def run(folder, arguments) -> subprocess.CompletedProcess:
    """The end of `python arguments` if Ctrl-C is pressed while NumPy is imported."""
    (folder / "numpy.py").write_text(STUB)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    reset = (
        "import signal, sys, os; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    command = [sys.executable, "-c", reset, sys.executable, *arguments]  # a child would inherit an ignored signal
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})


@pytest.mark.parametrize("arguments", ENDS, ids=lambda arguments: arguments[-1].rpartition("/")[2][-20:])
def test_a_program_of_tinygen_stops_without_a_traceback(tmp_path, arguments):
    ended = run(tmp_path, arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped\n")


def test_a_program_of_a_user_gets_the_exception(tmp_path):
    ended = run(tmp_path, ["-c", "import tinygen"])
    assert "KeyboardInterrupt" in ended.stderr and "stopped" not in ended.stderr
