"""The page of a run: its pictures exist, its text is escaped, nothing is loaded from elsewhere."""

from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygen import plot
from tinygen.io.table import format_number
from tinygen.runs.page import Code, Link, Page, Panel, Section, Table, write_page
from tinygen.runs.run import Result, open_run

VOID = {"meta", "img", "br"}
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1) | st.just("<b>&amp;\"'{x}")


class Reader(HTMLParser):
    """Parses a page strictly: each tag that opens must close; keeps the texts, the images and all attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.images, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes += attributes
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1] != "style":
            self.texts.append((self.open[-1], data.strip()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for name in ("loss.png", 'a "b" & <c>.png', "steps.gif"):
        Image.new("L", (30, 20)).save(folder / name)
    return folder


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_texts_are_escaped(folder, title, text, figure, alt):
    page = write_page(
        folder,
        title=title,
        intro=text,
        results=[Result(figure, 13.1043, text, title)],
        sections=[Section(title, f"{text}\n\n{figure}", "loss.png", alt)],
    )
    read = Reader(page.read_text(encoding="utf-8"))
    assert read.texts == [
        ("title", title), ("h1", title), ("p", text),
        ("th", "Metric"), ("th", "Value"), ("th", "Reference"), ("th", "Verdict"),
        ("th", figure), ("td", "13.1043"), ("td", text), ("td", title),
        ("h2", title), ("p", text), ("p", figure),
    ]  # fmt: skip
    assert [image["alt"] for image in read.images] == [alt]


def test_every_picture_exists_and_nothing_is_loaded_from_elsewhere(folder):
    names = sorted(path.name for path in folder.iterdir() if path.suffix != ".html")
    sections = [Section(name, picture=name, alt="a picture") for name in names]
    text = write_page(folder, title="Run", intro="", sections=[*sections, Section("Words only", "Text")]).read_text()
    page = Reader(text)
    assert [unquote(image["src"]) for image in page.images] == names and len(names) == 3
    for image in page.images:
        assert (folder / unquote(image["src"])).is_file()
        assert (image["width"], image["height"], image["loading"]) == ("30", "20", "lazy")
    links = [unquote(value) for name, value in page.attributes if name in ("src", "href")]
    assert set(links) == set(names) and "//" not in text and "@import" not in text and "url(" not in text


def test_a_page_without_its_pictures_is_refused_before_it_is_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"section 'Loss' shows .*loss.png, which does not exist"):
        write_page(tmp_path, title="Run", intro="", sections=[Section("Loss", picture="loss.png", alt="a curve")])
    Image.new("L", (3, 2)).save(tmp_path / "loss.png")
    with pytest.raises(ValueError, match=r"loss.png needs an `alt`"):
        write_page(tmp_path, title="Run", intro="", sections=[Section("Loss", picture="loss.png")])
    assert not (tmp_path / "index.html").exists()


@given(TEXTS, TEXTS, st.floats(allow_nan=False, allow_infinity=False))
def test_a_table_names_its_columns_and_each_cell_again_for_narrow_screens(folder, name, cell, value):
    table = Table((name, "what", cell), [(cell, name, "1"), (name, value, cell)])
    page = write_page(folder, title="Run", intro="", sections=[Section("Figures", table=table)])
    read = Reader(page.read_text(encoding="utf-8"))
    heads = [text for tag, text in read.texts if tag == "th"]
    assert heads == [name.capitalize(), "What", cell.capitalize(), cell, name]
    assert [text for tag, text in read.texts if tag == "td"] == [name, "1", format_number(value), cell]
    assert [value for key, value in read.attributes if key == "data-title"] == ["what", cell] * 2


def test_panels_are_side_by_side_with_their_captions(folder):
    shown = [Panel("loss.png", "a curve", "<the loss>"), Panel("steps.gif", "a film")]
    page = write_page(folder, title="Run", intro="", sections=[Section("Both", panels=shown, min_width=200)])
    read = Reader(page.read_text(encoding="utf-8"))
    assert [(image["src"], image["alt"]) for image in read.images] == [("loss.png", "a curve"), ("steps.gif", "a film")]
    assert [text for tag, text in read.texts if tag == "figcaption"] == ["<the loss>"]
    assert ("style", "--min-width: 200px") in read.attributes
    with pytest.raises(FileNotFoundError, match=r"section 'Both' shows .*none.png"):
        write_page(folder, title="Run", intro="", sections=[Section("Both", panels=[Panel("none.png", "a curve")])])
    with pytest.raises(ValueError, match=r"loss.png needs an `alt`"):
        write_page(folder, title="Run", intro="", sections=[Section("Both", panels=[Panel("loss.png", "")])])


# -- pictures that can't be written ------------------------------------------------------------------------------------

DIGIT = np.zeros((4, 8, 8, 1), np.float32)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError("no room"), ValueError("NaN")])
def test_a_picture_that_fails_costs_one_line_and_its_section(tmp_path, capsys, error):
    def fail(*_, **__):
        raise error

    run = open_run(tmp_path, {})
    page = Page(run)
    page.save("good.png", plot.image_grid, DIGIT)
    (tmp_path / "bad.png").write_bytes(b"of an earlier run")
    page.save("bad.png", fail)
    page.save("bad.html", fail)
    bad, good = Panel("bad.png", "it"), Panel("good.png", "it")
    sections = [Section(name, "", name, "it") for name in ("good.png", "bad.png", "bad.html")]
    sections.append(Section("both", panels=[bad, good]))
    page.write(title="A run", intro="of all", sections=sections)
    read = Reader((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert [image["src"] for image in read.images] == ["good.png", "good.png"]
    assert [text for tag, text in read.texts if tag == "h2"] == ["good.png", "both"]
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "could not be written" in line] == [
        f"{tmp_path}: {name} could not be written: {error}" for name in ("bad.png", "bad.html")
    ]
    assert not (tmp_path / "bad.png").exists() and lines[-1].endswith("index.html")


def test_a_page_that_fails_costs_one_line(tmp_path, capsys):
    (tmp_path / "index.html").mkdir()
    Page(open_run(tmp_path, {})).write(title="A run", intro="of all", sections=[])
    (line,) = capsys.readouterr().out.splitlines()
    assert "index.html could not be written" in line


# -- code, commands, links, films --------------------------------------------------------------------------------------


def test_code_commands_and_links_are_beside_the_picture(folder, tmp_path):
    source = tmp_path / "a source & more.py"
    source.write_text("x = 1\n")
    code, there, gone = Code("x = '<b>'", source), Link("on", source), Link("gone", tmp_path / "gone.md")
    extra = dict(code=code, commands=["python -m tinygen <run>"], links=[there, gone])
    page = write_page(folder, title="Run", intro="", sections=[Section("A & b", "", "loss.png", "a curve", **extra)])
    text = page.read_text(encoding="utf-8")
    read = Reader(text)
    targets = [unquote(value) for name, value in read.attributes if name == "href"]
    assert [(folder / target).resolve() for target in targets[1:]] == [source, source] and targets[0] == "loss.png"
    assert ("span", "'<b>'") in read.texts and any("python -m tinygen <run>" in words for _, words in read.texts)
    assert "gone" not in text and ("id", "a-b") in read.attributes
    source.unlink()
    again = Reader(write_page(folder, title="Run", intro="", sections=[Section("A", **extra)]).read_text())
    assert not [value for name, value in again.attributes if name == "href"]
    assert ("p", "a source & more.py") in again.texts


def test_films_are_in_the_page_with_one_style_and_one_script(tmp_path, capsys):
    page = Page(open_run(tmp_path, {}))
    frames = np.linspace(0, 1, 3)[:, None, None, None] * np.ones((3, 4, 4, 1))
    for name in ("a.html", "b.html"):
        page.save(name, plot.film, frames, fps=4)
    page.save("bad.html", plot.film, frames + 1)
    sections = [Section(name, "", name, f"the film {name}") for name in ("a.html", "b.html", "bad.html")]
    page.write(title="Films", intro="", sections=[*sections, Section("Both", panels=[Panel("a.html", "again")])])
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.count('<figure class="film"') == 3 and text.count("IntersectionObserver") == 1
    assert text.count(".film-bar {") == 1 and 'alt="the film b.html"' in text and "bad.html" not in text
    assert (tmp_path / "a.html").exists() and "bad.html could not be written" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match=r"section 'a' shows .*c.html, which does not exist"):
        write_page(tmp_path, title="Run", intro="", sections=[Section("a", "", "c.html", "a film")])
