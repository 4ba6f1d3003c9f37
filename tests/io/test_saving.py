"""Saving a checkpoint: a save that fails keeps the old file, and what can't be saved is refused."""

import os
import stat

import numpy as np
import pytest

from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError

x = np.arange(4.0)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes and links")
def test_replacing_a_file_keeps_its_mode_and_follows_links(tmp_path):
    path, link = tmp_path / "real.npz", tmp_path / "link.npz"
    checkpoint.save(path, {"x": x})
    os.chmod(path, 0o640)
    link.symlink_to(path)
    checkpoint.save(link, {"x": x + 1})
    assert link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o640
    np.testing.assert_array_equal(checkpoint.load(path)[0]["x"], x + 1)
    assert sorted(os.listdir(tmp_path)) == ["link.npz", "real.npz"]


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    before = os.umask(0o022)
    try:
        checkpoint.save(tmp_path / "new.npz", {"x": x})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.npz").stat().st_mode) == 0o644


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_save_that_fails_raises_and_keeps_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "state.npz"
    checkpoint.save(path, {"x": x})

    def fail(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, broken, fail)
        checkpoint.save(path, {"x": x + 1})
    np.testing.assert_array_equal(checkpoint.load(path)[0]["x"], x)
    assert os.listdir(tmp_path) == ["state.npz"]


def test_an_unreadable_file_does_not_replace_a_readable_one(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    checkpoint.save(path, {"x": x})
    write = checkpoint._write_zip

    def careless(file, members, manifest):
        write(file, members, manifest)
        file.seek(50)
        file.write(b"?")

    with monkeypatch.context() as patch, pytest.raises(CheckpointError):
        patch.setattr(checkpoint, "_write_zip", careless)
        checkpoint.save(path, {"x": x + 1})
    np.testing.assert_array_equal(checkpoint.load(path)[0]["x"], x)


@pytest.mark.parametrize(
    ("content", "info", "kind", "words"),
    [
        ({"a/b": x}, {}, ValueError, "letters, digits, '_' and '.', got 'a/b': write 'a_b'"),
        ({"conv-1.weight": x}, {}, ValueError, "got 'conv-1.weight': write 'conv_1.weight'"),
        ({"": x}, {}, ValueError, "expected names of"),
        ({3: x}, {}, ValueError, "expected names of"),
        ({"x": np.array([{}], object)}, {}, TypeError, "expected booleans, integers or floats in x, got dtype object"),
        ({"x": x + 1j}, {}, TypeError, "got dtype complex128"),
        ({"x": x}, {"when": x}, TypeError, "not JSON serializable"),
        ({"x": x}, {"loss": float("nan")}, ValueError, "not JSON compliant"),
        (
            {"x": x},
            {"notes": "a" * 2**24},
            ValueError,
            "got 16,777,[0-9]+ for 1 arrays: combine small arrays",
        ),
    ],
)
def test_arguments_that_can_not_be_saved_are_refused_before_a_file_is_made(tmp_path, content, info, kind, words):
    with pytest.raises(kind, match=words):
        checkpoint.save(tmp_path / "state.npz", content, info)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_only_a_regular_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OSError, match=r"can't be written \(it is not a regular file\)"):
            checkpoint.save(tmp_path / name, {"w": np.zeros(2)})
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "folder", "link"}
