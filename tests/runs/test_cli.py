"""Command lines: options are checked before any work, errors are one line and an exit code, output can't fail."""

import io
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import DataError
from tinygen.io.checkpoint import CheckpointError
from tinygen.runs import cli
from tinygen.runs.cli import Count, Failed, NewFile, Rate, Refused, Seed, Whole, before_work, command, start
from tinygen.runs.run import RunError

calls = []


@command
def main(
    *,
    epochs: Count = 5,
    lr: Rate = 0.1,
    limit: cli.Limit = None,
    seed: Seed = 0,
    out: Annotated[Path | None, NewFile(".png")] = None,
) -> dict:
    """A program."""
    calls.append(dict(epochs=epochs, lr=lr, limit=limit, seed=seed, out=out))
    return calls[-1]


def run(monkeypatch, capsys, program, *arguments):
    """The exit code of a program and its lines on stderr."""
    monkeypatch.setattr(sys, "argv", ["ex.py", *arguments])
    try:
        start(program)
        code = 0
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr().err.splitlines()


def test_a_data_folder_that_does_not_exist_stops_a_program_before_its_work(monkeypatch, capsys):
    calls.clear()
    monkeypatch.setenv("TINYGEN_DATA", "/nonexistent")
    code, lines = run(monkeypatch, capsys, main)
    assert (code, calls) == (2, []) and len(lines) == 1
    assert lines[0].startswith("ex.py: TINYGEN_DATA: expected a folder, got /nonexistent: ")


# -- options -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--epochs", "0"], "expected --epochs to be a whole number of at least 1, got 0"),
        (
            ["--epochs", "1000000000000"],
            "expected --epochs to be a whole number of at most 1000000000, got 1000000",
        ),
        (["--lr", "nan"], "expected --lr to be a number above 0 and at most 1, got nan"),
        (["--lr", "inf"], "expected --lr to be a number above 0 and at most 1, got inf"),
        (["--limit", "-1"], "expected --limit to be a whole number of at least 2, got -1"),
        (["--seed", "-1"], "expected --seed to be a whole number of at least 0, got -1"),
        (["--out", "x.jpg"], "expected --out to be a file .png, got x.jpg"),
        (["--out", "/"], "expected --out to be a file .png, got /"),
    ],
)
def test_an_option_out_of_its_range_is_refused_in_one_line(monkeypatch, capsys, arguments, words):
    calls.clear()
    code, lines = run(monkeypatch, capsys, main, *arguments)
    assert code == 2 and len(lines) == 1 and words in lines[0] and not calls


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--epochs", "x"], "expected --epochs to be a whole number, got x: "),
        (["--lr", "x"], "expected --lr to be a number, got x: "),
        (["--epoch", "3"], "unknown option --epoch (did you mean --epochs?): python ex.py --help lists all options"),
        (["--zzz"], "unknown option --zzz: python ex.py --help lists all options"),
        (["--lr"], "expected a value for --lr, got none: python ex.py --help explains the options"),
        (["more"], "expected no further argument, got more: python ex.py --help explains the options"),
        (["--lr", ""], "expected a value for every option, got an empty text"),
        (["--out", ""], "expected a value for every option, got an empty text"),
        (["--lr="], "expected a value for every option, got '--lr='"),
    ],
)
def test_an_unknown_option_or_value_is_refused_in_one_line(monkeypatch, capsys, arguments, words, encoding):
    calls.clear()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    code, lines = run(monkeypatch, capsys, main, *arguments)
    assert code == 2 and len(lines) == 1 and lines[0].startswith(f"ex.py: {words}") and not calls


def test_a_wrong_option_is_refused_without_a_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert run(monkeypatch, capsys, main, "--epoch")[0] == 2


@given(st.integers(-3, 3) | st.just(10**12), st.booleans())
def test_a_call_from_python_is_checked_like_a_command_line(epochs, numpy):
    given = np.int64(epochs) if numpy else epochs
    if 1 <= epochs <= 10**9:
        found = main(epochs=given, lr=np.float64(0.5))
        assert found["epochs"] == epochs and type(found["epochs"]) is int and type(found["lr"]) is float
    else:
        with pytest.raises(ValueError, match="expected --epochs to be a whole number"):
            main(epochs=given)


def test_a_wrong_type_and_an_unknown_name_are_errors_in_python():
    with pytest.raises(TypeError, match="expected --epochs to be a whole number"):
        main(epochs="3")
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        main(epoch=3)
    assert main(limit=None)["limit"] is None


@pytest.mark.parametrize("name, value", [("TINYGEN_NUM_THREADS", "0"), ("TINYGEN_KERNELS", "fats")])
def test_a_bad_environment_variable_is_refused_before_any_work(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    calls.clear()
    code, lines = run(monkeypatch, capsys, main)
    assert code == 2 and len(lines) == 1 and name in lines[0] and value in lines[0] and not calls


# -- how a program ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, code, words",
    [
        (DataError("no picture"), 1, "ex.py: no picture"),
        (OSError("disk full"), 1, "ex.py: disk full"),
        (RunError("not finished"), 1, "ex.py: not finished"),
        (CheckpointError("damaged"), 1, "ex.py: damaged"),
        (Failed("no PyTorch"), 1, "ex.py: no PyTorch"),
        (FloatingPointError("loss() is nan,\n  as it seems"), 1, "ex.py: loss() is nan, as it seems"),
        (MemoryError("Unable to allocate 3 PiB"), 1, "ex.py: out of memory: Unable to allocate 3 PiB"),
        (MemoryError(), 1, "ex.py: out of memory: something smaller may fit"),
        (Refused("4 must divide it"), 2, "ex.py: 4 must divide it"),
        (KeyboardInterrupt("stopped after 2 epochs"), 130, "ex.py: stopped after 2 epochs"),
        (KeyboardInterrupt(), 130, "ex.py: stopped"),
    ],
)
def test_errors_that_a_user_can_cause_are_one_line(monkeypatch, capsys, error, code, words):
    def main(*, lr: float = 0.1) -> None:
        raise error

    assert run(monkeypatch, capsys, main, "--lr", "0.5") == (code, [words])


def test_a_value_error_is_about_the_options_before_the_work_and_a_bug_later(monkeypatch, capsys):
    def early(*, lr: float = 0.1) -> None:
        with before_work():
            raise ValueError("4 must divide the image size")

    def late(*, lr: float = 0.1) -> None:
        with before_work():
            pass
        raise ValueError("operands could not be broadcast together")

    assert run(monkeypatch, capsys, early) == (2, ["ex.py: 4 must divide the image size"])
    with pytest.raises(ValueError, match="broadcast"):
        run(monkeypatch, capsys, late)


def test_data_and_runs_keep_their_own_errors_before_the_work():
    for error in (DataError("x"), RunError("x"), FileNotFoundError("x"), MemoryError()):
        with pytest.raises(type(error)), before_work():
            raise error


# -- ranges ------------------------------------------------------------------------------------------------------------


@given(st.integers(), st.integers(-5, 5), st.integers(0, 9))
def test_integers_have_two_bounds(value, least, more):
    check = Whole(least, least + more)
    if least <= value <= least + more:
        assert check("main", "--n", value) == value
    else:
        with pytest.raises(ValueError, match="main: expected --n to be a whole number of at"):
            check("main", "--n", value)


def test_a_broken_stderr_does_not_change_the_exit_code(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    def main() -> None:
        raise DataError("no picture")

    monkeypatch.setattr(sys, "stderr", Broken())
    monkeypatch.setattr(sys, "argv", ["ex.py"])
    with pytest.raises(SystemExit) as stop:
        start(main)
    assert stop.value.code == 1


def test_settings_are_the_arguments_that_decide_the_results():
    def main(*, epochs=3, data="digits", out="runs/x", seed=0, resume=False, quiet=True, open=False, quick=False):
        return cli.settings(locals())

    assert main(epochs=5) == {"epochs": 5, "seed": 0}
