"""Upsampling, its adjoint and concatenation equal the reference to the bit, in all layouts, on 1 to 3 threads."""

import numpy as np
import pytest

from tinygen import kernels
from tinygen.kernels import COMPILED, compiled, reference
from tinygen.testing.layouts import LAYOUTS

NAMES = [name for name, row in COMPILED.items() if row.home in ("copy", "upsample") and name != "contiguous"]
SHAPES = [(2, 6, 6, 4), (1, 6, 12, 1), (0, 6, 6, 2), (2, 6, 6, 0), (5, 48, 42, 33), (40, 12, 30, 16)]  # of sixes: tiled
SCALES = [(1, 1), (2, 2), (3, 2), (1, 3)]


def images(shape, dtype=np.float32):
    """Whole numbers, whose sums are exact in any order."""
    return np.random.default_rng(0).integers(-8, 9, size=shape).astype(dtype)


def call(kernel, name, x, scale):
    kernel = kernel if x.size else getattr(kernels, name)
    return kernel([x, 2 * x, x], scale[0]) if name == "concat" else kernel(x, scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_bits_equal_those_of_the_reference(name, shape, scale):
    for dtype in (np.float32, np.float64):
        x = images(shape, dtype)
        np.testing.assert_array_equal(
            call(compiled(name), name, x, scale), call(getattr(reference, name), name, x, scale), strict=True
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_layout(name):
    x = images((5, 48, 42, 20))
    for lay_out in LAYOUTS.values():
        view = lay_out(x)
        np.testing.assert_array_equal(
            call(compiled(name), name, view, (2, 3)), call(getattr(reference, name), name, view, (2, 3))
        )


@pytest.mark.parametrize(
    "index",
    [(..., slice(5, 9)), (slice(1, 40), ..., slice(3)), (slice(None), slice(2, 20)), (..., slice(None, None, 2))],
)
def test_a_part_is_the_same_numbers(index):
    x = np.random.default_rng(0).normal(size=(60, 30, 40, 10)).astype(np.float32)
    part = x[index]
    assert part.size >= COMPILED["contiguous"].least
    np.testing.assert_array_equal(kernels.contiguous(part), part, strict=True)
    if index == (..., slice(5, 9)):
        assert kernels.contiguous(part).flags.c_contiguous


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_parts_of_different_size(axis):
    sizes = [(3, 50, 60, 20), (3, 50, 60, 20)]
    sizes[1] = tuple(7 if i == axis else n for i, n in enumerate(sizes[1]))
    parts = [images(size) for size in sizes]
    np.testing.assert_array_equal(compiled("concat")(parts, axis), reference.concat(parts, axis), strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_one_two_and_three_threads_give_the_same_bits(name, monkeypatch):
    x, results = np.random.default_rng(0).normal(size=(20, 30, 30, 16)).astype(np.float32), []
    for n in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
        results.append(call(compiled(name), name, x, (2, 2)).tobytes())
    assert results[0] == results[1] == results[2]


def test_sums_of_other_numbers_are_rounded_like_the_reference():
    x = np.random.default_rng(0).normal(size=(3, 40, 60, 5)).astype(np.float32)
    got, true = compiled("sum_blocks")(x, (4, 3)), reference.sum_blocks(x.astype(np.float64), (4, 3))
    assert (abs(got - true) <= 4 * np.finfo(np.float32).eps * reference.sum_blocks(abs(x), (4, 3))).all()
