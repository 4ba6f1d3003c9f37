"""The pages about the exercises say what there is."""

import pytest
from helpers.exercises import COMMAND, LESSONS, PAGE, lesson_end, linked, page, pages, rows, with_rows, wrong_answers
from helpers.paths import ROOT

from tinygen.exercises.tracks import EXERCISES, TRACKS


def test_the_page_lists_the_tracks_of_today():
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), f"docs/exercises.md is out of date: run `{COMMAND}`"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_each_page_ends_with_links_to_its_exercises(path):
    text = path.read_text(encoding="utf-8")
    assert text == linked(path.name, text), f"{path.relative_to(ROOT)} is out of date: run `{COMMAND}`"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_page_of_an_exercise_exists_and_links_back(exercise):
    text = (ROOT / "docs" / exercise.page.partition("#")[0]).read_text(encoding="utf-8")
    assert "](exercises.md#" in text and f"`{exercise.name}`" in text


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_ends_with_a_link_to_its_track(lesson):
    text = (ROOT / "examples" / f"{lesson}.py").read_text(encoding="utf-8")
    assert LESSONS[lesson] in TRACKS and text.endswith(lesson_end(LESSONS[lesson]))
    assert f"](../examples/{lesson}.py)" in PAGE.read_text(encoding="utf-8")


# -- the proof of the graders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_table_counts_the_wrong_answers_of_today(exercise):
    row = rows(PAGE.read_text(encoding="utf-8")).get(exercise.name)
    command = f"run `python tools/exercise_proof.py {exercise.name}`"
    assert row is not None and row.tried == len(wrong_answers(exercise)), command
    assert row.accepted == 0 and row.seconds < 5


def test_the_table_has_at_least_400_wrong_answers_and_the_right_sum():
    text = PAGE.read_text(encoding="utf-8")
    assert sum(row.tried for row in rows(text).values()) >= 400
    assert text == with_rows(text, rows(text))
