"""Every lesson in examples/ runs and meets its claims; an earlier result is used if nothing has changed."""

import re

import pytest
from helpers.paths import ROOT

from tinygen.lessons import RESULTS, find, result

FAST = {"backprop/engine_in_40_lines", "backprop/the_graph"}  # in the quick profile too
LESSONS = find()
MOST_LINES, MOST_SECONDS = 120, 60  # a lesson should take 20 seconds; the machine may be busy


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_the_claims_of_a_lesson_are_met(lesson, profile, monkeypatch):
    if profile == "quick" and lesson.name not in FAST:
        pytest.skip("left to the full profile: TINYGEN_PROFILE=full")
    for library in ("TINYGEN", "OPENBLAS", "OMP"):  # as a reader runs it, with all cores
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    made = result(lesson, results=ROOT / RESULTS)
    assert made.error == ""
    assert made.claims and [str(claim) for claim in made.claims if not claim.ok] == []
    assert made.figures, "a lesson draws at least one figure: end it with plot.show(figure)"
    assert made.seconds < MOST_SECONDS


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_the_form_of_a_lesson(lesson):
    source = lesson.path.read_text(encoding="utf-8")
    title, underline = source.removeprefix("r").removeprefix('"""').strip().splitlines()[:2]
    assert set(underline) == {"="} and len(underline) == len(title), "a lesson begins with its title, underlined by ="
    assert len(source.partition("#\n# Exercises: ")[0].splitlines()) <= MOST_LINES
    assert "\n# %%\n" in source or "\n# %% " in source
    private = re.findall(r"tinygen[\w.]*\._\w+|from tinygen.* import _\w+", source)
    assert not private, "a lesson uses public names only"
    for word in ("argparse", "tyro", "open_run", "sys.argv"):
        assert word not in source, f"a lesson has no {word}"
