"""Whether arrays are finite, and whether their squares are, by the plain and by the compiled kernel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import COMPILED, compiled, reference

LARGEST = {np.float32: 1.8e19, np.float64: 1.3e154}  # numbers whose squares are just below the largest float


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(
    size=st.sampled_from([1, 100, COMPILED["is_finite"].least, 50_000, 300_000]),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 0.001, 100.0]),
    place=st.floats(0, 1, exclude_max=True),
    bad=st.sampled_from([None, np.nan, np.inf, -np.inf]),
)
def test_both_kernels_tell(dtype, size, scale, place, bad):
    """One entry is `scale` times the largest number with a finite square; the others are small."""
    x = np.ones(size, dtype)
    x[int(place * size)] = scale * LARGEST[dtype] if bad is None else bad
    for of in (compiled, lambda name: getattr(reference, name)):
        assert of("is_finite")(x) == (bad is None)
        assert of("squares_fit")([x]) == (bad is None and scale <= 1)
