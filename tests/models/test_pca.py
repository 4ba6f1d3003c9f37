"""PCA: the eigenvalues and axes that the data were given, the error that it leaves, and Tensors and NaN."""

import os

import numpy as np
import pytest
from helpers.moments import orthonormal, with_moments
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import load_mnist
from tinygen.evaluate.metrics import squared_error_per_image
from tinygen.models import pca, pca_2d, pca_reconstruct
from tinygen.tensor import Parameter, Tensor

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 6), st.integers(7, 30), st.sampled_from([1, 40, 2**22]))
def test_pca_finds_the_eigenvalues_and_axes_it_was_given(seed, d, n, block):
    rng = np.random.default_rng(seed)
    variances = 2.0 ** -np.arange(d)  # apart, so that each axis is determined
    axes = orthonormal(rng, d, d)
    mean = rng.standard_normal(d)
    x = with_moments(rng, n, mean, (axes * variances) @ axes.T)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygen.evaluate.rows.BLOCK", block)
        found_mean, components, explained = pca(x, d)
    np.testing.assert_allclose(found_mean, mean, atol=1e-12)
    np.testing.assert_allclose(explained, variances * (n - 1) / n, atol=1e-12)
    np.testing.assert_allclose(np.abs(components @ axes), np.eye(d), atol=1e-10)
    assert all(row[np.abs(row).argmax()] > 0 for row in components)


@given(SEEDS, st.integers(1, 8), st.integers(1, 8))
def test_what_pca_leaves_out_is_its_error_and_no_other_plane_does_better(seed, d, k):
    k = min(k, d)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((20, d, 1, 1))
    mean, components, _ = pca(x, k)
    error = squared_error_per_image(x, pca_reconstruct(x, mean, components))
    singular = np.linalg.svd((x - x.mean(axis=0)).reshape(20, d), compute_uv=False)
    assert error == pytest.approx((singular[k:] ** 2).sum() / 20, abs=1e-12)
    other = squared_error_per_image(x, pca_reconstruct(x, mean, orthonormal(rng, d, k).T))
    assert error <= other + 1e-12


@given(SEEDS, st.sampled_from([np.float32, np.float64, np.uint8]))
def test_pca_reconstruct_keeps_shape_and_floating_dtype(seed, dtype):
    x = np.random.default_rng(seed).integers(0, 255, (5, 2, 3, 1)).astype(dtype)
    mean, components, _ = pca(x, 6)
    y = pca_reconstruct(x, mean, components)
    assert y.shape == x.shape and y.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(y, x, atol=1e-3 if dtype != np.float64 else 1e-10)  # all six components: everything


@given(SEEDS)
def test_pca_2d_keeps_the_distances_of_points_in_a_plane(seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((12, 2))
    flat = pca_2d(points @ orthonormal(rng, 5, 2).T + rng.standard_normal(5))
    assert flat.shape == (12, 2)
    np.testing.assert_allclose(
        np.linalg.norm(flat[:, None] - flat, axis=2), np.linalg.norm(points[:, None] - points, axis=2), atol=1e-10
    )


def test_pca_errors():
    with pytest.raises(ValueError, match="between 1 and the 4 pixels of an image, got 5"):
        pca(np.zeros((3, 2, 2, 1)), 5)
    with pytest.raises(ValueError, match="NaN"):
        pca(np.full((3, 2), np.nan), 1)
    with pytest.raises(ValueError, match=r"components \(k, 4\) for x, got \(2, 5\)"):
        pca_reconstruct(np.zeros((3, 4)), np.zeros(5), np.zeros((2, 5)))


@pytest.mark.usefixtures("not_quick")
def test_pca_of_mnist_has_the_known_errors():
    if not os.environ.get("TINYGEN_DATA"):
        pytest.skip("TINYGEN_DATA names no folder with MNIST")
    mnist = load_mnist()
    mean, components, _ = pca(mnist.train_images, 30)
    train, test = mnist.train_images, mnist.test_images
    ten = squared_error_per_image(test, pca_reconstruct(test, mean, components[:10]))
    thirty = squared_error_per_image(train, pca_reconstruct(train, mean, components))
    assert (round(ten, 3), round(thirty, 4)) == (26.714, 14.2071)


def test_tensors_are_as_good_as_arrays():
    rows = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    for kind in (Tensor, Parameter, lambda array: Parameter(array) * 1):
        np.testing.assert_equal(tuple(pca(kind(rows), 2)), tuple(pca(rows, 2)))
        np.testing.assert_equal(pca_2d(kind(rows)), pca_2d(rows))
        found = pca_reconstruct(kind(rows), kind(rows[0]), kind(rows[:2]))
        np.testing.assert_equal(found, pca_reconstruct(rows, rows[0], rows[:2]))
