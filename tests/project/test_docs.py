"""Every code block in the documentation runs, every link leads to a file or a heading, and the pages are complete."""

import re

import pytest
from helpers.architecture import HEIGHT
from helpers.pages import PAGES, anchors, blocks, prose, run
from helpers.paths import ROOT

from tinygen.plot.show import showing

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")


@pytest.fixture
def registry():
    """Restores OPS: a page may define an op."""
    from tinygen import OPS

    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_code_of_a_page_runs_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a page may write files
    with showing(lambda thing, name: None):
        run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    wrong = []
    for link in LINK.findall(prose(page)):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_there_are_pages_with_code():
    assert sum(len(blocks(page)) for page in PAGES) >= 10


def test_the_index_links_to_every_page():
    linked = set(LINK.findall(prose(ROOT / "docs" / "index.md")))
    assert {page.name for page in PAGES if page.parent.name == "docs"} - linked == {"index.md"}


def test_the_readme_names_every_part_of_the_package():
    linked = re.findall(r"\]\(tinygen/(\w+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert HEIGHT.keys() - {"__main__"} <= set(linked)
    assert len(set(linked)) == len(linked), "one row for each part"


def test_the_readme_is_short_and_has_a_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) < 900
    assert "](docs/images/" in text


def test_the_page_of_rules_names_every_op():
    from tinygen import OPS

    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    missing = [name for name, op in OPS.items() if op.__module__.startswith("tinygen.") and f"`{name}`" not in page]
    assert not missing, "\n".join(f"{name}: add a line with the op and its rule to docs/rules.md" for name in missing)


# -- the glossary ------------------------------------------------------------------------------------------------------

GLOSSARY = ROOT / "docs" / "glossary.md"


def entries() -> dict[str, str]:
    """Each term of the glossary, with its explanation."""
    _, *parts = re.split(r"^## +", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {term.strip(): text for term, _, text in (part.partition("\n") for part in parts)}


def test_each_term_of_the_glossary_has_a_short_explanation_and_a_link_to_its_use():
    assert len(entries()) >= 50
    assert [term for term, text in entries().items() if not LINK.search(text) or len(text.split()) > 60] == []


def test_the_terms_of_the_glossary_are_in_alphabetical_order():
    assert list(entries()) == sorted(entries(), key=str.lower)
