"""The list of lessons in examples/README.md is complete and in order, and the links of the lessons lead somewhere."""

import re

import pytest
from helpers.pages import anchors
from helpers.paths import ROOT

from tinygen.lessons import CHAPTERS, find
from tinygen.lessons.ledger import LECTURES

PAGE = ROOT / "examples" / "README.md"
ROW = re.compile(r"^\| \[(.+?)\]\((\w+)/(\w+)\.py\) \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"`[^`<]+<([^>:]+)>`_")  # in reStructuredText, to a file
LESSONS = find(folder=ROOT / "examples")


def rows() -> dict[str, tuple[str, str]]:
    """The title and the question of each lesson in the list."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len({row[1:3] for row in found}) == len(found), "a lesson is listed once"
    return {f"{chapter}/{name}": (title, question) for title, chapter, name, question in found}


def test_every_lesson_is_in_the_list_with_its_title_and_a_question():
    listed = rows()
    assert {name: title for name, (title, _) in listed.items()} == {each.name: each.title for each in LESSONS}
    assert [name for name, (_, question) in listed.items() if not question.endswith("?") or question == "?"] == []


def test_the_list_has_the_chapters_in_order_each_below_its_heading():
    parts = re.split(r"^## (\d+)\. .+$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    chapters = [list(dict.fromkeys(row[1] for row in ROW.findall(part))) for part in parts[2::2]]
    assert [int(number) for number in parts[1::2]] == list(range(1, len(chapters) + 1))
    assert chapters == [[chapter] for chapter in CHAPTERS if any(each.chapter == chapter for each in LESSONS)]


def test_the_list_explains_the_letters_of_the_claims():
    (letters,) = re.findall(r"^A is for (?:.+\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    words = " ".join(letters.split())
    assert all(f"{letter} for " in words.replace("A is for", "A for") for letter in LECTURES)
    assert [topic for topic in LECTURES.values() if topic.removesuffix("s") not in words] == []


def test_the_list_is_not_taken_for_the_header_of_the_gallery():
    """Where there are both, sphinx-gallery prefers README.md to GALLERY_HEADER.rst, and GALLERY_HEADER.txt to both."""
    pages = (ROOT / "examples").rglob("README.md")
    assert [page for page in pages if not page.with_name("GALLERY_HEADER.txt").exists()] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_the_links_of_a_lesson_lead_to_files_of_the_project(lesson):
    """So they work in a checkout; on the site they lead to the pages of these files."""
    wrong = []
    for link in LINK.findall(lesson.path.read_text(encoding="utf-8").replace("\n# ", " ")):
        name, _, anchor = link.partition("#")
        target = lesson.path.parent / name
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_that_mentions_the_lecture_says_where_it_is_explained(lesson):
    text = lesson.path.read_text(encoding="utf-8").partition("\n\n")[2]  # without the title
    first = re.search(r"(?<!\w)lectures?\b\W{1,2}(\S*)", text)
    assert first is None or first[1].startswith("../README.md>`__"), "write `lecture <../README.md>`__ at first"
