"""The checks of arguments: what they return, and one line of error for what they refuse."""

import re

import numpy as np
import pytest

import tinygen as tg
from tinygen.errors import arguments

RETURNS = {
    "whole": (lambda: arguments.whole("f", "n", np.int64(3), least=1), 3),
    "sizes": (lambda: arguments.sizes("f", a=2, b=np.array(3)), (2, 3)),
    "real": (lambda: arguments.real("f", "x", np.float32(0.5), least=0, most=1), 0.5),
    "real, infinite": (lambda: arguments.real("f", "x", np.inf, infinite=True), np.inf),
    "pair of one": (lambda: arguments.pair("f", "p", 2, least=1), (2, 2)),
    "pair of two": (lambda: arguments.pair("f", "p", [1, np.int32(2)], least=1), (1, 2)),
    "several": (lambda: arguments.several("f", "w", [np.int64(3), 4]), (3, 4)),
    "several of an array": (lambda: arguments.several("f", "w", np.array([3, 4]), count=2), (3, 4)),
    "several, none": (lambda: arguments.several("f", "w", ()), ()),
    "indices": (lambda: arguments.indices("f", "i", [[0, 2]], 3).tolist(), [[0, 2]]),
    "indices, none": (lambda: arguments.indices("f", "i", [], 3).tolist(), []),
    "between": (lambda: arguments.between("f", "x", np.array([0.0, np.nan]), 0, 1).shape, (2,)),
    "between, empty": (lambda: arguments.between("f", "x", np.zeros(0), 2, 1).shape, (0,)),
    "finite": (lambda: arguments.finite("f", "x", np.ones(2)).shape, (2,)),
    "same_shape": (lambda: arguments.same_shape("f", a=np.ones((2, 3)), b=tg.Tensor(np.ones((2, 3)))), (2, 3)),
    "same_shape of numbers": (lambda: arguments.same_shape("f", a=1.0, b=np.ones(())), ()),
    "choice": (lambda: arguments.choice("f", "mode", "b", ("a", "b")), "b"),
    "choice, None": (lambda: arguments.choice("f", "mode", None, ("a", None)), None),
    "float_dtype": (lambda: arguments.float_dtype("f", "float64"), np.float64),
    "python_number": (lambda: type(arguments.python_number(np.float64(1))), float),
}


@pytest.mark.parametrize("name", RETURNS)
def test_the_checked_value_comes_back(name):
    check, expected = RETURNS[name]
    assert check() == expected


REFUSED = [
    (TypeError, lambda: arguments.several("f", "w", 32), "w to be a list of whole numbers, got 32: write (32,)"),
    (TypeError, lambda: arguments.several("f", "w", 2, count=2), "a list of 2 whole numbers, got 2: write (2, 2)"),
    (TypeError, lambda: arguments.several("f", "w", "32"), "w to be a list of whole numbers, got '32'"),
    (TypeError, lambda: arguments.several("f", "w", None), "w to be a list of whole numbers, got None"),
    (TypeError, lambda: arguments.several("f", "w", [3, 1.5]), "w[1] to be a whole number of at least 1, got 1.5"),
    (ValueError, lambda: arguments.several("f", "w", (3,), count=2), "w to be a list of 2 whole numbers, got (3,)"),
    (ValueError, lambda: arguments.several("f", "w", (3, 0)), "w[1] to be a whole number of at least 1, got 0"),
    (TypeError, lambda: arguments.whole("f", "n", 1.5, least=1), "n to be a whole number of at least 1, got 1.5"),
    (TypeError, lambda: arguments.whole("f", "n", True), "n to be a whole number, got True"),
    (ValueError, lambda: arguments.whole("f", "n", 9, least=1, most=8), "of at least 1 and at most 8, got 9"),
    (ValueError, lambda: arguments.sizes("f", a=0), "a to be a whole number of at least 1, got 0"),
    (TypeError, lambda: arguments.real("f", "x", "1"), "x to be a number, got '1'"),
    (ValueError, lambda: arguments.real("f", "x", np.nan), "x to be a number, got nan"),
    (ValueError, lambda: arguments.real("f", "x", 1, above=0, below=1), "a number above 0 and below 1, got 1"),
    (ValueError, lambda: arguments.real("f", "x", 1, below=1, hint="write 0.9"), "below 1, got 1: write 0.9"),
    (ValueError, lambda: arguments.pair("f", "p", (1, 2, 3), least=1), "a pair of them (height, width), got (1, 2, 3)"),
    (TypeError, lambda: arguments.indices("f", "i", [0.5], 3), "got float64 of shape (1,): convert with .astype"),
    (ValueError, lambda: arguments.indices("f", "i", [-1, 3], 3), "i to be integers in 0..2, got -1..3"),
    (
        ValueError,
        lambda: arguments.between("f", "x", np.array([2.0]), 0, 1, hint="scale it"),
        "[0, 1], got 2..2: scale",
    ),
    (ValueError, lambda: arguments.finite("f", "x", np.array([np.nan, np.inf])), "x to be finite, got NaN"),
    (ValueError, lambda: arguments.finite("f", "x", np.array([-np.inf]), hint="clip"), "got infinity: clip"),
    (ValueError, lambda: arguments.same_shape("f", a=[1], b=2.0), "a and b to have the same shape, got (1,) and ()"),
    (ValueError, lambda: arguments.choice("f", "mode", "c", ("a", None)), "mode to be one of 'a', None, got 'c'"),
    (ValueError, lambda: arguments.choice("f", "order", True, (1, 2)), "order to be one of 1, 2, got True"),
    (ValueError, lambda: arguments.choice("f", "mode", np.ones(2), ("a",)), "got an array of shape (2,)"),
    (TypeError, lambda: arguments.float_dtype("f", int), "dtype to be np.float32 or np.float64, got int"),
    (TypeError, lambda: arguments.float_dtype("f", None), "got None"),
    (TypeError, lambda: arguments.float_dtype("f", "no"), "got 'no'"),
    (TypeError, lambda: arguments.generator("f", 0), "rng to be a numpy.random.Generator, got 0: pass rng=np.random"),
    (TypeError, lambda: arguments.whole("f", "n", tg.Tensor([1.0, 2.0])), "got a Tensor of shape (2,)"),
]


@pytest.mark.parametrize("error, check, words", [pytest.param(*row, id=row[2][:50]) for row in REFUSED])
def test_the_error_has_one_form(error, check, words):
    with pytest.raises(error, match="^f: expected .*" + re.escape(words)) as caught:
        check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.zeros((50, 50)), "x" * 99, list(range(99)), "a\nb", tg.Tensor(np.zeros((9, 9)))])
def test_a_message_shows_any_value_on_one_short_line(value):
    assert len(arguments.shown(value)) <= 70
    assert "\n" not in arguments.shown(value)
