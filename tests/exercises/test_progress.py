"""Progress: plain JSON that survives damage, and the folder that it belongs to."""

import json

import pytest

from tinygen.exercises import check, progress
from tinygen.exercises.source import file_text, load, shipped, stub
from tinygen.exercises.tracks import EXERCISES

MUL = EXERCISES["mul"]


def test_attempts_count_and_the_best_one_stays(tmp_path):
    for passed in (2, 1):
        progress.record(tmp_path, MUL, passed)
    entry = progress.read(tmp_path).of(MUL)
    assert (entry.attempts, entry.furthest, entry.passed) == (2, 2, "")
    progress.record(tmp_path, MUL, len(MUL.stages))
    first = progress.read(tmp_path).of(MUL).passed
    progress.record(tmp_path, MUL, 0)
    assert first and progress.read(tmp_path).of(MUL).passed == first
    assert json.loads((tmp_path / "progress.json").read_text())["mul"]["attempts"] == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"mul": 3}',
        b'{"mul": {"attempts": "many"}}',
        b'{"mul": {"hints": true}}',
        b"null",
    ],
)
def test_a_damaged_file_is_kept_aside_with_one_line(tmp_path, capsys, content):
    for name in ("progress.damaged.json", "progress.damaged.2.json"):
        (tmp_path / "progress.json").write_bytes(content)
        assert progress.read(tmp_path).entries == {}
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and "can't be read" in line and name in line
        assert (tmp_path / name).read_bytes() == content and not (tmp_path / "progress.json").exists()
    progress.record(tmp_path, MUL, 1)
    assert progress.read(tmp_path).of(MUL).attempts == 1


def test_unknown_exercises_and_keys_do_no_harm(tmp_path):
    (tmp_path / "progress.json").write_text('{"from a later version": {"attempts": 2, "new": 1}}')
    progress.record(tmp_path, MUL, 1)
    assert progress.read(tmp_path).entries["from a later version"].attempts == 2


# -- `check` in Python -------------------------------------------------------------------------------------------------


def test_check_prints_the_verdict_and_counts_in_a_folder_of_a_learner(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert check("mul", shipped(MUL))
    assert capsys.readouterr().out.startswith("mul: all 5 stages passed\n") and not [*tmp_path.iterdir()]
    progress.read(tmp_path).save()  # as `start` does
    assert not check("mul", load(MUL, file_text(MUL, stub(MUL))))
    entry = progress.read(tmp_path).of(MUL)
    assert (entry.attempts, entry.furthest) == (1, 0)


def test_check_refuses_other_names_and_what_is_no_function():
    with pytest.raises(ValueError, match=r"got 'mull' \(did you mean mul.*: `exercise list` shows all"):
        check("mull", len)
    with pytest.raises(TypeError, match=r"expected a function, got int: write check\('mul', mul\)"):
        check("mul", 3)
