"""Steps of recurrent cells: equal to the plain ones within rounding, whatever the sizes, layouts and numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.kernels import compiled, reference

EXAMPLES = {"quick": 50, "full": 500, "long": 5000}
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def leaves(results):
    for each in results:
        yield from leaves(each) if isinstance(each, tuple) else [] if each is None else [each]


def in_dtype(values, dtype):
    return tuple(in_dtype(each, dtype) if isinstance(each, tuple) else each.astype(dtype) for each in values)


@pytest.mark.parametrize("name", [*GATES, *(f"{name}_vjp" for name in GATES)])
def test_a_step_equals_the_plain_one(name, profile):
    cell = name.removesuffix("_vjp")
    parts = 2 if cell == "lstm" else 1

    @settings(max_examples=EXAMPLES[profile])
    @given(st.integers(1, 40), st.integers(1, 70), st.sampled_from([0.1, 3, 40]), st.booleans(), st.integers(0, 999))
    def equal(n, size, scale, whole, seed):
        rng = np.random.default_rng(seed)
        x, s = (scale * rng.normal(size=(n, GATES[cell] * size)) for _ in range(2))
        one_array = rng.normal(size=(n, 3 * parts * size))  # its columns are states, as in a layer
        g, state, new = (
            tuple(one_array[:, i * size : (i + 1) * size] for i in range(first, first + parts))
            for first in range(0, 3 * parts, parts)
        )
        if not whole:
            g, state, new = (tuple(a.copy() for a in each) for each in (g, state, new))
        given = (x, s, g, state, new) if name.endswith("_vjp") else (x, s, state)
        single = tuple(a.astype("f4") if isinstance(a, np.ndarray) else tuple(b.astype("f4") for b in a) for a in given)
        wide = tuple(
            a.astype(float) if isinstance(a, np.ndarray) else tuple(b.astype(float) for b in a) for a in single
        )
        got, true = list(leaves(compiled(name)(*single))), list(leaves(getattr(reference, name)(*wide)))
        assert len(got) == len(true)
        for a, b in zip(got, true):
            assert a.dtype == np.float32 and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=4e-6 * max(1, scale))  # n - h, of numbers near each other

    equal()
