"""Principal component analysis: the best linear code of every length, in closed form (Pearson 1901; Hotelling 1933)."""

from typing import NamedTuple

import numpy as np

from tinygen.evaluate.rows import as_rows, blocks, moments, on_arrays


class PCA(NamedTuple):
    """The mean (D,), the k first principal components as rows (k, D), and the variance along each (k,)."""

    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray


@on_arrays
def pca(train: np.ndarray, k: int) -> PCA:
    """Principal components: the k leading eigenvectors of 1/N Σₙ (xₙ - μ)(xₙ - μ)ᵀ, largest variance first.

    The eigenvalues left out add up to the squared error per image on `train`, the least of any linear code of size k
    (Eckart & Young 1936; Baldi & Hornik 1989). A component's sign is free: its largest entry is made positive.
    """
    rows = as_rows(train)  # (N, D)
    if not 1 <= k <= rows.shape[1]:
        raise ValueError(f"pca: expected k between 1 and the {rows.shape[1]} pixels of an image, got {k}: keep fewer")
    mean, covariance = moments("pca", rows, ddof=0)
    variances, vectors = np.linalg.eigh(covariance)  # ascending
    components = vectors[:, ::-1][:, :k].T
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1, keepdims=True), axis=1)  # (k, 1)
    return PCA(mean, components * np.sign(largest), np.maximum(variances[::-1][:k], 0))


@on_arrays
def pca_reconstruct(x: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """The point of the principal subspace nearest to each example: μ + VᵀV(x - μ), in the shape of `x`."""
    rows = as_rows(x)
    if components.shape[1] != rows.shape[1]:
        raise ValueError(
            f"pca_reconstruct: expected components (k, {rows.shape[1]}) for x, got {components.shape}: fit pca to them"
        )
    dtype = np.result_type(rows.dtype, np.float32)
    parts = [(mean + (block - mean) @ components.T @ components).astype(dtype) for block in blocks(rows)]
    return np.concatenate(parts).reshape(np.shape(x))


@on_arrays
def pca_2d(codes: np.ndarray) -> np.ndarray:
    """Codes (N, d) projected on their first two principal components, (N, 2): the plane that keeps most variance.

    The second coordinate of codes (N, 1) is 0.
    """
    rows = as_rows(codes)
    rows = np.pad(rows, [(0, 0), (0, max(0, 2 - rows.shape[1]))])
    mean, components, _ = pca(rows, 2)
    return np.concatenate([(block - mean) @ components.T for block in blocks(rows)])
