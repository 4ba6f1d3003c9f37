"""The built site: no link is dead, no page loads anything from the network, and nothing is missing.

`python -m sphinx -W --keep-going docs site` builds the site. Without it these tests are skipped.
"""

import importlib
import inspect
import re

import pytest
from helpers.pages import PAGES
from helpers.paths import ROOT
from helpers.site import SITE, dead, is_external, pages

from tinygen.lessons import find

pytestmark = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built")

PACKAGES = "ops graph gradcheck testing nn optim distributions models data evaluate plot runs".split()
OUTSIDE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])(https?:)?//""")


def test_every_internal_link_leads_to_a_page_and_an_anchor():
    wrong = {
        f"{path.relative_to(SITE)}: {link}" for path, page in pages().items() for link in page.links if dead(path, link)
    }
    assert sorted(wrong) == []


def test_no_page_loads_anything_from_the_network():
    wrong = {
        f"{path.relative_to(SITE)}: {link}"
        for path, page in pages().items()
        for link in page.loads
        if is_external(link) or dead(path, link.partition("?")[0])
    }
    assert sorted(wrong) == []


def test_no_style_loads_anything_from_the_network():
    files = [*SITE.rglob("*.css"), *SITE.rglob("*.html"), *SITE.rglob("*.svg")]
    assert len(files) > 100
    assert [str(path.relative_to(SITE)) for path in files if OUTSIDE.search(path.read_text(encoding="utf-8"))] == []


def test_every_page_of_the_documentation_is_on_the_site():
    names = [page.stem for page in PAGES if page.parent.name == "docs"]
    assert [name for name in names if not (SITE / f"{name}.html").exists()] == []


def test_formulas_are_pictures():
    text = (SITE / "convolution.html").read_text(encoding="utf-8")
    assert text.count('role="math"') > 30
    assert "$`" not in text


@pytest.mark.parametrize("lesson", find(folder=ROOT / "examples"), ids=lambda lesson: lesson.name)
def test_a_lesson_has_a_page_with_figures_claims_and_downloads(lesson):
    path = SITE / "lessons" / f"{lesson.name}.html"
    text = path.read_text(encoding="utf-8")
    assert 'class="figure' in text or "sphx-glr-single-img" in text
    assert re.search(r"ok +(new|[A-S]\d)", text)
    assert {link.rpartition(".")[2] for link in pages()[path].links if "_downloads" in link} >= {"py", "ipynb"}


def test_the_reference_has_every_public_name_once():
    found = []
    for page in sorted((SITE / "reference").glob("tinygen*.html")):
        found += re.findall(r'<dt class="sig[^>]* id="([^"]+)"', page.read_text(encoding="utf-8"))
    assert sorted({name for name in found if found.count(name) > 1}) == []
    documented = {name.rpartition(".")[2] for name in found}
    public = set()
    for package in PACKAGES:
        module = importlib.import_module(f"tinygen.{package}")
        public |= {name for name in getattr(module, "__all__", []) if not inspect.ismodule(getattr(module, name))}
    assert sorted(public - documented) == []
