"""The strategies: layouts differ, shapes broadcast, windows fit, and samples have the promised form."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen.testing import CASES, draws, strategies
from tinygen.testing.layouts import LAYOUTS

# -- memory layouts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYOUTS)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([np.float32, np.float64, np.int64, bool]))
def test_a_layout_keeps_shape_type_and_numbers(name, seed, dtype):
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=draws.shape(rng)) * 10).astype(dtype)
    before = array.tobytes()
    view = LAYOUTS[name](array)
    assert (view.shape, view.dtype) == (array.shape, array.dtype)
    if name != "repeated":
        np.testing.assert_array_equal(view, array)
    assert array.tobytes() == before and not np.shares_memory(view, array)


def test_layouts_are_what_their_names_say():
    array = np.arange(24.0).reshape(2, 3, 4)
    views = {name: lay_out(array) for name, lay_out in LAYOUTS.items()}
    assert views["c_order"].flags.c_contiguous
    assert views["f_order"].flags.f_contiguous
    assert not views["transposed"].flags.contiguous and views["transposed"].strides[2] == 48
    assert all(stride < 0 for stride in views["negative"].strides)
    assert views["repeated"].strides == (0, 8, 0)
    assert views["gaps"].strides == (1008, 144, 16) and np.isnan(views["gaps"].base).sum() == 5 * 7 * 9 - 24
    assert np.isnan(views["offset"].base).sum() == 6
    assert not views["read_only"].flags.writeable
    assert len({(v.strides, v.flags.writeable, v.base is None) for v in views.values()}) == len(LAYOUTS)


@given(strategies.arrays(strategies.shapes(least=1), dtype=np.float32))
def test_arrays_have_the_requested_type(array):
    assert array.dtype == np.float32
    assert np.isfinite(array).all()


def test_arrays_have_every_layout():
    for name, lay_out in LAYOUTS.items():
        wanted = lay_out(np.ones((2, 3, 4)))
        find(
            strategies.arrays((2, 3, 4)),
            lambda a, wanted=wanted: (a.strides, a.flags.writeable) == (wanted.strides, wanted.flags.writeable),
        )
        assert name in LAYOUTS


# -- structure ---------------------------------------------------------------------------------------------------------


@given(strategies.broadcastable_shapes(3))
def test_broadcastable_shapes_broadcast(shapes):
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


def test_structure_shrinks_to_the_simplest():
    assert find(strategies.shapes(), lambda s: len(s) >= 2) == (1, 1)
    assert find(strategies.shapes(), lambda s: sum(s) >= 3) == (3,)
    assert find(strategies.shapes(), lambda s: 0 in s) == (0,)
    ((x,), static) = find(strategies.examples(CASES["sum"]), lambda e: e[0][0].size > 1 and e[1]["axis"] is not None)
    assert x.shape == (2,) and static == {"axis": 0, "keepdims": False}


@given(strategies.conv_forms())
def test_conv_forms_fit(form):
    x, w = np.zeros((1, *form["size"], 1)), np.zeros((*form["kernel_size"], 1, 1))
    y = tg.conv2d(tg.Tensor(x), tg.Tensor(w), **{k: form[k] for k in ("stride", "padding", "dilation")})
    assert y.shape[1:3] == form["outputs"]


def test_windows_are_asymmetric():
    """Stride and dilation, height and width: more than half the draws must reveal a rule that swaps them."""
    forms = [draws.window(np.random.default_rng(seed)) for seed in range(1000)]
    assert sum(form["stride"] != form["dilation"] for form in forms) > 500
    for name in ("kernel_size", "stride", "dilation"):
        assert sum(len(set(form[name])) == 2 for form in forms) > 500


def test_indices_repeat_in_half_the_draws():
    def repeats(rng):
        shape = draws.shape(rng, least=1)
        picked = np.arange(int(np.prod(shape))).reshape(shape)[draws.index(rng, shape)]
        return np.unique(picked).size < picked.size

    count = sum(repeats(np.random.default_rng(seed)) for seed in range(1000) if seed)
    assert count > 400  # nearly half of the others are empty arrays, which have nothing to repeat


# -- the samples of the table ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", sorted(CASES))
def test_samples_are_float64_and_repeat_with_their_seed(op):
    for seed in range(20):
        (arrays, static), (again, _) = (CASES[op].sample(np.random.default_rng(seed)) for _ in "12")
        assert all(type(a) is np.ndarray and a.dtype == np.float64 for a in arrays)
        assert [a.tobytes() for a in arrays] == [a.tobytes() for a in again]
        assert CASES[op].describe(arrays, static).startswith(op)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_distinct_numbers_are_distinct(seed):
    rng = np.random.default_rng(seed)
    a, b = draws.distinct(rng, draws.shape(rng), draws.shape(rng))
    numbers = np.sort(np.concatenate([a.ravel(), b.ravel()]))
    assert (np.diff(numbers) > 0.03).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200)
def test_samples_stay_away_from_kinks(seed):
    x = draws.away_from(-0.5, 0.8)(np.random.default_rng(seed), (1000,))
    assert min(abs(x + 0.5).min(), abs(x - 0.8).min()) >= 0.05
