"""Grading in a process of its own: whatever a file does, there is a result that says what happened."""

import os
import sys
import textwrap

import pytest

from tinygen.exercises.limits import is_over
from tinygen.exercises.runner import Runner
from tinygen.exercises.source import file_text, solution
from tinygen.exercises.tracks import EXERCISES

MUL = EXERCISES["mul"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
SECONDS = 1.0


@pytest.fixture(scope="module")
def runner():
    with Runner(seconds=SECONDS, megabytes=300) as runner:
        yield runner


@pytest.fixture(scope="module")
def patient():
    """For right answers: the limits of users, which hold on a busy machine too."""
    with Runner() as runner:
        yield runner


def with_body(body: str) -> str:
    """The file of mul, whose function begins with these lines."""
    text = file_text(MUL, solution(MUL))
    return text.replace("    return a.data", textwrap.indent(textwrap.dedent(body), "    ") + "    return a.data")


FIRST = with_body("HERE\n").splitlines().index("    HERE") + 1  # the line of a body


def result_of(runner, folder, body):
    path = folder / "mul.py"
    path.write_text(with_body(body), encoding="utf-8")
    return runner.run(MUL, path)


def test_a_right_answer_passes_and_what_it_prints_is_returned(patient, tmp_path):
    result = result_of(patient, tmp_path, "global n\nn = globals().get('n', 0) + 1\nif n == 1: print('called')\n")
    assert result.ok and result.passed == 5 and result.stage == result.says == "" and result.printed == "called\n"
    assert result.text().startswith("mul: all 5 stages passed")


@linux
@pytest.mark.parametrize(
    "body, stage, says",
    [
        ("while True: pass", "a tiny example", "It is still running after 1 s, in line {first}: is there a loop"),
        ("while True: print('again')", "a tiny example", "It is still running after 1 s, in line {first}"),
        ("x = []\nwhile True: x.append(bytes(10**6))", "a tiny example", "It needs more than 300 MB of memory: does"),
        ("import os; os._exit(0)", "a tiny example", "It ended its process with exit code 0 before it was graded"),
        ("import ctypes; ctypes.string_at(0)", "a tiny example", "It ended its process by SIGSEGV before it was"),
        ("raise SystemExit", "a tiny example", "It raises SystemExit, which ends a program: leave it out"),
        ("import os\nwhile True: os.fork()", "a tiny example", "can't start or end processes (line {second})"),
        ("import os; os.kill(os.getppid(), 9)", "a tiny example", "can't start or end processes (line {first})"),
        ("import subprocess; subprocess.run(['true'])", "a tiny example", "can't start or end processes"),
        ("input()", "a tiny example", "can't wait for input(): write the value in the code"),
        ("open('../elsewhere', 'w')", "a tiny example", "can't write ../elsewhere (line {first})"),
        (
            "import os; os.remove(__file__ + 'x' if False else '/no/such/file')",
            "a tiny example",
            "can't change /no/such",
        ),
        ("return mul(a, b)", "a tiny example", "RecursionError"),
    ],
)
def test_accidents_have_a_stage_and_a_message(runner, tmp_path, body, stage, says):
    result = result_of(runner, tmp_path, body + "\n")
    says = says.format(first=FIRST, second=FIRST + 1)
    assert not result.ok and result.passed == 0 and result.stage == stage and says in result.says
    assert len(result.printed) <= 4000 and says in " ".join(result.text().split())


@linux
def test_a_long_call_of_c_is_ended_and_the_next_file_is_graded(runner, tmp_path):
    result = result_of(runner, tmp_path, "10 ** 10 ** 9\n")
    assert result.says.startswith("It is still running after 1 s")
    runner.seconds = 10.0
    try:
        assert result_of(runner, tmp_path, "").ok
    finally:
        runner.seconds = SECONDS


def test_writing_in_the_folder_of_the_process_and_reading_beside_the_file_is_allowed(patient, tmp_path):
    (tmp_path / "beside_it.py").write_text("ONE = 1.0")
    body = "import tempfile, beside_it\nopen('note', 'w').write('x')\ntempfile.TemporaryFile().close()\n"
    assert result_of(patient, tmp_path, body).ok
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["beside_it.py", "mul.py"]


def test_a_file_that_is_not_read_says_why(runner, tmp_path):
    (tmp_path / "mul.py").write_text("def mul(a, b:\n")
    result = runner.run(MUL, tmp_path / "mul.py")
    assert result.stage == "reading the file" and result.passed == 0 and "SyntaxError in line 1" in result.says
    assert result.text().splitlines()[:2] == ["mul: not graded", ""]


def test_the_time_of_other_programs_does_not_count():
    assert is_over(10, cpu=10, elapsed=11) and is_over(10, cpu=0.1, elapsed=10) and is_over(10, cpu=5, elapsed=60)
    assert not is_over(10, cpu=9, elapsed=9) and not is_over(10, cpu=5, elapsed=59) and not is_over(10, 0, 9.9)


def test_where_processes_can_not_be_forked_each_file_has_a_new_interpreter(tmp_path):
    program = "import tinygen.exercises.worker as worker; worker.FORKS = False; worker.main()"
    with Runner(seconds=4.0) as runner:
        runner.command = (sys.executable, "-P", "-c", program)
        assert result_of(runner, tmp_path, "").ok
        late = result_of(runner, tmp_path, "while True: pass\n")
        assert (
            late.says.startswith(f"It is still running after 4 s, in line {FIRST}") and late.stage == "a tiny example"
        )


def test_the_process_of_the_runner_ends_with_the_block(tmp_path):
    with Runner() as runner:
        assert result_of(runner, tmp_path, "").ok
        process = runner._process
    assert process.poll() is not None
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
