"""The coverage table counts by op, argument and property, adds counts of processes, and names what is missing."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest
from helpers.paths import ROOT
from helpers.profiles import grows
from hypothesis import given
from hypothesis import strategies as st

from tinygen.testing import CASES, Waiver
from tinygen.testing.coverage import MINIMA, PROFILES, SHARES, Coverage, minimum
from tinygen.testing.properties import PROPERTIES

CONV, ADD, SIN = CASES["conv2d"], CASES["add"], CASES["sin"]


def filled(case, profile, *, but=()):
    """A table in which every property except some has enough examples."""
    coverage = Coverage()
    for prop in PROPERTIES.values():
        for _ in range(minimum(prop.name, profile) if prop.name not in but else 0):
            coverage.add(case.name, prop.name, prop.arguments(case))
    return coverage


def test_every_property_has_a_minimum_in_every_profile():
    assert set(MINIMA) == set(PROPERTIES) and set(SHARES) <= set(PROPERTIES)
    for numbers in MINIMA.values():
        assert len(numbers) == len(PROFILES) and list(numbers) == sorted(numbers) and numbers[0] >= 10


def test_an_empty_table_misses_every_cell():
    lines = Coverage().missing([CONV], "quick")
    assert 'conv2d, argument w: "order 1" was tested by 0 examples, expected 10' in lines
    assert 'conv2d: "layout" was tested by 0 examples, expected 10' in lines
    assert len(lines) == sum(len(prop.arguments(CONV)) for prop in PROPERTIES.values())


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("case", [CONV, ADD, SIN])
def test_a_full_table_misses_nothing(case, profile):
    assert filled(case, profile).missing([case], profile) == []


@pytest.mark.parametrize("prop", PROPERTIES)
def test_one_missing_property_is_named(prop):
    case = next(c for c in CASES.values() if PROPERTIES[prop].arguments(c))
    lines = filled(case, "quick", but=[prop]).missing([case], "quick")
    assert len(lines) == len(PROPERTIES[prop].arguments(case))
    assert all(f'"{prop}"' in line for line in lines)


def test_each_argument_is_counted_by_itself():
    coverage = filled(ADD, "quick", but=["order 1"])
    for _ in range(25):
        coverage.add("add", "order 1", ["a"])
    assert coverage.missing([ADD], "quick") == ['add, argument b: "order 1" was tested by 0 examples, expected 10']


@pytest.mark.parametrize(("prop", "share"), SHARES.items())
def test_a_share_is_of_all_examples(prop, share):
    coverage = filled(ADD, "quick", but=[prop])
    tries = 1000
    for i in range(tries):
        coverage.add("add", prop, ["*"] if i < share * tries - 1 else [])
    least = round(share * tries)
    assert coverage.missing([ADD], "quick") == [f'add: "{prop}" was tested by {least - 1} examples, expected {least}']
    coverage.add("add", prop, ["*"])
    coverage.add("add", prop, ["*"])
    assert coverage.missing([ADD], "quick") == []


def test_tables_of_several_processes_add_up():
    whole, parts = Coverage(), [Coverage(), Coverage()]
    for i in range(10):
        parts[i % 2].add("add", "order 1", ["a"] if i < 4 else ["a", "b"])
    for part in parts:
        whole.merge(part.pack())
    assert whole.shown == {("add", "a", "order 1"): 10, ("add", "b", "order 1"): 6}
    assert whole.tried == {("add", "order 1"): 10}


def test_a_waiver_exempts_one_property():
    exempt = replace(SIN, waivers=(Waiver("layout", "a test", date.max),))
    lines = Coverage().missing([exempt], "quick")
    assert len(lines) == len(Coverage().missing([SIN], "quick")) - 1
    assert not any("layout" in line for line in lines)


def test_the_page_on_testing_states_the_numbers():
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    stated = {
        name: tuple(int(n.replace(",", "")) for n in numbers)
        for name, *numbers in rows
        if len(numbers) == 3 and numbers[0].isdigit()
    }
    assert stated == MINIMA
    assert [name for name, *_ in rows if name in PROPERTIES][: len(PROPERTIES)] == list(PROPERTIES)


def test_the_deeper_run_takes_what_the_profile_changes():
    tests = {"plain": (lambda: None, ["tmp_path"]), "asks": (lambda: None, ["profile"])}
    tests["drawn"] = given(st.none())(lambda x: None), []
    items = {name: SimpleNamespace(obj=test, fixturenames=names) for name, (test, names) in tests.items()}
    assert [name for name, item in items.items() if grows(item)] == ["asks", "drawn"]
