"""Every code block of the README and the docs is run: a page that lies fails the suite."""

import doctest
import re

import pytest
from helpers.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.fixture
def registry():
    """Leaves OPS as it was: a page may define an op."""
    from tinygen import OPS

    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a page may write files
    names = {"__name__": page.stem}
    for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
        code = match.group(1)
        line = page.read_text(encoding="utf-8")[: match.start(1)].count("\n")
        if code.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(code, names, f"{page.name} block {number}", page.name, line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            runner.run(test, clear_globs=False)
            assert runner.failures == 0, f"{page.name} line {line}: a printed result differs, see the output"
            names.update(test.globs)
        else:
            exec(compile("\n" * line + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_there_are_pages_with_code():
    assert sum(len(BLOCK.findall(page.read_text(encoding="utf-8"))) for page in PAGES) >= 10


def test_the_page_of_rules_names_every_op():
    from tinygen import OPS

    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    missing = [name for name, op in OPS.items() if op.__module__.startswith("tinygen.") and f"`{name}`" not in page]
    assert not missing
