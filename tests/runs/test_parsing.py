"""The words of a command line become a call, or one line that helps; `--help` fits the terminal."""

import sys
from typing import Annotated, Literal

import pytest
import tyro

from tinygen.errors.hints import did_you_mean
from tinygen.runs.ending import Refused
from tinygen.runs.parsing import call_of, options_of

ABOUT = "A program.\n\nYou will see how long words and lines of a docstring are filled. It takes a second."


def program(
    names: Annotated[tuple[Literal["conv", "dense"], ...], tyro.conf.Positional] = (), *, lr: float = 0.1,
    batch_size: int = 0, limit: int | None = None, quiet: bool = False,
):  # fmt: skip
    """A program.

    Args:
        names: names of models.
        lr: learning rate.
        batch_size: number of images per step.
        limit: number of images; all by default.
        quiet: no output.
    """
    return names, lr, batch_size, limit, quiet


def call(*words):
    return call_of(program, words, program="python ex.py", about=ABOUT)


def test_words_become_a_call():
    assert call()() == ((), 0.1, 0, None, False)
    assert call("conv", "dense", "--lr", "-2", "--batch_size=3", "--limit", "5", "--quiet")() == (
        ("conv", "dense"), -2.0, 3, 5, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words, message",
    [
        (["cnv"], "expected names to be one of conv, dense, got cnv (did you mean conv?): python ex.py --help"),
        (["--batchsize", "2"], r"unknown option --batchsize (did you mean --batch-size?)"),
        (["--quite"], r"unknown option --quite (did you mean --quiet?)"),
        (["--lr=x"], "expected --lr to be a number, got x"),
        (["-x"], "got -x"),
        (["--limit="], "expected a value for every option, got '--limit='"),
    ],
)
def test_words_that_do_not_fit_are_refused_with_a_suggestion(words, message):
    with pytest.raises(Refused) as refused:
        call(*words)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("columns", [40, 80])
def test_help_fits_the_terminal_and_has_no_colours(monkeypatch, capsys, columns):
    class Terminal:
        def __init__(self, stream):
            self.stream = stream

        def isatty(self):
            return True

        def __getattr__(self, name):
            return getattr(self.stream, name)

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    with pytest.raises(SystemExit) as end:
        call("--help")
    out = capsys.readouterr().out
    usage, *lines = out.splitlines()
    assert end.value.code == 0 and usage.startswith("usage: python ex.py") and "\x1b" not in out
    assert max(map(len, lines)) <= columns
    for word in "A program. takes second. --batch-size INT images step. 0.1)".split():
        assert word in out.replace("│", " ").split()
    assert "None" not in out and "False" not in out


def test_suggestions_are_near():
    assert did_you_mean("chek", ["check", "data"]) == " (did you mean check?)"
    assert did_you_mean("xyz", ["check", "data"]) == ""
    assert options_of(program) == ["--lr", "--batch-size", "--limit", "--quiet", "--help"]
