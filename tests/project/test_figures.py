"""Every page has a figure, every figure is made by code, and none is older than its code."""

import pytest
from helpers.figures import COMMAND, IMAGES, LESSON, images, shown, stamp, stamp_of
from helpers.pages import PAGES

DOCS = [page for page in PAGES if page.parent.name == "docs"]
WITH_IMAGES = [page for page in PAGES if images(page)]
WRITTEN = "<!-- Written by"  # a page that a tool writes, with its figures
MADE = {image.path for page in PAGES for image in images(page) if shown(image.code) == image.path.stem}
MADE.add(IMAGES / "tour.png")  # by examples/tour.py
LARGEST = 150_000  # bytes of an image


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_has_a_figure(page):
    assert images(page)


@pytest.mark.parametrize("page", WITH_IMAGES, ids=lambda page: page.name)
def test_each_image_is_made_by_a_block_or_by_a_lesson_that_is_linked(page):
    written = WRITTEN in page.read_text(encoding="utf-8")
    wrong = [
        f"line {image.line}: {image.path.name}"
        for image in images(page)
        if image.path not in MADE and not LESSON.search(image.paragraph) and not written
    ]
    assert not wrong, (
        f'put each below a block that ends with plot.show(..., name="..."), or link to its lesson: {wrong}'
    )


@pytest.mark.parametrize("page", WITH_IMAGES, ids=lambda page: page.name)
def test_no_image_is_older_than_its_block(page):
    old = [image.path.name for image in images(page) if image.code and stamp_of(image.path) != stamp(image.code)]
    assert not old, f"{COMMAND} {page.stem}"


@pytest.mark.parametrize("page", WITH_IMAGES, ids=lambda page: page.name)
def test_each_image_says_in_words_what_it_shows(page):
    assert [image.path.name for image in images(page) if len(image.alt.split()) < 5] == []


def test_each_file_of_an_image_is_used_and_small():
    used = {image.path for page in PAGES for image in images(page)}
    files = {path for path in IMAGES.iterdir() if not path.name.startswith(".")}
    assert files == {path for path in used if path.parent == IMAGES}
    assert [path.name for path in files if path.stat().st_size > LARGEST and path.name != "tour.png"] == []


def test_a_changed_block_is_noticed(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_bytes(b"<svg/>\n<!-- " + stamp("plot.show(f, name='a')\n") + b" -->\n")
    assert stamp_of(path) == stamp("plot.show(f,  name='a')") != stamp("plot.show(g, name='a')")


def test_the_name_of_a_figure_is_read_from_the_last_line_of_a_block():
    assert shown('f = 1\nplot.show(f, name="spiral")\n') == "spiral"
    assert (
        shown('plot.show(f, name="spiral")\nf = 1\n') == shown("f = 1\n") == shown("") == shown("plot.show(f)\n") == ""
    )
