"""The form of a result: what differs is said, shape or dtype."""

import numpy as np
import pytest

from tinygen.exercises.exercise import call
from tinygen.exercises.outcome import unlike
from tinygen.exercises.stages import Shapes

WANTED = np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    "found, says",
    [
        (np.zeros((3, 2), np.float32), "The shape of the result is not right."),
        (np.zeros((3, 2)), "Neither the shape nor the dtype is right."),
        (np.zeros((2, 3), int), "The shape is right, but the dtype of the result is not."),
        ([WANTED, WANTED], "It returns another number of arrays: 2 instead of 1."),
        ([WANTED], "The arrays are right, but not how they are put together."),
    ],
)
def test_what_differs_is_said(found, says):
    assert unlike(found, WANTED) == says


def test_float64_in_place_of_float32_is_explained():
    stage = Shapes(lambda rng, size: call(rng.normal(size=(2, 3))))
    finding = stage.run(lambda x: np.sqrt(2) * x, lambda x: 2**0.5 * x)
    assert finding is not None
    assert "the dtype is float64 instead of float32" in finding.says and "np.sqrt of a number" in finding.says
    assert (finding.expected, finding.computed) == ("(2, 3) float32", "(2, 3) float64")
