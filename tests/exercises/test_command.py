"""`python -m tinygen exercise`, as a learner uses it."""

import json
import os
import re
import subprocess
import sys

import pytest

from tinygen.__main__ import main
from tinygen.exercises import listing
from tinygen.exercises.progress import Progress
from tinygen.exercises.source import file_text, solution, stub
from tinygen.exercises.tracks import EXERCISES, TRACKS

MUL = EXERCISES["mul"]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """The exit code, the output and the errors of `tinygen exercise WORDS` in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str):
        monkeypatch.setattr(sys, "argv", ["tinygen", "exercise", *words])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert all(
            len(line) <= 80 for line in out.splitlines() if not line.startswith(("read: ", "Read about", "usage: "))
        )
        return code, out, err

    return call


def progress(folder):
    return json.loads((folder / "exercises" / "progress.json").read_text())


def test_the_path_of_a_learner(call, tmp_path):
    """The list, a start, a check that fails, hints, a right answer, the list again."""
    file = tmp_path / "exercises" / "mul.py"
    code, out, _ = call("list")
    assert code == 0 and not [*tmp_path.iterdir()]
    assert all(re.search(rf"^{track} ", out, re.MULTILINE) for track in TRACKS)
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in EXERCISES)
    assert f"Next: python -m tinygen exercise start {next(iter(EXERCISES))}" in out

    code, out, _ = call("start", "mul")
    assert code == 0 and "python -m tinygen exercise check mul" in out and "gradients.md" in out
    assert file.read_text(encoding="utf-8") == file_text(MUL, stub(MUL))

    code, out, _ = call("check")
    assert code == 1 and out.startswith(f"{file.relative_to(tmp_path)}\nmul: stage 1 of 5 failed\n  FAILED")
    for number in (1, 2, 3, 3):
        code, out, _ = call("hint", "mul")
        assert code == 0 and out.count("hint ") - out.count("exercise hint") == number
    assert "python -m tinygen exercise solution mul" in out

    file.write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    code, out, _ = call("check", "mul")
    assert code == 0 and "mul: all 5 stages passed" in out and "Next: python -m tinygen exercise start " in out
    entry = progress(tmp_path)["mul"]
    assert (entry["attempts"], entry["furthest"], entry["hints"], entry["looked"]) == (2, 5, 3, "") and entry["passed"]
    code, out, _ = call("list")
    assert re.search(r"^  mul .* passed$", out, re.MULTILINE) and "backpropagation " in out


def test_start_overwrites_nothing_and_reset_keeps_the_old_file(call, tmp_path):
    call("start", "mul", "--dir", "mine")
    (tmp_path / "mine" / "mul.py").write_text("my work")
    code, out, err = call("start", "mul", "--dir", "mine")
    assert (code, out) == (2, "") and "mine/mul.py exists already: continue with it, or begin again with" in err
    assert "exercise reset mul --dir mine" in err and (tmp_path / "mine" / "mul.py").read_text() == "my work"
    code, out, _ = call("reset", "mul", "--dir", "mine")
    assert code == 0 and out == "mine/mul.py is as at the start; your file is kept as mul.old.py\n"
    assert (tmp_path / "mine" / "mul.old.py").read_text() == "my work"
    assert (tmp_path / "mine" / "mul.py").read_text(encoding="utf-8") == file_text(MUL, stub(MUL))


def test_a_notebook_is_written_and_graded(call, tmp_path):
    code, out, _ = call("start", "mul", "--notebook")
    assert code == 0 and "run its last cell" in out
    book = json.loads((tmp_path / "exercises" / "mul.ipynb").read_text(encoding="utf-8"))
    book["cells"][1]["source"] = file_text(MUL, solution(MUL)).splitlines(keepends=True)
    (tmp_path / "exercises" / "mul.ipynb").write_text(json.dumps(book), encoding="utf-8")
    assert call("check")[0] == 0


def test_a_file_and_a_notebook_of_one_exercise_are_told_apart(call, tmp_path):
    assert "exists too" not in call("start", "mul", "--notebook")[1]
    code, out, _ = call("start", "mul")
    assert code == 0 and "mul.ipynb exists too: `check mul` grades the file that you changed last" in out
    assert "exercise reset mul\n" in call("start", "mul")[2]
    assert "exercise reset mul --notebook\n" in call("start", "mul", "--notebook")[2]
    assert "exercises/mul.ipynb is as at the start" in call("reset", "mul", "--notebook")[1]
    assert "exercises/mul.py is as at the start" in call("reset", "mul")[1]
    (tmp_path / "exercises" / "mul.py").unlink()
    assert "exercises/mul.ipynb is as at the start" in call("reset", "mul")[1]
    (tmp_path / "exercises" / "mul.ipynb").unlink()
    assert "expected exercises/mul.ipynb, which doesn't exist" in call("reset", "mul", "--notebook")[2]


def test_every_command_that_is_named_finds_the_folder(call, tmp_path):
    name, option = "my answers", "--dir 'my answers'"
    commands = re.compile(r"python -m tinygen exercise \w+(?: mul| \w+)?(.*)")

    def options(*words: str) -> list[str]:
        _, out, err = call(*words)
        return commands.findall(out + err)

    assert options("start", "mul", "--dir", "other") == [" --dir other"] * 2
    assert options("start", "mul", "--dir", name) == [f" {option}"] * 2
    assert options("start", "mul", "--dir", name) == [f" {option}"]
    assert options("check", "mul", "--dir", name) == [f" {option}"]
    assert options("list", "--dir", name) == [f" {option}"]
    for _ in range(2):
        call("hint", "mul", "--dir", name)
    assert options("hint", "mul", "--dir", name) == [f" {option}"]
    (tmp_path / name / "mul.py").write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    assert options("check", "mul", "--dir", name) == [f" {option}"] * 2
    (tmp_path / name / "mul.py").write_text("1 / 0", encoding="utf-8")
    assert options("check", "mul", "--dir", name) == [f" {option}"]


def test_the_next_exercise_is_one_of_the_same_track(tmp_path):
    done, tracks = Progress(tmp_path), {name: list(track) for name, track in TRACKS.items()}
    first, second, *_ = tracks.values()
    assert listing.following(done) is first[0]
    for last, then in ((first[2], first[3]), (second[0], second[1]), (second[-1], second[1])):
        assert listing.following(done, last) is last
        done.of(last).passed = "today"
        assert listing.following(done, last) is then
    for each in second:
        done.of(each).passed = "today"
    assert listing.following(done, second[2]) is [*tracks.values()][2][0]
    for each in EXERCISES.values():
        done.of(each).passed = "today"
    assert listing.following(done, second[2]) is None


def test_list_goes_on_where_the_last_file_is(call):
    call("start", "momentum")
    assert call("list")[1].endswith("Next: python -m tinygen exercise check momentum\n")


def test_solution_shows_the_lines_of_the_library_and_the_page_and_is_noted(call, tmp_path):
    code, out, _ = call("solution", "mul")
    assert code == 0 and solution(MUL) in out and "Read about it: " in out and "gradients.md" in out
    assert out.startswith("Noted: you looked at this before you passed mul. `list` shows that.\n")
    assert progress(tmp_path)["mul"]["looked"]
    call("start", "mul")
    (tmp_path / "exercises" / "mul.py").write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    assert "after a look" not in call("list")[1] and call("check", "mul")[0] == 0
    code, out, _ = call("list")
    assert re.search(r"^  mul .* passed \*$", out, re.MULTILINE) and "\n* after a look at the solution\n" in out


def test_a_solution_seen_after_passing_is_not_noted(call, tmp_path):
    call("start", "mul")
    (tmp_path / "exercises" / "mul.py").write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    call("check", "mul")
    assert "Noted" not in call("solution", "mul")[1] and not progress(tmp_path)["mul"]["looked"]
    assert "after a look" not in call("list")[1]


def test_a_file_is_recognised_by_its_first_line_and_where_it_is(call, tmp_path):
    (tmp_path / "answer 1.py").write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    code, out, _ = call("check", "answer 1.py")
    assert code == 0 and "--dir" not in out
    assert json.loads((tmp_path / "progress.json").read_text())["mul"]["passed"]
    code, out, _ = call("list")  # the folder is now one of a learner
    assert code == 0 and re.search(r"^  mul .* passed$", out, re.MULTILINE)


def test_what_a_file_prints_is_shown_and_a_syntax_error_is_one_message(call, tmp_path):
    text = file_text(MUL, solution(MUL))
    (tmp_path / "mul.py").write_text(text + "print('a' * 200)\nprint('b\\n' * 50)\n", encoding="utf-8")
    code, out, _ = call("check", "mul.py")
    assert code == 0 and "It prints:\n| aaa" in out and out.count("| b\n") == 9 and "| ...\n" in out
    (tmp_path / "mul.py").write_text(text.replace("return ", "return ((", 1), encoding="utf-8")
    code, out, err = call("check", "mul.py")
    assert code == 1 and "mul: not graded" in out and "SyntaxError in line" in out and "Traceback" not in out + err


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "tinygen: expected a command, got none: choose one from this list"),
        (["chek"], "tinygen: unknown command exercise chek (did you mean check?): choose one of list, start, "),
        (["start"], "exercise start: expected NAME (name of an exercise"),
        (["start", "mull"], "exercise start: expected the name of an exercise, got 'mull' (did you mean mul"),
        (["start", "mul", "--dir", "file"], "exercise start: expected a folder, got the file file: choose another"),
        (["start", "mul", "--notbook"], "exercise start: unknown option --notbook (did you mean --notebook?): tinygen"),
        (["check"], "exercise check: expected the file of an exercise in exercises, got none: begin with python -m"),
        (["check", "mul"], "exercise check: expected exercises/mul.py, which doesn't exist: begin with python -m"),
        (["check", "no.py"], "exercise check: expected the file of an exercise, got no.py, which doesn't exist: see"),
        (["check", "other.py"], "exercise check: expected the file of an exercise, got other.py: keep its first line"),
        (["check", "mul", "--seconds", "0"], "exercise check: expected --seconds to be a number above 0 and at most"),
        (["hint", "nothing"], "exercise hint: expected the name of an exercise, got 'nothing'"),
        (["solution", "mul", "more"], "exercise solution: expected no further argument, got more: tinygen exercise"),
        (["reset", "mul"], "exercise reset: expected exercises/mul.py, which doesn't exist: begin with python -m"),
    ],
)
def test_mistakes_are_refused_in_one_line_and_nothing_is_written(call, tmp_path, words, message):
    for name in ("file", "other.py"):
        (tmp_path / name).write_text("")
    code, _, err = call(*words)
    assert code == 2 and err.startswith(message) and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other.py"]


def test_the_learners_file_runs_by_itself(tmp_path):
    (tmp_path / "mul.py").write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    run = subprocess.run([sys.executable, "mul.py"], capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert run.returncode == 0 and run.stdout.startswith("mul: all 5 stages passed") and run.stderr == ""


@pytest.mark.parametrize("action", ["list", "start", "check", "hint", "solution", "reset", "grade"])
def test_every_command_explains_itself(call, action):
    code, out, _ = call(action, "--help")
    assert code == 0 and f"tinygen exercise {action}" in out
