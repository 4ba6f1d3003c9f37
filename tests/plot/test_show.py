"""`plot.show` gives each figure to the one place that waits for it, and writes files where there is no display."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from tinygen import plot
from tinygen.plot.show import showing


class Film:
    def _repr_html_(self):
        return "<p>film</p>"


def test_files_are_written_where_there_is_no_display(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "a.py", raising=False)
    plot.show(Figure(), name="losses")
    plot.show(Film(), name="film")
    folder = tmp_path / "runs" / "figures" / "a"
    assert sorted(path.name for path in folder.iterdir()) == ["film.html", "losses.png"]
    said = capsys.readouterr().out.splitlines()
    assert said == ["wrote runs/figures/a/losses.png", "wrote runs/figures/a/film.html"]
    assert "<p>film</p>" in (folder / "film.html").read_text()


def test_figures_are_saved_under_their_names_or_numbers(tmp_path):
    with plot.saving(tmp_path) as written:
        plot.show(plot.image_grid(np.zeros((4, 8, 8, 1)), columns=2))
        plot.show(Figure(), name="named")
        plot.show(Figure())
    assert [path.name for path in written] == ["figure_1.png", "named.png", "figure_2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    with plot.saving(tmp_path) as written:
        plot.show(Figure())
    assert [path.name for path in written] == ["figure_1.png"]


def test_the_innermost_sink_receives_the_figure(tmp_path):
    outer, inner, figure = [], [], Figure()
    with showing(lambda *given: outer.append(given)):
        with showing(lambda *given: inner.append(given)):
            plot.show(figure, name="a")
        plot.show(figure)
    assert inner == [(figure, "a")] and outer == [(figure, "")]


def test_a_figure_of_pyplot_is_closed_when_it_was_shown(tmp_path):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, _ = pyplot.subplots()
    with plot.saving(tmp_path):
        plot.show(figure)
    assert not pyplot.fignum_exists(figure.number)


@pytest.mark.parametrize("name", ["a/b", "../a", "/a", 3, None])
def test_names_with_folders_are_refused(name, tmp_path):
    with plot.saving(tmp_path) as written, pytest.raises(ValueError, match="expected a name without folder"):
        plot.show(Figure(), name=name)
    assert written == []


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="expected a figure or a film, got ndarray"):
        plot.show(np.zeros(3))
