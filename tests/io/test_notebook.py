"""The progress bar of a notebook, with stand-ins for IPython and for the stream of its kernel."""

import io
import sys
import types

import pytest
from helpers.shown import faults

from tinygen.io import notebook
from tinygen.io import progress as module_of_progress
from tinygen.io.output import forgiving
from tinygen.io.progress import progress


class Screen:
    """What a notebook shows below a cell: pieces that can be replaced by their handle."""

    def __init__(self):
        self.pieces = []

    def display(self, piece, raw, display_id):
        assert raw and display_id
        self.pieces.append(piece)
        return types.SimpleNamespace(update=self.replace)

    def replace(self, piece, raw):
        assert raw
        self.pieces[-1] = piece


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    module = types.ModuleType("IPython.display")
    vars(module)["display"] = screen.display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(module_of_progress, "_is_notebook", lambda stream: True)
    monkeypatch.setattr(notebook, "SECONDS", 0.0)
    return screen


def test_a_notebook_is_known_by_the_stream_of_its_kernel(monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not module_of_progress._is_notebook(stream)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    assert module_of_progress._is_notebook(stream) and module_of_progress._is_notebook(forgiving(stream))
    assert not module_of_progress._is_notebook(io.StringIO()) and not module_of_progress._is_notebook(None)


def test_one_bar_is_replaced_in_place(screen, capsys):
    seen = []
    for i in (bar := progress(range(4), label="<epoch>")):
        bar.show(loss=1 / (i + 1))
        seen.append(screen.pieces[-1]["text/plain"])
    (piece,) = screen.pieces
    assert "25 %  1/4" in seen[1] and "left" in seen[1]
    assert piece["text/plain"].startswith("<epoch>  100 %  4/4") and "loss 0.25" in piece["text/plain"]
    assert 'value="1.0000"' in piece["text/html"] and "&lt;epoch&gt;" in piece["text/html"]
    assert faults(piece["text/html"])[0] == [] and capsys.readouterr().out == ""


def test_a_loop_that_ends_early_is_marked(screen):
    for i in progress(range(4)):
        if i == 1:
            break
    assert "stopped" in screen.pieces[0]["text/plain"]


def test_without_a_length_there_is_no_share(screen):
    list(progress(iter("abc")))
    assert "3 done" in screen.pieces[0]["text/plain"] and "value" not in screen.pieces[0]["text/html"]


def test_nothing_left_and_quiet(screen):
    list(progress([]))
    assert "nothing left to do" in screen.pieces[0]["text/plain"]
    list(progress([1], quiet=True))
    assert len(screen.pieces) == 1
