"""Every formula in the documentation is set as it is meant, on the site and where the code is hosted."""

import re

import pytest
from helpers.pages import PAGES
from helpers.paths import ROOT

quickjax = pytest.importorskip("quickjax")  # MathJax; the extra `test` brings both
pytest.importorskip("markdown_it")

from helpers.formulas import formulas  # noqa: E402

WITH_FORMULAS = [page for page in PAGES if "$`" in page.read_text(encoding="utf-8")]
REFUSED = re.compile(r"\\(?:operatorname|mbox|phantom|def|gdef|newcommand|renewcommand|require|href|class|cssId)\b")
FAULT = re.compile(r'data-mml-node="merror"|data-mjx-error|fill="red"')


@pytest.fixture(scope="module")
def mathjax():
    """The program that sets formulas on GitHub and on the site."""
    return quickjax.MathJaxRenderer()


def fault(mathjax, tex: str, display: bool) -> str:
    """What is wrong with the TeX of a formula, or nothing."""
    if refused := REFUSED.search(tex):
        return f"GitHub refuses {refused[0]}"
    return "TeX does not parse" if FAULT.search(mathjax.render(tex, display=display)) else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_formulas_of_a_page_are_set(page, mathjax):
    found, wrong = formulas(page.read_text(encoding="utf-8"))
    faults = [(f.line, f.tex, fault(mathjax, f.tex, f.display)) for f in found]
    assert wrong + [f"line {line}: {text}: {tex}" for line, tex, text in faults if text] == []


def test_there_are_formulas():
    assert len(WITH_FORMULAS) >= 12
    assert sum(len(formulas(page.read_text(encoding="utf-8"))[0]) for page in WITH_FORMULAS) > 500


@pytest.mark.parametrize(
    "text",
    [
        "the loss $x_i$ of",  # the other notation, which Markdown may damage
        "$$x$$",
        "a price of 5$ or $`x",
        "see $`a\nb`$ there",  # a formula in two lines
        "| a |\n|---|\n| $`a | b`$ |",  # a table splits its cells first
        "text\n\n    $`x`$",  # an indented block is code
    ],
)
def test_what_only_looks_like_a_formula_is_found(text):
    assert formulas(text)[1]


@pytest.mark.parametrize("tex", [r"\nosuch x", r"\frac{a}{", "x_{i", r"\left( x", "a & b", r"\operatorname{tr} A"])
def test_tex_that_does_not_parse_is_found(tex, mathjax):
    assert fault(mathjax, tex, True)


def test_a_formula_is_found_as_it_is_meant():
    found, wrong = formulas("a $`x_i`$, `$HOME` and ($`y`$)\n\n```math\nz\n```\n\n- b\n\n  ```math\n  w\n  ```\n")
    assert [(f.tex, f.display) for f in found] == [("x_i", False), ("y", False), ("z", True), ("w", True)]
    assert wrong == []
