"""The files of a learner: Python files and notebooks, never overwritten, and recognised."""

import json
import sys

import pytest

from tinygen.exercises import folder
from tinygen.exercises.source import file_text, load, shipped, stub
from tinygen.exercises.submission import Unreadable, exercise_of, function_of, text_of
from tinygen.exercises.tracks import EXERCISES

MUL = EXERCISES["mul"]
exercise_of_each = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@exercise_of_each
def test_both_kinds_of_files_define_the_function_and_name_the_exercise(exercise, tmp_path):
    for notebook in (False, True):
        path = folder.write(exercise, tmp_path, notebook=notebook)
        renamed = path.rename(tmp_path / f"my work{path.suffix}")
        assert exercise_of(renamed) is exercise
        assert function_of(exercise, renamed).__name__ == exercise.function


@exercise_of_each
def test_a_notebook_has_a_question_the_code_and_the_check(exercise):
    text = file_text(exercise, stub(exercise))
    cells = json.loads(folder.notebook_text(exercise, text))["cells"]
    question, code, check = ("".join(cell["source"]) for cell in cells)
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "code"]
    assert exercise.title in question and exercise.question in question and "Check it" not in question
    assert callable(load(exercise, code)) and "__main__" not in code and '"""Exercise' not in code
    assert f'check("{exercise.name}", {exercise.function});' in check


@exercise_of_each
def test_the_name_of_a_file_hides_no_module_from_a_learner(exercise):
    assert exercise.name not in sys.stdlib_module_names | {"numpy", "scipy", "numba", "tinygen", "tyro"}
    assert exercise.name.isidentifier()


def test_nothing_is_overwritten_and_reset_keeps_all_versions(tmp_path):
    path = folder.write(MUL, tmp_path)
    with pytest.raises(FileExistsError):
        folder.write(MUL, tmp_path)
    names = []
    for version in ("first", "second", "third"):
        path.write_text(version)
        kept = folder.set_aside(path)
        folder.write(MUL, tmp_path)
        names.append(kept.name)
        assert kept.read_text() == version
    assert names == ["mul.old.py", "mul.old.2.py", "mul.old.3.py"]
    assert folder.started(tmp_path) == [path] == folder.files_of(MUL, tmp_path)


def test_a_notebook_with_magics_and_checks_is_read(tmp_path):
    path = folder.write(MUL, tmp_path, notebook=True)
    book = json.loads(path.read_text(encoding="utf-8"))
    book["cells"].append({"cell_type": "code", "source": ["%matplotlib inline\n", "!ls\n", "x = 1\n"]})
    path.write_text(json.dumps(book))
    assert "x = 1" in text_of(path) and "%" not in text_of(path) and "check(" not in text_of(path)


@pytest.mark.parametrize(
    "content, message",
    [
        ("def mul(a, b:\n", "SyntaxError in line 1, "),
        ("import nothing_of_that_name", "ModuleNotFoundError in line 1: No module named"),
        ("\n\nx = 1 / 0", "ZeroDivisionError in line 3: division by zero"),
        ("import sys\nsys.exit(3)", "It ends the program in line 2: leave out sys.exit() and exit()"),
        ("raise ValueError('mine')", "ValueError in line 1: mine"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt in line 1"),
        ("mul = 3", "expected a function mul in mul.py, got none: keep its name"),
        (b"x = '\xff'", "SyntaxError, "),
        (b"x = 1\0", ("source code string", "SyntaxError")),
        (b"#" * 1_000_001, "expected a file of at most 1,000,000 bytes, got 1,000,001"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, content, message):
    path = tmp_path / "mul.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Unreadable) as refused:
        function_of(MUL, path)
    assert str(refused.value).startswith(message)


def test_a_notebook_that_is_none_is_refused(tmp_path):
    (tmp_path / "mul.ipynb").write_text("{}")
    with pytest.raises(Unreadable, match="expected a notebook, whose cells are JSON"):
        function_of(MUL, tmp_path / "mul.ipynb")


def test_what_every_file_defines_is_the_solution_if_the_body_is(tmp_path):
    from tinygen.exercises.source import solution

    path = tmp_path / "mul.py"
    path.write_text(file_text(MUL, solution(MUL)), encoding="utf-8")
    assert function_of(MUL, path).__doc__ == shipped(MUL).__doc__
