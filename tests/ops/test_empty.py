"""Arrays without entries have the right values and gradients, and no result contains uninitialised memory."""

import numpy as np
import pytest
from helpers.network import inputs, network
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygen as tg


def summed_to(array, shape):
    """The adjoint of broadcasting in NumPy: the sum over all axes that `shape` lacks or has with size 1."""
    extra = tuple(range(array.ndim - len(shape)))
    array = array.sum(axis=extra)
    return array.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=3, min_side=0, max_side=3),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_broadcasting_then_summing_with_empty_axes(shapes, seed, data):
    """The gradients of Σ a·b over some axes: exact for whole numbers, zeros for empty axes."""
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-4, 5, s).astype(np.float64) for s in shapes.input_shapes]
    a, b = (tg.Tensor(x, requires_grad=True) for x in arrays)
    axis = data.draw(st.none() | st.sets(st.sampled_from(range(len(shapes.result_shape))), min_size=1).map(tuple)) if (
        shapes.result_shape
    ) else None  # fmt: skip
    y = (a * b).sum(axis=axis)
    np.testing.assert_array_equal(y.data, (arrays[0] * arrays[1]).sum(axis=axis))
    gy = rng.integers(-4, 5, y.shape).astype(np.float64)
    axes = tuple(range(len(shapes.result_shape))) if axis is None else axis
    spread = np.broadcast_to(np.expand_dims(gy, axes), shapes.result_shape)
    for g, other, x in zip(tg.grad(y, [a, b], gy), arrays[::-1], arrays):
        np.testing.assert_array_equal(g.data, summed_to(spread * other, x.shape))


@pytest.fixture
def uninitialised_is_nan(monkeypatch, compiled):
    """np.empty returns NaN, so that code which forgets to fill it is found."""
    plain = np.empty

    def empty(shape, dtype=float, order="C", **options):
        array = plain(shape, dtype, order, **options)
        array[...] = np.nan if array.dtype.kind == "f" else 0
        return array

    def empty_like(prototype, dtype=None, order="K", subok=True, shape=None, **options):
        prototype = np.asarray(prototype)
        return empty(prototype.shape if shape is None else shape, dtype or prototype.dtype)

    monkeypatch.setattr(np, "empty", empty)
    monkeypatch.setattr(np, "empty_like", empty_like)


@pytest.mark.parametrize("n, k, m", [(0, 3, 2), (2, 0, 3), (2, 3, 0), (0, 0, 0)])
def test_dense_without_examples_inputs_or_outputs(uninitialised_is_nan, n, k, m):
    x, w, b = tg.Parameter(np.ones((n, k))), tg.Parameter(np.ones((k, m))), tg.Parameter(np.ones(m))
    y = x @ w + b
    np.testing.assert_array_equal(y.data, np.full((n, m), k + 1.0))
    gx, gw, gb = tg.grad(y.sum(), [x, w, b])
    np.testing.assert_array_equal(gx.data, np.full((n, k), m))
    np.testing.assert_array_equal(gw.data, np.full((k, m), n))
    np.testing.assert_array_equal(gb.data, np.full(m, n))


@pytest.mark.parametrize("n, c, o", [(0, 2, 3), (2, 0, 3), (2, 2, 0), (0, 0, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_without_images_or_channels(uninitialised_is_nan, n, c, o, dtype):
    """The weight gradient of an empty batch is 0, not whatever was in memory."""
    x, w = tg.Parameter(np.ones((n, 4, 4, c), dtype)), tg.Parameter(np.ones((3, 3, c, o), dtype))
    y = tg.conv2d(x, w, padding=1, stride=2)
    assert y.shape == (n, 2, 2, o)
    up = tg.conv_transpose2d(y, w, size=4, padding=1, stride=2)
    assert up.shape == x.shape
    for g, v in zip(tg.grad((up * up).sum() + y.sum(), [x, w]), (x, w)):
        assert g.shape == v.shape
        assert not g.data.any()


def test_pooling_and_upsampling_of_no_images(uninitialised_is_nan):
    x = tg.Parameter(np.ones((0, 4, 4, 2)))
    h = tg.upsample(tg.max_pool2d(x, kernel_size=2), 2) + tg.upsample(
        tg.avg_pool2d(x, kernel_size=2), 2, mode="bilinear"
    )
    assert h.shape == (0, 4, 4, 2)
    assert tg.grad(h.sum(), x).shape == x.shape


def test_no_result_contains_uninitialised_memory(uninitialised_is_nan, monkeypatch):
    x, w, *rest = inputs(1)
    variables = tg.Parameter(x), tg.Parameter(w)
    found = tg.grad(network(*variables, *rest), variables)
    monkeypatch.undo()
    for g, plain in zip(found, tg.grad(network(*variables, *rest), variables)):
        np.testing.assert_array_equal(g.data, plain.data)
        assert np.isfinite(g.data).all()
