"""The matrix of a convolution and the kernels of a transposed one, compared with loops, SciPy and the ops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal, sparse

import tinygen as tg
from tinygen.explain import PlacedKernels

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw):
    """An image shape (H, W, C), a kernel shape (KH, KW, C, O), the geometry, and a generator."""
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    size = [draw(st.integers(max(1, r - 2 * p), max(1, r - 2 * p) + 4)) for r, p in zip(reach, padding)]
    c, o = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    form = {"stride": stride, "padding": padding, "dilation": dilation}
    return (*size, c), (*kernel, c, o), form, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def whole(rng, shape):
    return rng.integers(-9, 10, shape).astype(float)


def convolved(x, w, stride, padding, dilation):
    """The formula of the convolution, entry by entry."""
    (h, k, _), (kh, kw, _, o) = x.shape, w.shape
    gh, gw = (
        (n + 2 * p - d * (m - 1) - 1) // s + 1 for n, m, s, p, d in zip((h, k), (kh, kw), stride, padding, dilation)
    )
    y = np.zeros((gh, gw, o))
    for i, j, u, v in np.ndindex(gh, gw, kh, kw):
        row, column = stride[0] * i + dilation[0] * u - padding[0], stride[1] * j + dilation[1] * v - padding[1]
        if 0 <= row < h and 0 <= column < k:
            y[i, j] += x[row, column] @ w[u, v]
    return y


# -- the matrix --------------------------------------------------------------------------------------------------------


@given(convolutions())
def test_the_matrix_convolves(case):
    shape, kernel, form, rng = case
    x, w = whole(rng, shape), whole(rng, kernel)
    M, y = tg.conv_matrix(w, shape, **form), convolved(x, w, **form)
    assert sparse.issparse(M) and M.shape == (y.size, x.size)
    assert np.array_equal(M @ x.ravel(), y.ravel())
    assert np.array_equal(y[None], tg.conv2d(x[None], w, **form).numpy())


@given(convolutions())
def test_the_transposed_matrix_is_the_transposed_convolution(case):
    shape, kernel, form, rng = case
    w = whole(rng, kernel)
    M = tg.conv_matrix(w, shape, **form)
    y = whole(rng, convolved(np.zeros(shape), w, **form).shape)
    x = tg.conv_transpose2d(y[None], w, size=shape[:2], **form).numpy()
    assert np.array_equal(M.T @ y.ravel(), x.ravel())


def test_the_matrix_of_one_channel_equals_scipy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(7, 5)), rng.normal(size=(3, 2))
    expected = signal.correlate2d(x, w, mode="valid")
    np.testing.assert_allclose(tg.conv_matrix(w, x.shape) @ x.ravel(), expected.ravel(), rtol=0, atol=1e-14)


def test_the_matrix_stores_one_entry_per_product_in_the_dtype_of_the_kernel():
    M = tg.conv_matrix(np.zeros((3, 3, 2, 4), np.float32), (6, 6, 2))
    assert M.nnz == 4 * 4 * 3 * 3 * 2 * 4 and M.dtype == np.float32
    assert tg.conv_matrix(tg.Parameter(np.ones((1, 1, 1, 1))), (2, 2, 1)).dtype == np.float64
    assert tg.conv_matrix([[1, 2]], (2, 2)).toarray().tolist() == [[1, 2, 0, 0], [0, 0, 1, 2]]


@pytest.mark.parametrize(
    ("kernel", "shape", "options", "message"),
    [
        ((3, 3), (5, 5, 2), {}, r"expected image_shape \(H, W, 1\) .*, got \(5, 5, 2\)"),
        ((3, 3, 2, 1), (5, 5), {}, r"expected image_shape \(H, W, 2\)"),
        ((3, 3), (5,), {}, r"expected image_shape \(H, W, 1\)"),
        ((3,), (5, 5), {}, r"expected a kernel \(KH, KW, C, O\), or \(KH, KW\) for one channel, got shape \(3,\)"),
        ((3, 3), (2, 5), {}, "a window of 3 x 3"),
        ((3, 3), (5, 0), {}, r"image_shape\[1\]"),
        ((3, 3), (5, 5), {"stride": 0}, "conv_matrix: expected stride"),
    ],
)
def test_the_matrix_refuses_what_does_not_fit(kernel, shape, options, message):
    with pytest.raises(ValueError, match=message):
        tg.conv_matrix(np.ones(kernel), shape, **options)


# -- the placed kernels ------------------------------------------------------------------------------------------------


@given(convolutions(), st.integers(0, 2), st.integers(0, 2))
def test_the_summands_are_transposed_convolutions_of_single_entries(case, down, across):
    (gh, gw, o), (kh, kw, c, _), form, rng = case
    x, w = whole(rng, (gh, gw, o)), whole(rng, (kh, kw, c, o))
    extra = tuple(min(e, s - 1) for e, s in zip((down, across), form["stride"]))
    size = tuple(
        s * (g - 1) + d * (k - 1) + 1 - 2 * p + e
        for s, g, d, k, p, e in zip(form["stride"], (gh, gw), form["dilation"], (kh, kw), form["padding"], extra)
    )
    if min(size) < 1:
        with pytest.raises(ValueError, match="use less padding"):
            tg.explain_conv_transpose(x, w, output_padding=extra, **form)
        return
    explained = tg.explain_conv_transpose(x, w, output_padding=extra, **form)
    assert explained.summands.shape == (gh * gw, *size, c) and explained.total.shape == (*size, c)
    for k, (i, j) in enumerate(np.ndindex(gh, gw)):
        single = np.zeros((1, gh, gw, o))
        single[0, i, j] = x[i, j]
        expected = tg.conv_transpose2d(single, w, size=size, **form).numpy()[0]
        assert np.array_equal(explained.summands[k], expected)
    assert np.array_equal(explained.total, (tg.conv_matrix(w, (*size, c), **form).T @ x.ravel()).reshape(*size, c))


def test_the_example_of_the_lecture():
    slide = np.array([[1, 3], [0, 2]])
    explained = tg.explain_conv_transpose(slide, slide)
    assert isinstance(explained, PlacedKernels) and explained.summands.dtype == np.float64
    assert explained.summands.tolist() == [
        [[1, 3, 0], [0, 2, 0], [0, 0, 0]],
        [[0, 3, 9], [0, 0, 6], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 2, 6], [0, 0, 4]],
    ]
    assert explained.total.tolist() == signal.convolve2d(slide, slide).tolist() == [[1, 6, 9], [0, 4, 12], [0, 0, 4]]


def test_the_film_has_a_frame_for_each_entry_and_one_for_the_sum():
    explained = tg.explain_conv_transpose(np.ones((2, 3)), np.ones((3, 3)), stride=2, padding=1, output_padding=1)
    film = explained.film(fps=3, title="placed")
    assert len(film) == 7 and film.fps == 3 and film.title == "placed"
    assert "<iframe" in explained._repr_html_()


def test_several_channels_have_no_film():
    explained = tg.explain_conv_transpose(np.ones((2, 3, 1)), np.ones((3, 3, 1, 1)))
    with pytest.raises(ValueError, match="explain one channel"):
        explained.film()
    assert explained._repr_html_() is None
    assert tg.explain_conv_transpose(np.ones((21, 20)), np.ones((3, 3)))._repr_html_() is None  # too many frames


@pytest.mark.parametrize(
    ("x", "kernel", "options", "message"),
    [
        ((2, 2, 1), (3, 3), {}, r"expected x \(GH, GW\) for a kernel \(KH, KW\), got shape \(2, 2, 1\)"),
        ((2, 2, 1), (3, 3, 1, 2), {}, r"expected x \(GH, GW, 2\) for a kernel \(3, 3, 1, 2\), got shape \(2, 2, 1\)"),
        ((2, 0), (3, 3), {}, "expected x"),
        ((2, 2), (3, 3), {"stride": 2, "output_padding": 2}, r"output_padding to be below the stride \(2, 2\)"),
        ((1, 1), (3, 3), {"padding": 2}, "use less padding"),
        ((2, 2), (3, 3), {"dilation": 0}, "explain_conv_transpose: expected dilation"),
    ],
)
def test_what_does_not_fit_is_refused(x, kernel, options, message):
    with pytest.raises(ValueError, match=message):
        tg.explain_conv_transpose(np.ones(x), np.ones(kernel), **options)
