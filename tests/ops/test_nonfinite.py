"""NaN and infinity reach the entries that depend on them, in the values and the gradients of every op, and no others.

The dependent entries are found by experiment: one number of the inputs or of the cotangent is replaced by other finite
numbers. The entries of the results that change depend on it, and a NaN in its place must reach these and no others.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygen import kernels
from tinygen.kernels import reference
from tinygen.testing import CASES
from tinygen.testing.draws import normal
from tinygen.testing.measure import evaluate, pull_back
from tinygen.testing.strategies import examples

pytestmark = pytest.mark.properties

EXAMPLES = {"quick": 5, "full": 50, "long": 500}
BAD = (np.nan, np.inf, -np.inf)
# The gradient of these goes to the chosen entry, and NaN is chosen before any number.
CHOICES = {"max", "max_pool2d", "maximum", "minimum"}


def outcome(case, arrays, static) -> list[np.ndarray]:
    """The value and all gradients; the last of the arrays is the cotangent."""
    with np.errstate(all="ignore"):
        y, gradients = pull_back(case, arrays[:-1], static, arrays[-1])
    return [y, *gradients]


def planted(arrays, which: int, entry: int, value: float):
    """The arrays with one number replaced."""
    changed = [a.copy() for a in arrays]
    changed[which].flat[entry] = value
    return tuple(changed)


def replaced(case, arrays, static, place) -> list[list[np.ndarray]]:
    """The outcomes with other finite numbers in one place: near and far, positive and negative."""
    at = arrays[place[0]].flat[place[1]]
    return [outcome(case, planted(arrays, *place, value), static) for value in (at + 0.5, at - 0.5, 1e3, -1e3)]


def changed(before, others, tolerance) -> list[np.ndarray]:
    """For each result a mask of the entries that differ in at least one of the others."""
    return [
        np.array(np.any([differ(other[i], y, tolerance) for other in others], axis=0)) for i, y in enumerate(before)
    ]


def without_kink(static: dict) -> dict:
    """The arguments with silu for the activation of a norm: normalised numbers may never cross the kink of another."""
    return static | {"activation": "silu"} if "eps" in static and static.get("activation") else static


def differ(a: np.ndarray, b: np.ndarray, tolerance: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return ~((a == b) | (abs(a - b) <= tolerance * abs(b)) | (np.isnan(a) & np.isnan(b)))


def kind(a: np.ndarray) -> np.ndarray:
    """For each entry 0 if finite, 1 if NaN, 2 or -2 if infinite."""
    return np.where(np.isfinite(a), 0, np.where(np.isnan(a), 1, 2 * np.sign(a)))


def one_entry(draw, case):
    """An example of a case with a cotangent, and the place of one number in these arrays."""
    arrays, static = draw(examples(case))
    gy = normal(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), evaluate(case, arrays, static).shape)
    arrays = (*arrays, gy)
    filled = [i for i, a in enumerate(arrays) if a.size]
    if not filled:
        return arrays, static, None
    which = draw(st.sampled_from(filled))
    return arrays, static, (which, draw(st.integers(0, arrays[which].size - 1)))


def for_each_example(profile, test):
    """Run `test(case, arrays, static, place)` on examples of one case."""

    def run(case):
        @settings(max_examples=EXAMPLES[profile])
        @given(st.composite(one_entry)(case))
        def hold(example):
            arrays, static, place = example
            if place:
                test(case, arrays, static, place)

        hold()

    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", CASES)
def test_they_reach_the_entries_that_depend_on_them_and_no_others(op, dtype, profile):
    def hold(case, arrays, static, place):
        arrays = tuple(a.astype(dtype) for a in arrays)
        before, others = outcome(case, arrays, static), replaced(case, arrays, static, place)
        depends = changed(before, others, 0)
        assume(place[0] == len(arrays) - 1 or depends[0].any())  # the variance of a single number is always 0
        first = case.arguments.index("x") if "x" in case.arguments else 0
        assume(before[1 + first].any())  # a single number that is normalised alone gives a constant
        curved = without_kink(static)
        for rng in map(np.random.default_rng, range(5)):  # elsewhere an activation may be on the other side of its kink
            moved = tuple((a + 3 * normal(rng, a.shape)).astype(dtype) for a in arrays)
            more = changed(outcome(case, moved, curved), replaced(case, moved, curved, place), 0)
            depends = [np.array(a | b) for a, b in zip(depends, more)]
        if place[0] < len(arrays) - 1:
            depends[place[0] + 1].flat[place[1]] = True  # f' may be NaN at NaN, even if it is 1 elsewhere
        clearly = changed(before, others, 1e-3)
        for bad in BAD:
            for i, got in enumerate(outcome(case, planted(arrays, *place, bad), static)):
                where = f"{'value' if i == 0 else f'gradient {i - 1}'}: {bad} in place of {place}"
                beyond = differ(got, before[i], 1e-5) & ~depends[i]
                assert not beyond.any(), f"{where} changes entries that do not depend on it:\n{got}\n{before[i]}"
                if bad != bad and not (i and case.name in CHOICES):
                    assert np.isnan(got[clearly[i]]).all(), f"{where} is hidden:\n{got}\n{clearly[i]}"

    for_each_example(profile, hold)(CASES[op])


@pytest.mark.parametrize("op", CASES)
def test_they_are_the_same_in_float32_float64_and_the_reference_kernels(op, profile, monkeypatch):
    def hold(case, arrays, static, place):
        for bad in BAD[:1] if "norm" in case.name else BAD:  # norms subtract infinities, in an order of their own
            double = planted(arrays, *place, bad)
            single = tuple(a.astype(np.float32) for a in double)
            found = [outcome(case, double, static), outcome(case, single, static)]
            with monkeypatch.context() as patch:
                for name in kernels.COMPILED:
                    patch.setattr(kernels, name, getattr(reference, name))
                found.append(outcome(case, single, static))
            for results in zip(*found):
                for other in results[1:]:
                    np.testing.assert_array_equal(kind(other), kind(results[0]))

    for_each_example(profile, hold)(CASES[op])
