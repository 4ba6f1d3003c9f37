"""Progress of a loop: a bar in a terminal, lines elsewhere, nothing when quiet."""

import io
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.io import progress as module
from tinygen.io.progress import parts, progress
from tinygen.runs import open_run

ITEMS = st.lists(st.integers(), max_size=30)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: clock.now, in seconds."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(module, "monotonic", lambda: Clock.now)
    return Clock


@given(ITEMS, st.sampled_from([io.StringIO, Terminal, None]), st.booleans())
def test_progress_yields_every_item_in_order(items, stream, quiet):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream and stream())  # a program without a console has None
        assert list(progress(items, quiet=quiet)) == items
        assert list(progress((i for i in items), quiet=quiet)) == items
        assert list(progress((i for i in items), total=len(items), quiet=quiet)) == items


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_quiet_prints_nothing(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdout", stream())
    bar = progress(range(3), quiet=True)
    for _ in bar:
        bar.show(loss=1.0)
    assert sys.stdout.getvalue() == ""


def test_without_a_terminal_a_line_is_printed_after_each_tenth(capsys, clock):
    bar = progress(range(100), label="epoch 1")
    for step in bar:
        clock.now += 1
        bar.show(loss=1 / (step + 1), seen=step)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0] == "epoch 1   10 %  10/100  0:10  1:30 left  loss 0.1  seen 9"
    assert lines[-1] == "epoch 1  100 %  100/100  1:40  loss 0.01  seen 99"


@given(st.integers(1, 400), st.integers(0, 160), st.booleans())
def test_lines_are_complete_and_few(n, quarters, sized):
    seconds = quarters / 4  # a step; sums of these are exact
    with pytest.MonkeyPatch.context() as patch:
        now = [0.0]
        patch.setattr(module, "monotonic", lambda: now[0])
        patch.setattr(sys, "stdout", out := io.StringIO())
        printed = []
        for _ in progress(range(n) if sized else iter(range(n))):
            printed.append(out.getvalue().count("\n"))
            now[0] += seconds
    lines = out.getvalue().splitlines()
    assert "\r" not in out.getvalue() and out.getvalue().endswith("\n")
    assert f"{n}/{n}" in lines[-1] if sized else f"{n} done" in lines[-1]
    assert len(lines) <= n * seconds / 5 + 1  # 5 s apart, and the last
    steps_in_30_s = max(1, math.ceil(30 / seconds)) if seconds else n
    silent = [printed[i + steps_in_30_s + 1] == printed[i] for i in range(n - steps_in_30_s - 1)]
    assert not any(silent)  # never silent for longer than 30 s and a step


def test_a_loop_that_stops_early_prints_stopped(capsys, clock):
    for step in progress(range(8)):
        clock.now += 1
        if step == 2:
            break
    assert capsys.readouterr().out == " 25 %  2/8  0:03  stopped\n"


def test_an_error_in_the_loop_passes_through(capsys):
    with pytest.raises(ZeroDivisionError):
        for _ in progress(range(3)):
            1 / 0  # noqa: B018
    with pytest.raises(KeyError):
        list(progress({}[i] for i in range(3)))


def test_a_terminal_shows_one_bar_that_is_redrawn(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    bar = progress(range(4), label="epoch 2")
    for step in bar:
        bar.show(loss=np.float32(step), seen=np.int64(60_000))
    out = sys.stdout.getvalue()
    assert "\r" in out and out.count("\n") == 1
    last = out.split("\r")[-1]
    assert last.startswith("epoch 2: 100%") and "4/4" in last and "loss 3  seen 60000" in last


def test_figures_are_numbers(capsys):
    bar = progress(range(1))
    for wrong in (None, [1.0], "high"):
        with pytest.raises(TypeError, match=f"expected one number for 'loss', got {type(wrong).__name__}"):
            bar.show(loss=wrong)


def test_the_estimate_leaves_out_the_first_item(capsys, clock):
    """Kernels are compiled in it."""
    for step in progress(range(1000)):
        clock.now += 1 if step else 40
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  0 %  1/1000  0:40"
    assert lines[1] == "  3 %  31/1000  1:10  16:09 left"


# -- one estimate for the whole run ------------------------------------------------------------------------------------


def test_the_steps_of_an_epoch_show_the_estimate_of_all_epochs(tmp_path, capsys, clock):
    loop = open_run(tmp_path, {}).loop()
    for epoch in loop.epochs(4):
        for _ in progress(loop.steps(range(10)), label=f"epoch {epoch}/4"):
            clock.now += 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "10/40" in line or "40/40" in line] == [
        "epoch 1/4   25 %  10/40  0:10  0:30 left",
        "epoch 4/4  100 %  40/40  0:10",
    ]
    assert not any("stopped" in line for line in lines)


def test_a_part_of_a_program_shows_the_estimate_of_all_parts(capsys, clock):
    shares = parts({"training": 30, "scoring": 10})
    for name, part in shares.items():
        for _ in progress(range(10), label=name, part=part):
            clock.now += 3 if name == "training" else 1
    lines = capsys.readouterr().out.splitlines()
    assert "training   75 %  10/10  0:30  about 0:10 left" in lines  # as long as promised
    assert lines[-1] == "scoring  100 %  10/10  0:10"


def test_a_bar_shows_the_percentage_of_the_whole_program(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    list(progress(range(4), label="VAE", part=(0.5, 0.75)))
    last = sys.stdout.getvalue().split("\r")[-1]
    assert last.startswith("VAE:  75%") and "| about 0" in last and "left" in last


def test_the_first_of_several_loops_promises_nothing_about_the_others(monkeypatch, capsys, clock):
    """At 10 % of a program, only the speed of its first loop is known."""
    shares = parts({"fast": 10, "slow": 30})
    for name, part in shares.items():
        for _ in progress(range(10), label=name, part=part):
            clock.now += 5
    lines = capsys.readouterr().out.splitlines()
    shown = {int(line.split()[1]): "left" in line for line in lines}
    assert {share: share >= 20 and share < 100 for share in shown} == shown and len(shown) > 10
    monkeypatch.setattr(sys, "stdout", Terminal())
    list(progress(range(4), label="fast", part=shares["fast"]))
    first, last = (sys.stdout.getvalue().split("\r")[i] for i in (1, -1))
    assert first.startswith("fast:   0%") and "left" not in first and "about" in last


@pytest.mark.parametrize("part", [(0.5, 0.5), (-0.1, 1.0), (0.0, 1.1)])
def test_a_part_is_two_shares(part):
    with pytest.raises(ValueError, match="expected part to be two shares"):
        progress(range(3), part=part)
