"""`exercise grade`: the submissions of a class, some of which do harm, and the table."""

import csv
import io
import sys
import textwrap

import pytest

from tinygen.__main__ import main
from tinygen.exercises import classroom
from tinygen.exercises.exercise import Finding
from tinygen.exercises.grading import Grade
from tinygen.exercises.runner import Result
from tinygen.exercises.source import edited, file_text, solution, stub
from tinygen.exercises.tracks import EXERCISES

MUL = EXERCISES["mul"]
RIGHT = file_text(MUL, solution(MUL))


def with_body(body: str) -> str:
    return RIGHT.replace("    return a.data", textwrap.indent(body, "    ") + "\n    return a.data")


HARMFUL = {
    "loops": with_body("while True: pass"),
    "allocates": with_body("x = []\nwhile True: x.append(bytes(10**6))"),
    "does not parse": RIGHT.replace("return a", "return ((a"),
    "forks": with_body("import os\nwhile True: os.fork()"),
    "kills": with_body("import os; os.kill(os.getppid(), 9)"),
    "exits": "import sys\nsys.exit(0)\n",
    "ends its process": "import os\nos._exit(0)\n",
    "prints": with_body("print('x' * 10**6)") + "\nprint('y' * 10**7)\n",
    "writes elsewhere": with_body("open('../../harm.txt', 'w').write('x')"),
    "crashes": with_body("import ctypes; ctypes.string_at(0)"),
}


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """The exit code, the output and the errors of `tinygen exercise grade WORDS`, in this process."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str):
        monkeypatch.setattr(sys, "argv", ["tinygen", "exercise", "grade", *words])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return call


def rows_of(path) -> dict[str, dict[str, str]]:
    rows = [*csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))]
    assert len({row["submission"] for row in rows}) == len(rows)
    return {row["submission"]: row for row in rows}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_a_class_is_graded_whatever_some_of_them_do(call, tmp_path, profile):
    size = 24 if profile == "quick" else 50
    texts = {f"{name}/mul.py": text for name, text in HARMFUL.items()}
    for i, wrong in enumerate(MUL.wrong):
        texts[f"wrong {i}/mul.py"] = file_text(MUL, edited(MUL, wrong.edits))
    texts["not begun/mul.py"] = file_text(MUL, stub(MUL))
    texts |= {f"learner {i}/mul.py": RIGHT for i in range(size - len(texts))}
    for name, text in texts.items():
        (tmp_path / "work" / name).parent.mkdir(parents=True)
        (tmp_path / "work" / name).write_text(text, encoding="utf-8")
    limits = ("--seconds", "3", "--memory", "300")
    code, out, err = call("work", "--csv", "table.csv", *limits)
    assert code == 0 and err == ""
    rows = rows_of(tmp_path / "table.csv")
    assert set(rows) == set(texts) and len(rows) == size
    harmless = [name for name, row in rows.items() if row["passed"] == "yes"]
    assert all(name.startswith("learner") or name == "prints/mul.py" for name in harmless)
    assert len(harmless) == sum(name.startswith("learner") for name in rows) + 1
    says = {name.partition("/")[0]: row["message"] for name, row in rows.items()}
    for name, words in {
        "loops": "It is still running after 3 s, in line",
        "allocates": "It needs more than 300 MB of memory",
        "does not parse": "SyntaxError in line",
        "forks": "can't start or end processes",
        "kills": "can't start or end processes",
        "exits": "It ends the program in line 2",
        "ends its process": "It ended its process with exit code 0",
        "writes elsewhere": "can't write ../../harm.txt",
        "crashes": "It ended its process by SIGSEGV",
        **{f"wrong {i}": wrong.says for i, wrong in enumerate(MUL.wrong)},
    }.items():
        assert words in says[name], (name, says[name])
    row = rows["loops/mul.py"]
    assert (row["exercise"], row["stage"], row["stages passed"]) == ("mul", "a tiny example", "0 of 5")
    row = rows["does not parse/mul.py"]
    assert (row["stage"], row["stages passed"]) == ("reading the file", "0 of 5")
    assert rows["learner 0/mul.py"] | {"seconds": ""} == {
        "submission": "learner 0/mul.py",
        "exercise": "mul",
        "passed": "yes",
        "stage": "",
        "stages passed": "5 of 5",
        "message": "",
        "seconds": "",
    }
    assert f"{size} submissions, {len(harmless)} passed" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv", "work"]


def test_files_may_lie_directly_in_the_folder_and_others_are_reported(call, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    for name in ("ada.py", ".hidden.py", "mul.old.py"):
        (work / name).write_text(RIGHT, encoding="utf-8")  # its first line names the exercise
    (work / "mul.py").write_text("def mul(a, b): return 1\n")  # only its name does
    (work / "notes.py").write_text("x = 1\n")
    (work / "notes.txt").write_text("x = 1\n")
    code, out, err = call("work", "--csv", "table.csv", "--quiet")
    assert code == 0 and err == "not graded, because it is no exercise: work/notes.py\n"
    assert {name: row["passed"] for name, row in rows_of(tmp_path / "table.csv").items()} == {
        "ada.py": "yes",
        "mul.py": "no",
    }
    assert out.splitlines()[-1] == "wrote table.csv: 2 submissions, 1 passed"


def test_a_table_is_not_overwritten_and_mistakes_are_refused_before_the_work(call, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "table.csv").write_text("mine")
    for words, message in (
        (["nowhere", "--csv", "t.csv"], "expected a folder of submissions, got nowhere: choose one that exists"),
        (["table.csv", "--csv", "t.csv"], "expected a folder of submissions, got table.csv: choose one that exists"),
        (["work", "--csv", "table.csv"], "table.csv exists already: choose another file, or add --overwrite"),
        (["work", "--csv", "no/table.csv"], "expected a folder for no/table.csv, got none: make it first"),
        (["work", "--csv", "t.txt"], "expected --csv to be a file .csv, got t.txt"),
        (["work", "--csv", "t.csv"], "expected files with the names of exercises, such as "),
        (["work", "--csv", "t.csv", "--memory", "1"], "expected --memory to be a whole number of at least 64"),
        (["work"], "expected --csv ("),
    ):
        code, out, err = call(*words)
        assert (code, out) == (2, "") and err.startswith(f"exercise grade: {message}") and err.count("\n") == 1, err
    assert (tmp_path / "table.csv").read_text() == "mine" and len([*tmp_path.iterdir()]) == 2


def test_cells_that_a_spreadsheet_would_compute_are_quoted(tmp_path):
    finding = Finding('+1,\n"two"\t=3')
    result = Result(MUL, Grade(MUL, 0, finding, 0.1), seconds=0.1)
    rows = [classroom.row(tmp_path, tmp_path / name / "mul.py", result) for name in ("=cmd()", "-x", "@y", "ada")]
    head, *found = csv.reader(io.StringIO(classroom.table(rows).decode()))
    assert tuple(head) == classroom.HEAD
    assert [row[0] for row in found] == ["'=cmd()/mul.py", "'-x/mul.py", "'@y/mul.py", "ada/mul.py"]
    assert all(row[5] == '\'+1, "two" =3' for row in found)
