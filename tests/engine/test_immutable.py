"""An array that a graph saved can't change: not through the caller's array, an optimizer, or an output."""

from types import FunctionType

import numpy as np
import pytest
from helpers.network import inputs, network
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg


def saved_arrays(node):
    """Every array in the graph behind a node: saved outputs, and whatever the derivative rules close over."""
    found, todo, seen = [], [node], set()
    while todo:
        item = todo.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            found.append(item)
        elif isinstance(item, tg.Tensor):
            todo += [item.data, item.node]
        elif isinstance(item, type(node)):
            todo += [item.output, *(part for edge in item.edges for part in edge)]
        elif isinstance(item, FunctionType):
            todo += [cell.cell_contents for cell in item.__closure__ or ()] + list(item.__defaults__ or ())
        elif isinstance(item, tuple | list):
            todo += item
        elif isinstance(item, dict):
            todo += item.values()
    return found


def test_the_network_uses_nearly_every_op():
    """So that the tests below cover the arrays that nearly every op saves."""
    x, w, *rest = inputs(0)
    with tg.trace() as calls:
        tg.grad(network(tg.Parameter(x), tg.Parameter(w), *rest), tg.Parameter(x))
    used = {call[0].__name__ for call in calls}
    assert len(used) >= 45, sorted(set(tg.OPS) - used)


def test_every_saved_array_is_read_only():
    x, w, *rest = inputs(0)
    arrays = saved_arrays(network(tg.Parameter(x), tg.Parameter(w), *rest).node)
    assert {"b", "i", "f"} <= {a.dtype.kind for a in arrays}  # masks, indices, numbers
    assert len(arrays) >= 30
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@given(seed=st.integers(0, 2**32 - 1))
def test_the_caller_may_overwrite_arrays_after_the_forward_pass(seed):
    """Inputs, masks, indices and matrices are overwritten; the gradients stay the same."""
    x, w, mask, rows, matrices = inputs(seed)
    constant = x.copy()
    variables = tg.Parameter(x), tg.Parameter(w)
    expected = tg.grad(network(*variables, mask, rows, matrices), variables)

    y = network(*variables, mask, rows, matrices) + (variables[0] * constant).sum() * 0.0
    for saved in saved_arrays(y.node):
        assert not any(np.shares_memory(saved, a) for a in (x, w, constant, mask, rows, *matrices))
    for array in (x, w, constant, mask, rows, *matrices):
        array[...] = 1
    for g, e in zip(tg.grad(y, variables), expected):
        np.testing.assert_array_equal(g.data, e.data)


def test_an_index_in_a_list_is_private_too():
    x, rows = tg.Parameter([1.0, 2.0, 3.0]), [0, 1]
    y = (x[rows] * x[[2, 2]]).sum()
    rows[:] = [2, 2]
    np.testing.assert_array_equal(tg.grad(y, x).data, [3, 3, 3])
    assert x[[]].shape == (0,)


def test_every_result_is_read_only():
    x = tg.Parameter(np.ones((2, 3)))
    y = (x * x).sum()
    first = tg.grad(y, x, create_graph=True)
    y.backward()
    unused = tg.grad(x.sum(), tg.Parameter([1.0]))
    for tensor in (y, first, x.grad, unused, x.detach(), x[0], x.T, x.reshape(6), tg.Tensor(1.0), *x):
        with pytest.raises(ValueError, match="read-only"):
            tensor.data[...] = 0


def test_a_rule_cannot_change_the_gradient_it_is_given():
    """The caller and the other rules of a sum may use the same array."""

    @tg.op
    def test_only_scribble(x):
        def vjp(g):
            g.data[...] = 0
            return g

        return x.data, vjp

    try:
        x, gy = tg.Parameter([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
        with pytest.raises(ValueError, match="read-only"):
            tg.grad(test_only_scribble(x) + x, x, gy)
        np.testing.assert_array_equal(gy, [3, 4])
        assert gy.flags.writeable
    finally:
        del tg.OPS["test_only_scribble"]


def test_the_array_gy_is_neither_locked_nor_kept():
    x, gy = tg.Parameter([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
    g = tg.grad(x + 1.0, x, gy)
    gy[...] = 0
    np.testing.assert_array_equal(g.data, [3, 4])


# -- parameters --------------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1))
def test_a_live_graph_keeps_the_array_it_used(seed):
    """New data between the forward and the backward pass does not change the gradient."""
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=(2, 3))
    p = tg.Parameter(old)
    before = (p * p * p).sum()
    p.data = new
    after = (p * p * p).sum()
    np.testing.assert_allclose(tg.grad(before, p).data, 3 * old**2, rtol=1e-14)
    np.testing.assert_allclose(tg.grad(after, p).data, 3 * new**2, rtol=1e-14)
    mixed = (p * p).sum()
    p.data = old
    mixed = mixed + (p * p).sum()
    np.testing.assert_allclose(tg.grad(mixed, p).data, 2 * new + 2 * old, rtol=1e-14)


def test_new_data_is_private_unless_it_is_read_only():
    p, new = tg.Parameter([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
    p.data = new
    y = (p * p).sum()
    new[...] = 0
    np.testing.assert_array_equal(p.data, [3, 4])
    np.testing.assert_array_equal(tg.grad(y, p).data, [6, 8])
    new.flags.writeable = False
    p.data = new
    assert p.data is new  # not copied: an optimizer passes its buffer this way
    tensor = tg.Tensor([5.0, 6.0])
    p.data = tensor
    assert p.data is tensor.data


@pytest.mark.parametrize(
    "data, error, words",
    [
        (np.zeros(3, np.float32), ValueError, r"Parameter\.data: expected shape \(2,\), got \(3,\)"),
        (1.0, ValueError, r"expected shape \(2,\), got \(\)"),
        (np.array([1, 2]), TypeError, "float32 or float64, got int64"),
        (None, TypeError, "float32 or float64, got object"),
    ],
)
def test_new_data_must_fit(data, error, words):
    p = tg.Parameter([1.0, 2.0])
    with pytest.raises(error, match=words):
        p.data = data
    np.testing.assert_array_equal(p.data, [1, 2])


def test_an_update_in_place_raises():
    p = tg.Parameter([1.0, 2.0])
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            p.data -= 0.1
        with pytest.raises(ValueError, match="read-only"):
            p.data[0] = 5
        p.data = p.data - np.float32(0.5)  # allowed: new data
    np.testing.assert_array_equal(p.data, [0, 1])
