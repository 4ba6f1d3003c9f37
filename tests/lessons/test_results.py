"""Running lessons: claims and figures are kept, used again while nothing changes, and failures are distinguished."""

import html
import json

import pytest
from helpers.processes import python

from tinygen.lessons import Lesson, find, kept, page, results, text, verdict

GOOD = '''"""
A lesson
========
"""

# %%
from matplotlib.figure import Figure

from tinygen import plot
from tinygen.claims import claim

figure = Figure()
plot.show(figure, name="empty")
claim("B6 S3", "one <and> one is two", 1 + 1, 2)
claim("new", "a bound", 0.5, at_most=1)
'''


@pytest.fixture
def lesson(tmp_path):
    path = tmp_path / "examples" / "backprop" / "good.py"
    path.parent.mkdir(parents=True)
    path.write_text(GOOD)
    return Lesson(path)


@pytest.fixture
def made(lesson, tmp_path):
    """The result of a lesson that ran in this process, which is faster."""
    with kept(lesson, tmp_path):
        exec(compile(GOOD, str(lesson.path), "exec"), {})
    return results.result(lesson, results=tmp_path)


def test_a_lesson_runs_in_a_process_of_its_own(lesson, tmp_path):
    made = results.result(lesson, reuse=False, results=tmp_path)
    assert made.ok and made.error == ""
    assert [claim.ids for claim in made.claims] == ["B6 S3", "new"]
    assert made.figures == ["empty.png"]
    assert (tmp_path / "backprop" / "good" / "empty.png").read_bytes().startswith(b"\x89PNG")


def test_a_result_is_used_again_until_the_lesson_changes(lesson, made, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(results.subprocess, "run", lambda *a, **k: runs.append(a) or run_nothing())
    assert results.result(lesson, results=tmp_path) == made and runs == []
    lesson.path.write_text(GOOD + "\n# a new line\n")
    assert not results.result(lesson, results=tmp_path).ok and len(runs) == 1


def run_nothing():
    return results.subprocess.CompletedProcess([], 0, "", "")


def test_a_result_without_its_figures_is_not_used_again(lesson, made, tmp_path, monkeypatch):
    (tmp_path / "backprop" / "good" / "empty.png").unlink()
    monkeypatch.setattr(results.subprocess, "run", lambda *a, **k: run_nothing())
    assert results.result(lesson, results=tmp_path).error == "it ended without a result"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"lesson": 1}', '{"claims": [{"ids": 1}]}'])
def test_a_damaged_result_is_not_used(lesson, made, tmp_path, monkeypatch, damage):
    (tmp_path / "backprop" / "good" / "result.json").write_text(damage)
    monkeypatch.setattr(results.subprocess, "run", lambda *a, **k: run_nothing())
    assert not results.result(lesson, results=tmp_path).ok


def test_an_error_in_a_lesson_is_kept_and_raised(lesson, tmp_path):
    with pytest.raises(ZeroDivisionError), kept(lesson, tmp_path):
        1 / 0  # noqa: B018
    saved = json.loads((tmp_path / "backprop" / "good" / "result.json").read_text())
    assert saved["error"] == "ZeroDivisionError: division by zero"


def test_a_lesson_with_an_unmet_claim_or_without_claims_is_not_ok(made):
    assert made.ok
    assert not made._replace(claims=[]).ok
    assert not made._replace(error="ValueError").ok
    assert not made._replace(claims=[*made.claims, made.claims[0]._replace(ok=False)]).ok


# -- find --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("backprop/two.py", "backprop/one.py", "diffusion/one.py", "backprop/_hidden.py", "mnist/long.py"):
        path = tmp_path / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('"""Title\n====="""')
    return tmp_path / "book"


def test_lessons_are_found_by_chapter_name_and_path(folder):
    def names(*wanted):
        return [lesson.name for lesson in find(wanted, folder=folder)]

    assert names() == ["backprop/one", "backprop/two", "diffusion/one"]
    assert names("backprop") == ["backprop/one", "backprop/two"]
    assert names("one") == ["backprop/one", "diffusion/one"]
    assert names("diffusion/one", "one") == ["diffusion/one", "backprop/one"]
    assert names("examples/backprop/two.py") == names("./examples/backprop/two.py") == ["backprop/two"]
    assert find(["two"], folder=folder)[0].title == "Title"
    with pytest.raises(ValueError, match="got 'backprob': choose from backprop"):
        names("backprob")


# -- ledger of claims --------------------------------------------------------------------------------------------------


def test_the_text_fits_the_terminal(made, monkeypatch):
    long = made.claims[0]._replace(sentence="a sentence with many words " * 9)
    for columns in (40, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = text(made._replace(claims=[*made.claims, long])).splitlines()
        assert all(len(line) <= columns for line in lines)
    assert lines[0].startswith("backprop/good") and lines[1].startswith("  ok       B6 S3 (autoencoders, slides): one")


def test_the_verdict_counts(made):
    failed = made._replace(lesson="backprop/bad", claims=[], error="ValueError: no", seconds=2.0)
    line = verdict([made._replace(seconds=1.0), failed])
    assert line == "2 of 2 claims met in 2 lessons, 3 s; 1 of 2 lessons failed: backprop/bad"


def test_the_page_has_every_claim_and_figure_and_loads_nothing(made, tmp_path):
    (tmp_path / "backprop" / "good" / "film.html").write_text('<p title="a film">')
    failed = made._replace(claims=[made.claims[0]._replace(ok=False)], error="<ValueError>", figures=[])
    (tmp_path / "backprop" / "good" / "graph.svg").write_text("<svg/>")
    whole = page([made._replace(figures=["empty.png", "graph.svg", "film.html"]), failed], tmp_path)
    assert whole.count("one &lt;and&gt; one is two") == 2 and "&lt;ValueError&gt;" in whole
    assert whole.count("data:image/png;base64,") == whole.count("data:image/svg+xml;base64,") == 1
    assert html.escape('<p title="a film">') in whole
    assert "NOT MET" in whole and "http" not in whole


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_mistyped_name_is_refused():
    done = python("-m", "tinygen", "verify", "bakprop")
    assert (done.returncode, done.stdout) == (2, "") and "choose from" in done.stderr
