"""Commands in this process, Python in processes of its own, and runs of the suite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT
from tinygen.__main__ import main


def tinygen(*words: str) -> int:
    """The exit code of `tinygen WORDS` in this process, which takes milliseconds where a new one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tinygen", *words])
        try:
            main()
        except SystemExit as end:
            return end.code
    return 0


def python(*arguments: str, root: Path = ROOT, path: tuple[Path, ...] = (), **environment: str):
    """The finished process of `python *arguments` in the project at `root`, with its output as text.

    `path` goes before everything else that Python imports from; `environment` is added to the present one.
    """
    folders = os.pathsep.join([*map(str, path), str(root), str(root / "tests"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": folders, **environment},
        capture_output=True,
        text=True,
        timeout=1200,
    )


def run_tests(*arguments: str, start: tuple[str, ...] = ("-m", "pytest"), **options):
    """The finished process of a run of the suite in the quick profile, without workers and without a cache."""
    options = {"TINYGEN_PROFILE": "quick", **options}
    return python(*start, "-n", "0", "-p", "no:cacheprovider", *arguments, **options)
