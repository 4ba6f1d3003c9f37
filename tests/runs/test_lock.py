"""One process per folder, any number of processes that save one file: with real processes, killed in the middle."""

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinygen.io import checkpoint, files
from tinygen.runs import lock
from tinygen.runs.run import RunError, open_run

HOLD = """
import sys
from tinygen.runs.run import open_run
run = open_run(sys.argv[1], {})
print("begun", flush=True)
sys.stdin.read()
run.finish({})
print("finished", flush=True)
sys.stdin.read()
"""
START = """
import sys
from tinygen.runs.run import RunError, open_run
print("ready", flush=True)
sys.stdin.readline()
try:
    run = open_run(sys.argv[1], {})
    run.log(1, process=int(sys.argv[2]))
except RunError as error:
    print(error, flush=True)
else:
    print("begun", flush=True)
sys.stdin.read()
"""
SAVE = """
import sys
import numpy as np
from tinygen.io import checkpoint
for i in range(int(sys.argv[2])):
    checkpoint.save(sys.argv[1], {"x": np.full(3000, i)}, {"i": i})
"""
HALF = """
import os, sys, time
from tinygen.io import files
with files.replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def process(code, *arguments):
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **pipes)


@pytest.fixture
def started():
    """Processes that are killed when the test ends, however it ends."""
    all_of_them = []

    def start(code, *arguments):
        all_of_them.append(process(code, *arguments))
        return all_of_them[-1]

    yield start
    for each in all_of_them:
        each.kill()
        each.communicate(timeout=20)


# -- one process in a folder -------------------------------------------------------------------------------------------


def test_one_process_has_a_folder_until_it_ends(tmp_path, started):
    holder = started(HOLD, tmp_path)
    assert holder.stdout.readline() == "begun\n"
    before = sorted(path.name for path in tmp_path.iterdir())
    for how in (dict(), dict(resume=True), dict(overwrite=True)):
        with pytest.raises(RunError, match=rf"is used by process {holder.pid}: wait until it ends, or choose another"):
            open_run(tmp_path, {}, **how)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    holder.kill()
    holder.wait(timeout=20)
    assert (tmp_path / lock.NAME).exists()  # the file is left, but not locked
    run = open_run(tmp_path, {}, overwrite=True)
    assert (tmp_path / lock.NAME).read_text() == str(os.getpid())
    run.finish({})
    assert not (tmp_path / lock.NAME).exists()


def test_one_of_several_processes_that_start_at_once_gets_the_folder(tmp_path, started):
    many = [started(START, tmp_path / "run", i) for i in range(4)]
    for each in many:
        assert each.stdout.readline() == "ready\n"
    for each in many:
        each.stdin.write("\n")
        each.stdin.flush()
    said = [each.stdout.readline() for each in many]
    (first,) = (i for i, line in enumerate(said) if line == "begun\n")
    others = [line for line in said if line != "begun\n"]
    assert len(others) == 3 and all(re.search(r"used by (another )?process|an unfinished run", s) for s in others)
    assert (tmp_path / "run" / "log.jsonl").read_text() == f'{{"step": 1, "process": {first}}}\n'


def test_runs_of_one_process_share_the_lock(tmp_path):
    """As in a notebook, where an interrupted cell left a run open."""
    first = open_run(tmp_path, {})
    second = open_run(tmp_path, {}, overwrite=True)
    del first
    assert (tmp_path / lock.NAME).exists()
    del second
    assert not (tmp_path / lock.NAME).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_neither_holds_nor_releases_the_lock(tmp_path):
    run, (reading, writing) = open_run(tmp_path, {}), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            open_run(tmp_path, {}, overwrite=True)
        except RunError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    assert f"used by process {os.getpid()}" in os.read(reading, 1000).decode()
    os.close(reading)
    assert (tmp_path / lock.NAME).exists()
    run.finish({})


class Msvcrt:
    """The part of the Windows module that the lock uses."""

    LK_NBLCK = 2

    @staticmethod
    def locking(descriptor, mode, count):
        import fcntl

        assert os.lseek(descriptor, 0, os.SEEK_CUR) > 2**20 and (mode, count) == (2, 1)  # a byte that is never read
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None


@pytest.mark.skipif(os.name == "nt", reason="there, all other tests use the real module")
def test_the_lock_of_windows(tmp_path, started, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", Msvcrt)
    run = open_run(tmp_path, {})
    assert (tmp_path / lock.NAME).read_text() == str(os.getpid())
    other = started(START, tmp_path, 0)
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("\n")
    other.stdin.flush()
    assert f"used by process {os.getpid()}" in other.stdout.readline()
    run.finish({})
    assert not (tmp_path / lock.NAME).exists()
    holder = started(HOLD, tmp_path / "b")
    assert holder.stdout.readline() == "begun\n"
    with pytest.raises(RunError, match=f"used by process {holder.pid}"):
        open_run(tmp_path / "b", {})


def test_a_file_system_without_locks_is_allowed(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    if lock.fcntl is None:
        pytest.skip("Windows always has locks")
    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    open_run(tmp_path, {}).log(1, loss=2)


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    try:
        (tmp_path / "run" / lock.NAME).symlink_to(tmp_path / "mine")
    except OSError:
        pytest.skip("this system has no links")
    with pytest.raises(
        OSError, match=r"run can't be written \(.*\): choose another folder with out=... \(--out in a shell\)"
    ):
        open_run(tmp_path / "run", {})
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_an_error_in_one_line(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock.os, "open", refuse)
    with pytest.raises(
        PermissionError,
        match=r"run can't be written \(Permission denied\): choose another folder with out=... \(--out in a shell\)$",
    ):
        open_run(tmp_path / "run", {})


def test_out_may_be_a_link_to_a_folder(tmp_path):
    (tmp_path / "real").mkdir()
    try:
        (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
        (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    except OSError:
        pytest.skip("this system has no links")
    run = open_run(tmp_path / "link", {})
    assert (tmp_path / "real" / "config.json").exists() and run.path("a.png") == tmp_path / "link" / "a.png"
    with pytest.raises(
        NotADirectoryError, match=r"expected a folder, got a broken link, .*nowhere: choose another folder"
    ):
        open_run(tmp_path / "nowhere", {})


# -- one file, several processes that save it --------------------------------------------------------------------------


def test_readers_see_whole_files_while_processes_and_threads_save(tmp_path, started):
    path, threads = tmp_path / "state.npz", 2
    checkpoint.save(path, {"x": np.full(3000, 0)}, {"i": 0})
    savers = [started(SAVE, path, 30) for _ in range(2)]
    stop = threading.Event()

    def save():
        for i in range(30):
            checkpoint.save(path, {"x": np.full(3000, i)}, {"i": i})

    def read():
        count = 0
        while not stop.is_set():
            arrays, info = checkpoint.load(path)
            assert (arrays["x"] == info["i"]).all()
            count += 1
        return count

    with ThreadPoolExecutor(threads + 1) as pool:
        reader, own = pool.submit(read), [pool.submit(save) for _ in range(threads)]
        try:
            for each in own:
                each.result(timeout=60)
            for each in savers:
                _, said = each.communicate(timeout=60)
                assert each.returncode == 0, said
        finally:
            stop.set()
        assert reader.result(timeout=20) > 10
    assert os.listdir(tmp_path) == ["state.npz"]


def test_the_temporary_file_of_a_killed_save_is_deleted(tmp_path, started):
    killed, alive = (started(HALF, tmp_path / "state.npz") for _ in range(2))
    assert killed.stdout.readline() == alive.stdout.readline() == "writing\n"
    killed.kill()
    killed.wait(timeout=20)
    others = [".state.npz.tmp", ".tinygen-notes.tmp", f".tinygen-00000000-{killed.pid}-00000000.tmp", "x.tmp"]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    old = tmp_path / f".tinygen-{files.HOST}-{os.getpid()}-00000000.tmp"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert len(os.listdir(tmp_path)) == 7
    files.replace(tmp_path / "state.npz", b"whole")
    left = set(os.listdir(tmp_path)) - {"state.npz", *others}
    if os.name == "posix":  # elsewhere it is unknown which processes are alive
        (name,) = left
        assert f"-{alive.pid}-" in name
    assert old.name not in left and (tmp_path / "state.npz").read_bytes() == b"whole"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_file_that_cannot_be_replaced_stays_and_raises(tmp_path, monkeypatch, broken):
    files.replace(tmp_path / "a.txt", b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        words = r"a.txt can't be written \(No space left on device\); it did not change"
        with pytest.raises(OSError, match=words) as error:
            files.replace(tmp_path / "a.txt", b"new")
    assert error.value.errno == 28 and os.listdir(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"old"
