"""Machine code on disk is used for as long as no file of the kernels has changed: no longer, and no shorter."""

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from numba import config
from numba.core.dispatcher import Dispatcher

from tinygen.kernels import jit

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")

KERNELS = Path(jit.__file__).parent
HELPER = """
from tinygen.kernels.jit import piece

@piece
def number():
    return 1
"""
KERNEL = """
from tinygen.kernels.helper import number
from tinygen.kernels.jit import kernel

@kernel
def twice():
    return 2 * number()
"""
CALL = "from tinygen.kernels.twice import twice; print(twice(), sum(twice.stats.cache_hits.values()))"


@pytest.fixture
def call(tmp_path):
    """Call, in a process of its own, a kernel whose helper stands in another file: its value, and whether from disk."""
    folder = tmp_path / "tinygen" / "kernels"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name in ("__init__.py", "reference.py", "jit.py"):
        shutil.copy(KERNELS / name, folder)
    (folder / "twice.py").write_text(KERNEL)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run(helper: str) -> tuple[int, bool]:
        (folder / "helper.py").write_text(helper)
        command = [sys.executable, "-B", "-c", CALL]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        value, hits = done.stdout.split()
        return int(value), hits == "1"

    return run


def test_a_kernel_is_compiled_anew_when_a_helper_in_another_file_has_changed(call):
    assert call(HELPER) == (2, False)
    assert call(HELPER) == (2, True)
    assert call(HELPER.replace("1", "3")) == (6, False)


def test_every_kernel_on_disk_knows_all_files():
    """It is told through a name that numba may change one day: then this fails, before anything old is run."""
    modules = [import_module(f"tinygen.kernels.{file.stem}") for file in KERNELS.glob("[a-z]*.py")]
    kernels = [d for module in modules for d in vars(module).values() if isinstance(d, Dispatcher)]
    on_disk = {d for d in kernels if d.stats.cache_path}
    assert len(on_disk) > 50
    assert [d for d in on_disk if d._cache._cache_file._source_stamp[-1] != jit.SOURCES] == []
