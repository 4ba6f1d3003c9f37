"""Tensors: construction, data types, and how they work with Python's protocols and NumPy's functions."""

import copy
import operator
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygen as tg

floats = st.sampled_from([np.float32, np.float64])
small = st.integers(-8, 8)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@st.composite
def arrays(draw, dtype=floats):
    """Arrays of small whole numbers, in any memory layout."""
    array = draw(hnp.arrays(draw(dtype), draw(shapes), elements=small))
    layout = draw(st.sampled_from(["C", "F", "sliced", "reversed", "read-only"]))
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "sliced":
        array = np.repeat(array[..., None], 2, axis=-1)[..., 1]
    elif layout == "reversed":
        array = array[..., ::-1] if array.ndim else array
    array.flags.writeable = layout != "read-only"
    return array


# -- construction ------------------------------------------------------------------------------------------------------


@given(array=arrays(), kind=st.sampled_from([tg.Tensor, tg.Parameter]))
def test_a_tensor_is_a_private_read_only_copy(array, kind):
    x = kind(array)
    assert x.dtype == array.dtype
    assert x.shape == array.shape
    np.testing.assert_array_equal(x.data, array)
    assert x.data.flags.c_contiguous
    assert not np.shares_memory(x.data, array)
    with pytest.raises(ValueError, match="read-only"):
        x.data[...] = 0


@given(numbers=st.one_of(small, st.floats(-8, 8), st.lists(st.lists(small, min_size=2, max_size=2), max_size=3)))
def test_python_numbers_become_float32(numbers):
    x = tg.Tensor(numbers)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x.data, np.array(numbers, np.float32))


@pytest.mark.parametrize("code", [*"?bBhHiIlLqQegFDGOSUmM", ">f4", ">f8"])
def test_other_data_types_are_refused(code):
    array = np.zeros(2, code)
    if array.dtype in (np.float32, np.float64):
        pytest.skip(f"{code} is this machine's own float")
    for make in (tg.Tensor, tg.Parameter, lambda a: tg.Tensor(np.ones(2)) * a):
        with pytest.raises(TypeError, match="float32 or float64"):
            make(array)


@pytest.mark.parametrize("data", [True, 1j, "one", None, [True, False], [1j]])
def test_other_python_data_is_refused(data):
    with pytest.raises(TypeError, match="float32 or float64, got"):
        tg.Tensor(data)


def test_a_list_of_tensors_is_refused():
    x = tg.Tensor([1.0, 2.0])
    for joined in (lambda: tg.Tensor([x, x]), lambda: tg.concat([x, x]), lambda: x * [x, x]):
        with pytest.raises(
            TypeError, match=r"got a list of Tensors: write tinygen\.concat\(\*tensors\) or tinygen\.stack"
        ):
            joined()


@given(array=arrays())
def test_copies_are_independent_variables(array):
    for x in (tg.Tensor(array), tg.Tensor(array, requires_grad=True), tg.Parameter(array)):
        for other in (copy.copy(x), copy.deepcopy(x)):
            assert type(other) is type(x)
            assert other.requires_grad == x.requires_grad
            assert other.node is not x.node or x.node is None
            assert not np.shares_memory(other.data, x.data)
            assert not other.data.flags.writeable
            np.testing.assert_array_equal(other.data, x.data)


def test_a_computed_tensor_is_not_copied_with_its_graph():
    y = tg.exp(tg.Parameter([1.0]))
    with pytest.raises(TypeError, match="detach"):
        copy.deepcopy(y)
    assert copy.deepcopy(y.detach()).item() == y.item()


# -- numbers never promote, float64 does -------------------------------------------------------------------------------

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
NUMBERS = [int, float, np.float16, np.float32, np.float64, np.int8, np.int64, np.array]


@given(
    x=st.floats(0.5, 4, width=32),
    number=st.integers(1, 3),
    kind=st.sampled_from(NUMBERS),
    dtype=floats,
    act=st.sampled_from(OPERATORS),
    swapped=st.booleans(),
)
def test_numbers_never_promote(x, number, kind, dtype, act, swapped):
    """Python's and NumPy's scalars, and 0-d arrays, take the type of the tensor, on either side of it."""
    array = np.array([x, x], dtype)
    tensor, number = tg.Tensor(array), kind(number)
    found = act(number, tensor) if swapped else act(tensor, number)
    expected = act(dtype(number), array) if swapped else act(array, dtype(number))
    assert type(found) is tg.Tensor
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.data, expected)


@given(act=st.sampled_from(OPERATORS), swapped=st.booleans())
def test_float32_with_float64_gives_float64_and_gradients_of_each_type(act, swapped):
    narrow, wide = tg.Parameter(np.array([1.5, 2.5], np.float32)), tg.Parameter(np.array([0.75, 1.25]))
    a, b = (wide, narrow) if swapped else (narrow, wide)
    y = act(a, b)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y.data, act(a.data.astype(np.float64), b.data.astype(np.float64)))
    for x, g in zip((a, b), tg.grad(y.sum(), [a, b])):
        assert g.dtype == x.dtype
        step = 2.0**-13  # a power of two: x ± step is exact in float32 as well
        up, down = (act(*[z.data + step * (z is x) for z in (a, b)]).astype(np.float64) for step in (step, -step))
        np.testing.assert_allclose(g.data, (up - down) / (2 * step), rtol=1e-6)


@given(left=arrays(), right=arrays())
def test_arrays_are_constants_on_either_side(left, right):
    try:
        expected = left * right
    except ValueError:
        return
    for found in (left * tg.Tensor(right), tg.Tensor(left) * right, np.multiply(left, tg.Tensor(right))):
        assert type(found) is tg.Tensor
        assert found.dtype == expected.dtype or 0 in (left.ndim, right.ndim)  # a 0-d array is a number
        np.testing.assert_array_equal(found.data, expected)


def test_gradients_with_an_array_on_the_left():
    x = tg.Parameter([3.0])
    (g,) = tg.grad((np.array([2.0, 5.0], np.float32) * x).sum(), [x])
    assert g.item() == 7
    (g,) = tg.grad((np.array([[2.0], [5.0]], np.float32) @ x.reshape(1, 1)).sum(), [x])
    assert g.item() == 7


# -- NumPy's functions -------------------------------------------------------------------------------------------------

UFUNCS = sorted({f for f in vars(np).values() if isinstance(f, np.ufunc)}, key=lambda f: f.__name__)
OPERATOR_NAMES = {"add", "subtract", "multiply", "divide", "power", "matmul", "negative", "absolute"}
COMPOSED = {"square": "x * x", "log2": "tinygen.log(x) / np.log(2)", "log10": "tinygen.log(x) / np.log(10)"}
COMPARISON_NAMES = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_a_numpy_function_is_an_operator_or_says_what_to_call(ufunc):
    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    x = tg.Parameter(array)
    for args in [(x,)] if ufunc.nin == 1 else [(x, array), (array, x), (x, x)]:
        if ufunc.__name__ in OPERATOR_NAMES | COMPARISON_NAMES:
            found = ufunc(*args)
            assert type(found) is (np.ndarray if ufunc.__name__ in COMPARISON_NAMES else tg.Tensor)
            np.testing.assert_array_equal(tg.tensor.array_of(found), ufunc(*[array] * len(args)))
        else:
            known = COMPOSED | {name: f"tinygen.{name}" for name in tg.OPS}
            write = f"write {known[ufunc.__name__]}, or pass" if ufunc.__name__ in known else "pass"
            with pytest.raises(TypeError, match=re.escape(f"whose gradient would be lost: {write} tensor.numpy()")):
                ufunc(*args)


def test_numpy_names_the_tinygen_function():
    with pytest.raises(
        TypeError, match=r"np\.exp: expected arrays, got a Tensor, whose gradient would be lost: write tinygen\.exp"
    ):
        np.exp(tg.Parameter([1.0]))
    with pytest.raises(TypeError, match=r"np\.add: .* write tinygen\.add"):
        np.add.reduce(tg.Parameter([1.0]))


def test_adding_a_tensor_to_an_array_in_place_is_refused():
    array, x = np.ones(2), tg.Parameter([1.0, 2.0])
    with pytest.raises(TypeError, match=r"np\.add: expected arrays, got a Tensor"):
        array += x
    np.testing.assert_array_equal(array, [1, 1])


@given(array=arrays())
def test_array_protocol(array):
    """A constant converts to an array; a variable refuses, because it would leave the graph."""
    x = tg.Tensor(array)
    np.testing.assert_array_equal(np.asarray(x), array)
    assert np.shares_memory(np.asarray(x), x.data) or array.size == 0
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.array(x).flags.writeable
    assert not np.shares_memory(np.array(x), x.data)
    with pytest.raises(TypeError, match=r"expected an array, got a Tensor, .*: pass tensor\.numpy\(\)"):
        np.asarray(tg.Parameter(array))
    assert tg.Parameter(array).numpy() is not None


# -- Python's protocols ------------------------------------------------------------------------------------------------

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@given(array=arrays(), number=small, compare=st.sampled_from(COMPARISONS))
def test_comparisons_are_numpys(array, number, compare):
    x, other = tg.Parameter(array), np.full(array.shape, number, array.dtype)
    for found, expected in [
        (compare(x, number), compare(array, number)),
        (compare(number, x), compare(number, array)),
        (compare(x, other), compare(array, other)),
        (compare(other, x), compare(other, array)),
        (compare(x, tg.Tensor(other)), compare(array, other)),
    ]:
        assert type(found) in (np.ndarray, np.bool_)
        np.testing.assert_array_equal(found, expected)


@given(array=arrays())
def test_bool_len_iter_float_item(array):
    x = tg.Tensor(array)
    if array.size == 1:
        assert bool(x) is bool(array.item())
        assert float(x) == x.item() == array.item()
    else:
        for refused in (bool, float, tg.Tensor.item):
            with pytest.raises(ValueError, match=r"a tensor of shape \("):
                refused(x)
    if array.ndim:
        assert len(x) == len(array)
        assert [row.shape for row in x] == [row.shape for row in array]
        assert all(np.array_equal(a.data, b) for a, b in zip(x, array))
    else:
        for refused in (len, iter):
            with pytest.raises(TypeError, match="0-d"):
                refused(x)


def test_iteration_keeps_the_graph():
    x = tg.Parameter([1.0, 2.0, 3.0])
    a, b, c = x
    (g,) = tg.grad(a * b * c, [x])
    np.testing.assert_array_equal(g.data, [6, 3, 2])


def test_tensors_are_hashed_by_identity():
    x, y = tg.Tensor([1.0]), tg.Tensor([1.0])
    assert len({x, y, x}) == 2
    assert {x: "x", y: "y"}[x] == "x"


def test_repr_shows_values_shape_dtype_and_op():
    x = tg.Parameter([[1.0, 2.5]])
    assert repr(x) == "Parameter([[1. , 2.5]], shape=(1, 2), float32, requires_grad=True)"
    assert repr(tg.Tensor(np.array(2.0))) == "Tensor(2., shape=(), float64)"
    assert "op=exp" in repr(tg.exp(x))
    assert len(repr(tg.Tensor(np.zeros((1000, 1000))))) < 1000


def test_entries_are_never_assigned():
    x = tg.Parameter([1.0, 2.0])
    with pytest.raises(TypeError, match="immutable value: build the new one with"):
        x[0] = 5.0
    with pytest.raises(AttributeError):
        x.gard = None  # a misspelt name raises


AUGMENTED = [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow]


@given(act=st.sampled_from(AUGMENTED))
def test_augmented_assignment_makes_a_new_value(act):
    for x in (tg.Tensor([2.0, 3.0]), tg.Parameter([2.0, 3.0]) * 1):
        y = act(x, 2.0)
        assert y is not x
        assert type(y) is tg.Tensor
        np.testing.assert_array_equal(x.data, [2, 3])


@pytest.mark.parametrize("act", AUGMENTED)
def test_augmented_assignment_to_a_variable_is_refused(act):
    """`for w in params: w -= lr * g` would bind `w` to a new tensor and not change the model."""
    for x in (tg.Parameter([[2.0]]), tg.Tensor([[2.0]], requires_grad=True)):
        with pytest.raises(TypeError, match=r"=: .* read-only, got an assignment in place: call opt\.step"):
            act(x, np.ones((1, 1), np.float32))
        assert x.item() == 2


def test_reshape_and_transpose_take_numbers_or_a_tuple():
    x = tg.Tensor(np.arange(6.0).reshape(1, 2, 3))
    for y in (x.reshape(3, 2), x.reshape((3, 2)), x.reshape(3, -1)):
        np.testing.assert_array_equal(y.data, x.data.reshape(3, 2))
    for y in (x.transpose(2, 0, 1), x.transpose((2, 0, 1)), x.transpose([2, 0, 1])):
        np.testing.assert_array_equal(y.data, x.data.transpose(2, 0, 1))
    np.testing.assert_array_equal(x.T.data, x.data.T)
    np.testing.assert_array_equal(x.transpose().data, x.data.T)
    assert tg.Tensor(1.0).reshape().shape == tg.Tensor(1.0).T.shape == ()
