"""Plain words: a few that have a plainer synonym, and names that this project once had for things with a name."""

import re

import pytest
from helpers.architecture import PROJECT
from helpers.pages import PAGES
from helpers.paths import ROOT

WORDS = {  # few, and certain: each is wrong wherever it appears
    r"anew": "again",
    r"whoever|whomever": "the user, the process that",
    r"lest": "so that ... not",
    r"nobody|somebody": "no one; name the reader, the caller",
    r"at hand": "the current",
    r"now and then": "sometimes, or how often",
    r"mend(s|ed|ing)?": "fix",
    r"specimens?": "one example per class",
    r"h[eo]ld against": "compared with, baseline",
    r"(a|the|test) ledger": "coverage table",
    r"strangers": "other processes",
    r"bend(s|ing)?|bent": "activation, nonlinearity",
    r"twins?": "reference implementation, counterpart",
    r"judg(e|es|ed|ing)": "classifier, evaluation, scoring",
    r"told apart": "distinguished",
    r"dear(er|est)?": "expensive",
    r"of its own accord": "by itself",
    r"one behind the other": "in sequence, consecutive",
    r"brings? home": "result; shows",
    r"whereby|wherein|thereof|thereby": "a shorter sentence",
}


@pytest.mark.parametrize("word", WORDS)
def test_plain_words(word):
    pattern = re.compile(rf"\b({word})\b", re.IGNORECASE)
    paths = [path for path in PROJECT if path.relative_to(ROOT).parts[0] in ("tinygen", "examples", "tools", "tests")]
    paths = [path for path in paths if path.name != "test_words.py"]
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which lists old names
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*paths, *pages]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == [], f"write: {WORDS[word]}"
