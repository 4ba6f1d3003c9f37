"""Machine code on disk is used until a file of the kernels changes; whatever happens to it, results stay right."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import config
from numba.core.dispatcher import Dispatcher

from tinygen.kernels.machine import jit, numba_internals

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")

MACHINE = Path(jit.__file__).parent
HELPER = """
from tinygen.kernels.machine.jit import piece

@piece
def number():
    return 1
"""
KERNEL = """
from tinygen.kernels.machine.helper import number
from tinygen.kernels.machine.jit import kernel

@kernel
def twice():
    return 2 * number()
"""
CALL = "from tinygen.kernels.machine.twice import twice; print(twice(), sum(twice.stats.cache_hits.values()))"


@pytest.fixture
def call(tmp_path):
    """Call in its own process a kernel whose helper is in another file: the value, and whether it was on disk."""
    folder = tmp_path / "tinygen" / "kernels" / "machine"
    folder.mkdir(parents=True)
    for package in (folder.parents[1], folder.parent, folder):
        (package / "__init__.py").touch()
    for name in ("jit.py", "numba_internals.py"):
        shutil.copy(MACHINE / name, folder)
    (folder / "twice.py").write_text(KERNEL)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def start():
        command = [sys.executable, "-B", "-c", CALL]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=-1, stderr=-1, text=True)

    def finish(process) -> tuple[int, bool]:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        value, hits = out.split()
        return int(value), hits == "1"

    def run(helper: str) -> tuple[int, bool]:
        run.write(helper)
        return finish(start())

    run.write, run.start, run.finish = (folder / "helper.py").write_text, start, finish
    return run


def test_a_kernel_is_compiled_anew_when_a_helper_in_another_file_has_changed(call):
    assert call(HELPER) == (2, False)
    assert call(HELPER) == (2, True)
    assert call(HELPER.replace("1", "3")) == (6, False)


def test_every_kernel_on_disk_knows_all_files():
    """It is told through a name that numba may change one day: then this fails, before anything old is run."""
    modules = [
        import_module(".".join(["tinygen.kernels", *file.relative_to(MACHINE.parent).with_suffix("").parts]))
        for file in MACHINE.parent.rglob("[a-z]*.py")
    ]
    kernels = [d for module in modules for d in vars(module).values() if isinstance(d, Dispatcher)]
    on_disk = {d for d in kernels if d.stats.cache_path}
    assert len(on_disk) > 25
    assert [d for d in on_disk if numba_internals.SOURCES not in d._cache._cache_file._made_for(())] == []


# -- damage ------------------------------------------------------------------------------------------------------------


def double(x):
    return 2 * x


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Call a kernel as a new process would: whether it came from disk, and what was said."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    config.reload_config()

    def call(broken=None):
        monkeypatch.setattr(numba_internals, "_said", set())
        kernel = jit.kernel(double)
        with broken or nullcontext():
            assert kernel(3.5) == 7
            assert kernel(3) == 6  # another signature, which has a file of its own
        return sum(kernel.stats.cache_hits.values()), capsys.readouterr().err.splitlines()

    call.files = lambda: sorted(path for path in tmp_path.rglob("*") if path.is_file())
    return call


def test_a_second_run_compiles_nothing(run):
    assert run() == (0, [])
    assert run() == (2, [])
    assert len(run.files()) == 2


DAMAGE = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 0.999), st.just(b"")),
    st.tuples(st.just("overwrite"), st.floats(0, 0.999), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("append"), st.just(1.0), st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("replace"), st.just(0.0), st.binary(max_size=100)),
)


def damaged(content: bytes, kind: str, where: float, new: bytes) -> bytes:
    at = int(where * len(content))
    if kind == "overwrite":
        return content[:at] + new + content[at + len(new) :]
    return (b"" if kind == "replace" else content[:at]) + new


def test_a_damaged_file_is_compiled_again_and_said_so_once(run, profile):
    run()

    @settings(
        max_examples={"quick": 20, "full": 200, "long": 2000}[profile],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(DAMAGE)
    def hold(damage):
        before = [file.read_bytes() for file in run.files()]
        after = [damaged(content, *damage) for content in before]
        for file, content in zip(run.files(), after):
            file.write_bytes(content)
        hits, lines = run()
        assert hits == sum(a == b for a, b in zip(before, after))
        assert len(lines) == (before != after)
        assert all("is damaged): compiling it again" in line for line in lines)
        assert run() == (2, [])  # the damaged files have been replaced

    hold()


def test_a_missing_file_is_compiled_again(run):
    run()
    run.files()[0].unlink()
    assert run() == (1, [])
    assert run() == (2, [])


def test_a_file_made_for_something_else_is_not_used(run, monkeypatch):
    run()
    with monkeypatch.context() as patch:
        patch.setattr(numba_internals, "SOURCES", b"of a change in some file")
        assert run() == (0, [])
    assert run() == (0, [])


def test_a_folder_in_the_place_of_a_file(run):
    run()
    for file in run.files():
        file.unlink()
        file.mkdir()
    hits, lines = run()
    assert hits == 0 and len(lines) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("step", ["makedirs", "replace"])
def test_a_folder_that_nothing_can_be_written_to(run, number, step):
    """A full disk, a folder without permission, a disk that is read-only."""

    def fail(*args, **settings):
        raise OSError(number, os.strerror(number))

    hits, lines = run(mock.patch.object(os, step, fail))
    assert hits == 0 and len(lines) == 1
    assert "can't be kept" in lines[0] and os.strerror(number) in lines[0]
    assert run.files() == []  # nothing half written either
    assert run()[1] == []


def test_no_folder_at_all(run, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    monkeypatch.setenv("NUMBA_CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    config.reload_config()
    hits, lines = run()
    assert hits == 0 and len(lines) == 1 and "every run compiles them again" in lines[0]


def test_nothing_is_said_where_stderr_is_closed(run, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    run()
    for file in run.files():
        file.write_bytes(b"")
    assert run() == (0, [])


def test_several_processes_on_a_cold_cache(call):
    """They compile at the same time; later processes find complete files."""
    call.write(HELPER)
    running = [call.start() for _ in range(3)]
    assert {call.finish(process) for process in running} <= {(2, False), (2, True)}
    assert call(HELPER) == (2, True)
