"""All steps of recurrent cells: equal to the plain ones within rounding, whatever the sizes, layouts and numbers."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.kernels import cells, compiled, reference
from tinygen.kernels.reference_cells import CELLS
from tinygen.testing.layouts import LAYOUTS

EXAMPLES = {"quick": 40, "full": 400, "long": 4000}


def sequence(cell, steps, n, size, scale, seed):
    """The arguments of a cell's kernel, and the gradient of its new states, in float32."""
    rng, (gates, parts) = np.random.default_rng(seed), CELLS[cell]
    shapes = [
        (steps, n, gates * size),
        (n, parts * size),
        (size, gates * size),
        (gates * size,),
        (steps, n, parts * size),
    ]
    x, first, w, b, g = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    return (scale * x, first, w / np.float32(size**0.5), b), g


def back(version, cell, x, first, w, b, g):
    """The gradients of x, of what the states add to the gates, and of the first state."""
    states, added = reference.recurrence(x, first, w, b, cell)
    return version("recurrence_vjp")(g, x, states, added, w, cell)


@pytest.mark.parametrize("cell", CELLS)
def test_all_steps_equal_the_plain_ones(cell, profile):
    @settings(max_examples=EXAMPLES[profile], deadline=None)
    @given(
        *(st.integers(1, most) for most in (4, 70, 70)),
        st.sampled_from([np.float32(s) for s in (0.1, 3, 40)]),
        st.sampled_from(sorted(LAYOUTS)),
        st.integers(0, 999),
    )
    def equal(steps, n, size, scale, layout, seed):
        single, g = sequence(cell, steps, n, size, scale, seed)
        *single, g = (LAYOUTS[layout](a) for a in (*single, g))
        wide = [a.astype(float) for a in single]
        got = (*compiled("recurrence")(*single, cell), *back(compiled, cell, *single, g))
        plain = (
            *reference.recurrence(*wide, cell),
            *back(partial(getattr, reference), cell, *wide, g.astype(float)),
        )
        for a, true in zip(got, plain, strict=True):
            assert a.dtype == np.float32 and a.shape == true.shape
            tolerance = 1e-5 * max(1, scale, np.abs(true).max())  # n - h, of numbers near each other
            np.testing.assert_allclose(a, true, rtol=2e-5, atol=tolerance)

    equal()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n", [1, 5, 70])
def test_one_two_and_three_threads_give_the_same_bits(cell, n, monkeypatch):
    given, g = sequence(cell, 3, n, 40, np.float32(1), 0)
    results = []
    for threads in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", threads)
        results.append([a.tobytes() for a in (*compiled("recurrence")(*given, cell), *back(compiled, cell, *given, g))])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_does_not_depend_on_the_others(cell):
    """Whatever block a row is in, and however many rows are in it."""
    (x, first, w, b), _ = sequence(cell, 2, 3 * cells.ROWS, 24, np.float32(1), 1)
    whole, _ = compiled("recurrence")(x, first, w, b, cell)
    for at in (0, 7, 2 * cells.ROWS + 1):
        part, _ = compiled("recurrence")(x[:, at : at + 2], first[at : at + 2], w, b, cell)
        np.testing.assert_allclose(part, whole[:, at : at + 2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_float64_and_wide_weights_take_the_plain_steps_with_products_of_our_own(cell):
    (x, first, w, b), g = sequence(cell, 2, 3, 10, np.float32(1), 2)
    for dtype in (np.float32, np.float64):
        given = [a.astype(dtype) for a in (x, first, w, b)]
        true = *reference.recurrence(*given, cell), *back(partial(getattr, reference), cell, *given, g.astype(dtype))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells, "_is_for_tiles", lambda x: False)
            got = *cells.recurrence(*given, cell), *back(partial(getattr, cells), cell, *given, g.astype(dtype))
        for a, expected in zip(got, true, strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, expected, rtol=1e-4, atol=1e-5)
