"""Every op has every property: the battery of `tinygen.testing`, with examples that hypothesis draws and shrinks."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygen import OPS, Tensor, grad
from tinygen.testing import CASES
from tinygen.testing.coverage import SHARES, minimum
from tinygen.testing.properties import PROPERTIES
from tinygen.testing.strategies import examples

pytestmark = pytest.mark.properties


def cells(properties):
    """All (op, property) that apply; every property of an op that has no case, so that each of them fails."""
    return [
        (op, prop)
        for op in sorted({*OPS, *CASES})
        for prop in properties
        if op not in CASES or PROPERTIES[prop].arguments(CASES[op])
    ]


@pytest.mark.parametrize(("op", "prop"), cells([prop for prop in PROPERTIES if prop not in SHARES]))
def test_every_op_has_every_property(op, prop, coverage, profile):
    assert op in CASES, f"{op} has no case: add one to tinygen/testing/cases/"
    case, measure = CASES[op], PROPERTIES[prop].measure
    arguments = set(PROPERTIES[prop].arguments(case))

    @settings(max_examples=minimum(prop, profile))
    @given(example=examples(case), seed=st.integers(0, 2**32 - 1))
    def holds(example, seed):
        shown = measure(case, *example, np.random.default_rng(seed))
        coverage.add(op, prop, shown)
        assume(arguments <= set(shown))  # an example that can't fail runs like the others, but doesn't count

    holds()


@pytest.mark.parametrize(("op", "prop"), cells(SHARES))
def test_arrays_without_entries_and_of_different_shapes(op, prop, coverage, profile, compiled):
    case, measure = CASES[op], PROPERTIES[prop].measure
    with mock.patch.multiple(np, empty=_filled, empty_like=_filled_like):
        for seed in range(minimum(prop, profile)):
            rng = np.random.default_rng(seed)
            coverage.add(op, prop, measure(case, *case.sample(rng), rng))


def test_astype_rounds_and_returns_gradients_in_the_type_of_its_input():
    """Its case stays in float64, because rounding to float32 would hide the differences."""
    exact = np.random.default_rng(0).normal(size=(3, 4))
    for before, after in ((np.float64, np.float32), (np.float32, np.float64), (np.float32, np.float32)):
        x = Tensor(exact.astype(before), requires_grad=True)
        y = x.astype(after)
        np.testing.assert_array_equal(y.numpy(), exact.astype(before).astype(after), strict=True)
        gradient = grad(y, x, exact.astype(after)).numpy()
        np.testing.assert_array_equal(gradient, exact.astype(after).astype(before), strict=True)


def _filled(shape, dtype=float, *args, **more):
    """np.empty in the worst case: full of NaN."""
    return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 1, dtype)


def _filled_like(array, dtype=None, *args, **more):
    return _filled(array.shape, dtype or array.dtype)
