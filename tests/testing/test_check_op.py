"""`check_op` on ops of one's own: right ones pass, whatever their slope at 0 is, and mistakes are explained."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.testing import check_op


def one(rng):
    return (rng.normal(size=(2, 3)),), {}


def away_from_0(rng):
    return (rng.choice([-1, 1], (2, 3)) * rng.uniform(0.1, 2, (2, 3)),), {}


def cube(x):
    return x.data**3, lambda g: g * 3 * x * x


def cube_root(x):
    return np.cbrt(x.data), lambda g, y: g / (3 * y * y)


def signed_square(x):
    return x.data * np.abs(x.data), lambda g: g * 2 * tg.abs(x)


RIGHT = {
    "a slope of 0 at 0": (cube, one, lambda x: x**3, {}),
    "the same on both sides of a corner": (signed_square, away_from_0, lambda x: x * np.sqrt(x * x), {}),
    "an infinite slope, left out": (cube_root, away_from_0, np.cbrt, {"domain": lambda x: x != 0, "analytic": False}),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_right_ops_pass(name):
    op, sample, oracle, flags = RIGHT[name]
    passed = check_op(tg.op(op), sample, oracle, examples=40, **flags)
    assert passed["extremes", "*"].examples > 0


def test_what_it_found_is_a_table():
    lines = str(check_op(tg.op(cube), one, lambda x: x**3, examples=3)).splitlines()
    assert lines[0] == "cube: all properties hold"
    assert lines[1].split() == ["property", "argument", "examples", "largest", "error"]
    assert [line.split()[:3] for line in lines if line.startswith("order 2")] == [["order", "2", "x"]]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "expected an oracle for complex numbers, got ufunc 'cbrt' not supported.*analytic=False to check_op"),
        (
            {"analytic": False},
            r"gradient of x at 0.0 is inf, where the oracle's value is finite: if the op has no deriv.*domain=",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_a_right_op_needs_is_said(flags, words):
    with pytest.raises((AssertionError, TypeError), match=words):
        check_op(tg.op(cube_root), away_from_0, np.cbrt, examples=40, **flags)


@pytest.mark.parametrize(
    ("sample", "flags", "words"),
    [
        (lambda rng: rng.normal(size=3), {}, r"to return \(arrays, settings\), got ndarray: write sample=lambda rng"),
        (lambda rng: (rng.normal(size=3), {}), {}, r"to return \(arrays, settings\), got \(ndarray, dict\)"),
        (lambda rng: ((np.arange(3),), {}), {}, "to draw float64 arrays, got int64 for x"),
        (one, {"linaer": ("x",)}, r"expected flags among analytic, linear, .*, got linaer \(did you mean linear\?\)"),
    ],
)
def test_mistakes_are_named(sample, flags, words):
    with pytest.raises(TypeError, match=words):
        check_op(tg.op(cube), sample, lambda x: x**3, **flags)
