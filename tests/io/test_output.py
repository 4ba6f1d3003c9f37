"""Output ends no program: tested with encodings, a closed pipe, a full disk and a missing console."""

import errno
import io
import os
import subprocess
import sys

import pytest
from helpers.paths import ROOT
from hypothesis import given
from hypothesis import strategies as st

from tinygen.io.output import forgiving, forgiving_output, open_page, say, warn
from tinygen.io.progress import progress
from tinygen.runs import Result, figures_table, open_run

ENCODINGS = st.sampled_from(["ascii", "cp1252", "cp437", "latin-1", "utf-8", "shift_jis"])


class Broken(io.StringIO):
    """A stream whose every write and flush fails."""

    def __init__(self, error, terminal):
        super().__init__()
        self.error, self.terminal = error, terminal

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error

    def isatty(self):
        return self.terminal


ERRORS = [
    BrokenPipeError(),
    OSError(errno.ENOSPC, "full"),
    OSError(errno.EIO, "no terminal"),
    ValueError("closed file"),
]


@given(st.text(), ENCODINGS)
def test_a_character_that_the_console_lacks_becomes_a_question_mark(text, encoding):
    raw = io.BytesIO()
    stream = forgiving(io.TextIOWrapper(raw, encoding, newline=""))
    stream.write(text)
    stream.flush()
    assert raw.getvalue() == text.encode(encoding, "replace")


def every_output(folder):
    """Everything that the library prints in a run."""
    run = open_run(folder, {})
    run.say("‖x‖ ≥ γ")
    for _ in (bar := progress(range(3), label="∂")):
        bar.show(loss=1.0)
    for _ in progress(iter(range(3))):
        break
    figures_table([Result("KL(q ‖ p)", 1.0, "σ²")])
    say("∇")
    warn("∇")
    run.finish({"test": 1.0})


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_stream_that_fails_ends_no_run(tmp_path, monkeypatch, error, terminal):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Broken(error, terminal))
        patch.setattr(sys, "stderr", Broken(error, terminal))
        every_output(tmp_path)
    assert (tmp_path / "figures.json").exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_encoding_or_a_missing_console_ends_no_run(tmp_path, monkeypatch, encoding):
    for i, stream in enumerate((None, io.TextIOWrapper(io.BytesIO(), encoding))):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            every_output(tmp_path / str(i))
        assert (tmp_path / str(i) / "figures.json").exists()


def test_inside_a_command_print_can_not_fail(monkeypatch):
    broken = Broken(BrokenPipeError(), False)
    monkeypatch.setattr(sys, "stdout", broken)
    with forgiving_output():
        print("‖", flush=True)
        with forgiving_output():
            print("again")
    assert sys.stdout is broken


def test_an_interrupt_is_no_output_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken(KeyboardInterrupt(), False))
    with pytest.raises(KeyboardInterrupt):
        say("x")


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("end", ["| head -1", ">&-", ">/dev/full", "2>&- >&-", "2>/dev/full"])
def test_in_a_shell(end):
    code = "from tinygen.runs.cli import start\ndef main():\n  for _ in range(20000): print('∂ 12345')\nstart(main)"
    shell = f'set -o pipefail; "$0" -c "$1" {end}'
    command = ["bash", "-c", shell, sys.executable, code]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    if end == "| head -1":
        assert found.stdout == "? 12345\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.usefixtures("not_quick")
@pytest.mark.parametrize("end", ["| head -1", ">&-", ">/dev/full 2>&1", ">/dev/null"])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_example_in_a_shell_ends_with_its_figures_and_its_page(tmp_path, end, encoding):
    shell = f'set -o pipefail; "$0" examples/mnist/vae.py --data digits --quick --out "$1" {end}'
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "MPLBACKEND": "TkAgg"}
    command = ["bash", "-c", shell, sys.executable, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)
    assert found.returncode == 0 and "Traceback" not in found.stderr
    assert (tmp_path / "figures.json").exists() and (tmp_path / "index.html").exists()


@pytest.mark.parametrize("display", [True, False])
@pytest.mark.parametrize("found", [True, False])
def test_a_page_is_shown_only_in_a_browser_with_a_window(monkeypatch, tmp_path, found, display):
    shown = []
    monkeypatch.setattr("webbrowser.open", lambda address: shown.append(address) or found)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert open_page(tmp_path / "a page.html") == (found and display)
    assert shown == [(tmp_path / "a page.html").as_uri()] * display
